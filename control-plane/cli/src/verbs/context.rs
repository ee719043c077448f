//! `gatehouse context`: which control planes there are to speak to.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use gatehouse_control_plane_api::client::{Client, ClientOptions};
use serde::Serialize;

use crate::{
    documents::{read_standard_input, read_text},
    exit::Exit,
    failure::Failure,
    screen::Screen,
    settings::{ContextSettings, Settings},
    table::table,
    target::TargetOptions,
};

/// What to do with contexts.
#[derive(Subcommand)]
pub(crate) enum ContextCommand {
    /// Lists the contexts
    List,
    /// Shows the context in use
    Current,
    /// Makes a context the one in use
    Use {
        /// The context
        name: String,
    },
    /// Adds a context or replaces it; give its address with --server
    Add(AddArguments),
    /// Removes a context
    Remove {
        /// The context
        name: String,
    },
}

/// What to add.
#[derive(Args)]
pub(crate) struct AddArguments {
    /// The new context
    name: String,
    /// A file that holds the API token; `-` is standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Makes it the context in use
    #[arg(long = "use")]
    make_current: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    name: String,
    server: String,
    current: bool,
    has_token: bool,
}

pub(super) fn run(command: ContextCommand, target: &TargetOptions, screen: Screen) -> anyhow::Result<Exit> {
    let mut settings = Settings::load()?;
    match command {
        ContextCommand::List => list(&settings, screen)?,
        ContextCommand::Current => current(&settings, screen)?,
        ContextCommand::Use { name } => {
            settings.context(&name)?;
            settings.current = Some(name.clone());
            settings.save()?;
            show(&settings, &name, "in use", screen)?;
        }
        ContextCommand::Add(options) => add(settings, options, target, screen)?,
        ContextCommand::Remove { name } => {
            settings.context(&name)?;
            let removed = describe(&settings, &name);
            settings.contexts.remove(&name);
            settings.current.take_if(|current| *current == name);
            settings.save()?;
            screen.show(&removed, &[format!("context/{name}")], || {
                format!("context/{name} removed\n")
            })?;
        }
    }
    Ok(Exit::Ok)
}

fn list(settings: &Settings, screen: Screen) -> anyhow::Result<()> {
    let contexts: Vec<Described> = settings
        .contexts
        .keys()
        .filter_map(|name| describe(settings, name))
        .collect();
    let names: Vec<String> = contexts
        .iter()
        .map(|context| format!("context/{}", context.name))
        .collect();
    screen.show_list(&contexts, &names, || {
        let row = |context: &Described| {
            let mark = |set| if set { "*" } else { "" }.to_owned();
            let token = if context.has_token { "yes" } else { "no" }.to_owned();
            vec![
                mark(context.current),
                context.name.clone(),
                context.server.clone(),
                token,
            ]
        };
        table(
            &["CURRENT", "NAME", "SERVER", "TOKEN"],
            &contexts.iter().map(row).collect::<Vec<_>>(),
        )
    })
}

fn current(settings: &Settings, screen: Screen) -> anyhow::Result<()> {
    let Some(name) = settings
        .current
        .as_deref()
        .filter(|name| settings.contexts.contains_key(*name))
    else {
        let detail = "no context is in use; choose one with `gatehouse context use NAME`";
        return Err(Failure::new(Exit::NotFound, detail).into());
    };
    screen.show(&describe(settings, name), &[format!("context/{name}")], || {
        format!("{name}\n")
    })
}

fn add(
    mut settings: Settings,
    options: AddArguments,
    target: &TargetOptions,
    screen: Screen,
) -> anyhow::Result<()> {
    let server = target
        .server
        .clone()
        .ok_or_else(|| Failure::usage("say where it is: `--server URL`"))?;
    // Refuses what is no address, before it is kept.
    Client::new(ClientOptions::new(server.clone(), None))
        .map_err(|error| Failure::usage(error.to_string()))?;
    let token = match &options.token_file {
        Some(_) if target.token.is_some() => {
            return Err(Failure::usage("give `--token-file` or `--token`, not both").into());
        }
        Some(file) if file.as_os_str() == "-" => Some(read_standard_input()?.trim().to_owned()),
        Some(file) => Some(read_text(file)?.trim().to_owned()),
        None => target.token.clone(),
    };
    let name = options.name;
    settings
        .contexts
        .insert(name.clone(), ContextSettings { server, token });
    if options.make_current || settings.current.is_none() {
        settings.current = Some(name.clone());
    }
    settings.save()?;
    let in_use = settings.current.as_deref() == Some(&name);
    show(
        &settings,
        &name,
        if in_use { "added and in use" } else { "added" },
        screen,
    )
}

fn show(settings: &Settings, name: &str, what: &str, screen: Screen) -> anyhow::Result<()> {
    screen.show(&describe(settings, name), &[format!("context/{name}")], || {
        format!("context/{name} {what}\n")
    })
}

fn describe(settings: &Settings, name: &str) -> Option<Described> {
    let context = settings.contexts.get(name)?;
    Some(Described {
        name: name.to_owned(),
        server: context.server.clone(),
        current: settings.current.as_deref() == Some(name),
        has_token: context.token.is_some(),
    })
}
