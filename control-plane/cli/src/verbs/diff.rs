//! `gatehouse diff`: what applying documents would change, field by field.

use std::path::PathBuf;

use clap::Args;
use gatehouse_control_plane_api::{
    admin::{ApplyAction, ApplyResult},
    client::Client,
};
use gatehouse_schemas::diff::Change;
use serde_json::Value;

use super::apply;
use crate::{
    exit::Exit,
    screen::{Color, Screen},
};

/// Which documents.
#[derive(Debug, Args)]
pub(crate) struct DiffArguments {
    /// A file of documents, a folder of such files, or `-` for standard input
    #[arg(short, long = "file", value_name = "FILE", required = true, num_args = 1..)]
    file: Vec<PathBuf>,
}

pub(super) async fn run(options: &DiffArguments, client: &Client, screen: Screen) -> anyhow::Result<Exit> {
    let response = apply::send(&options.file, true, client).await?;
    let different: Vec<&ApplyResult> = response
        .results
        .iter()
        .filter(|result| result.action != ApplyAction::Unchanged)
        .collect();
    let names: Vec<String> = different.iter().map(|result| apply::reference(result)).collect();
    screen.show(&response, &names, || {
        different.iter().map(|result| text(result, screen)).collect()
    })?;
    Ok(if different.is_empty() {
        Exit::Ok
    } else {
        Exit::Different
    })
}

fn text(result: &ApplyResult, screen: Screen) -> String {
    let name = apply::reference(result);
    let before = if result.action == ApplyAction::Created {
        "(nothing)"
    } else {
        &name
    };
    let mut lines = vec![
        screen.paint(Color::Bold, &format!("--- {before}")),
        screen.paint(Color::Bold, &format!("+++ {name}")),
    ];
    for change in &result.changes {
        lines.extend(change_lines(change, screen));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn change_lines(change: &Change, screen: Screen) -> Vec<String> {
    let path = if change.path.is_empty() { "/" } else { &change.path };
    let mut lines = vec![screen.paint(Color::Cyan, &format!("@@ {path} @@"))];
    let sides = [
        (&change.before, '-', Color::Red),
        (&change.after, '+', Color::Green),
    ];
    for (value, sign, color) in sides {
        let Some(value) = value else { continue };
        lines.extend(
            value_lines(value)
                .iter()
                .map(|line| screen.paint(color, &format!("{sign} {line}"))),
        );
    }
    lines
}

/// A scalar on one line; anything else as indented JSON.
fn value_lines(value: &Value) -> Vec<String> {
    let text = serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string());
    text.lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use gatehouse_schemas::resource::Kind;
    use serde_json::json;

    use super::*;
    use crate::screen::Format;

    #[test]
    fn a_difference_is_told_per_object_and_field() {
        let change = |path: &str, before, after| Change {
            path: path.to_owned(),
            before,
            after,
        };
        let result = ApplyResult {
            kind: Kind::Api,
            name: "orders".parse().unwrap(),
            action: ApplyAction::Updated,
            changes: vec![
                change("/spec/basePath", Some(json!("/a")), Some(json!("/b"))),
                change("/metadata/labels/tier", None, Some(json!("public"))),
                change("/spec/upstreams/old", Some(json!({"url": "http://x"})), None),
            ],
            revision: None,
            warnings: Vec::new(),
        };
        expect![[r#"
            --- api/orders
            +++ api/orders
            @@ /spec/basePath @@
            - "/a"
            + "/b"
            @@ /metadata/labels/tier @@
            + "public"
            @@ /spec/upstreams/old @@
            - {
            -   "url": "http://x"
            - }
        "#]]
        .assert_eq(&text(&result, Screen::new(Format::Table)));
    }
}
