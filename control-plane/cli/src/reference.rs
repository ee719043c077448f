//! The reference page of the command line: written introduction, generated list of commands.
//!
//! `UPDATE_EXPECT=1 cargo test -p gatehouse reference` writes it anew.

use clap::{Arg, Command, CommandFactory as _};
use expect_test::expect_file;

use crate::arguments::Arguments;

const INTRODUCTION: &str = include_str!("reference/introduction.md");

#[test]
fn the_reference_page_is_current() {
    let mut root = Arguments::command();
    root.build();
    let mut page = INTRODUCTION.to_owned();
    page.push_str(&options(
        "Options of every command",
        root.get_arguments().filter(|argument| argument.is_global_set()),
    ));
    for command in root.get_subcommands() {
        write_command(command, "gatehouse", &mut page);
    }
    expect_file!["../../../docs/reference/command-line.md"].assert_eq(&page);
}

fn write_command(command: &Command, parent: &str, page: &mut String) {
    if command.get_name() == "help" {
        return;
    }
    let path = format!("{parent} {}", command.get_name());
    let children: Vec<&Command> = command.get_subcommands().collect();
    if !children.is_empty() {
        for child in children {
            write_command(child, &path, page);
        }
        return;
    }
    page.push_str(&format!("\n## `{path}`\n\n{}.\n", text(command.get_about())));
    let own = || {
        command
            .get_arguments()
            .filter(|argument| !argument.is_global_set() && argument.get_id() != "help")
    };
    let required = own()
        .filter(|argument| argument.is_positional() || argument.is_required_set())
        .map(spelling);
    let optional = own().any(|argument| !argument.is_positional() && !argument.is_required_set());
    let usage: Vec<String> = [path]
        .into_iter()
        .chain(required)
        .chain(optional.then(|| "[OPTIONS]".to_owned()))
        .collect();
    page.push_str(&format!("\n```\n{}\n```\n", usage.join(" ")));
    page.push_str(&options("", own()));
}

fn positional(argument: &Arg) -> String {
    let name = argument
        .get_value_names()
        .and_then(|names| names.first())
        .map_or("VALUE", |name| name.as_str());
    let many = argument.get_action().takes_values()
        && argument
            .get_num_args()
            .is_some_and(|count| count.max_values() > 1);
    let name = if many {
        format!("{name}...")
    } else {
        name.to_owned()
    };
    if argument.is_required_set() {
        name
    } else {
        format!("[{name}]")
    }
}

fn options<'a>(title: &str, arguments: impl Iterator<Item = &'a Arg>) -> String {
    let rows: Vec<String> = arguments
        .filter(|argument| !argument.is_hide_set())
        .map(row)
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let title = if title.is_empty() {
        String::new()
    } else {
        format!("\n## {title}\n")
    };
    format!("{title}\n| | | default |\n|---|---|---|\n{}", rows.concat())
}

fn row(argument: &Arg) -> String {
    let default: Vec<String> = argument
        .get_default_values()
        .iter()
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    let flag = !argument.get_action().takes_values();
    let default = if flag { String::new() } else { default.join(" ") };
    let values: Vec<String> = argument
        .get_possible_values()
        .iter()
        .map(|value| value.get_name().to_owned())
        .collect();
    let values = if values.is_empty() || flag {
        String::new()
    } else {
        format!(" ({})", values.join(", "))
    };
    format!(
        "| `{}` | {}{values} | {default} |\n",
        spelling(argument),
        text(argument.get_help())
    )
}

fn spelling(argument: &Arg) -> String {
    if argument.is_positional() {
        return positional(argument);
    }
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let spelled = short.into_iter().chain(long).collect::<Vec<_>>().join(", ");
    let value = argument.get_value_names().and_then(|names| names.first());
    match value {
        Some(value) if argument.get_action().takes_values() => format!("{spelled} {value}"),
        _ => spelled,
    }
}

fn text(help: Option<&clap::builder::StyledStr>) -> String {
    help.map(|help| help.to_string().replace('|', "\\|").replace('\n', " "))
        .unwrap_or_default()
}
