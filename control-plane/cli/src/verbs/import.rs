//! `gatehouse import`: findings of a discovery enter the catalog.

use clap::Args;
use gatehouse_control_plane_api::{
    admin::{CreateImportRequest, Import, ImportAction},
    client::Client,
};
use gatehouse_schemas::identity::{DiscoveredApiId, DiscoveryId};

use crate::{exit::Exit, failure::Failure, listed::word, plan_text::short, screen::Screen, table::table};

/// Which findings.
#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// The discovery's id
    discovery: DiscoveryId,
    /// The findings' ids, as `gatehouse discoveries show` lists them
    #[arg(value_name = "ITEM", required_unless_present_any = ["all", "select"], conflicts_with_all = ["all", "select"])]
    items: Vec<DiscoveredApiId>,
    /// All findings that are new or changed
    #[arg(long)]
    all: bool,
    /// All findings of a kind: `status=new,tag=public,name=orders-*`; also `managed`, `class`. What is given must hold
    /// together; a key given twice means either
    #[arg(long, value_name = "SELECTION", conflicts_with = "all")]
    select: Option<String>,
}

pub(super) async fn run(options: ImportArguments, client: &Client, screen: Screen) -> anyhow::Result<Exit> {
    let request = CreateImportRequest {
        items: (!options.all && options.select.is_none()).then_some(options.items),
        select: options.select,
    };
    let import = client.import(options.discovery, &request).await?;
    screen.show(&import, &[format!("import/{}", import.id)], || text(&import))?;
    let skipped = import
        .results
        .iter()
        .filter(|result| result.action == ImportAction::Skipped)
        .count();
    if skipped > 0 {
        let detail = format!(
            "{skipped} of {} findings were not imported; the results say why",
            import.results.len()
        );
        return Err(Failure::new(Exit::Error, detail).into());
    }
    Ok(Exit::Ok)
}

fn text(import: &Import) -> String {
    if import.results.is_empty() {
        return format!("import/{}: nothing is new or changed\n", import.id);
    }
    let rows: Vec<Vec<String>> = import
        .results
        .iter()
        .map(|result| {
            let api = result
                .api
                .as_ref()
                .map(|name| format!("api/{name}"))
                .unwrap_or_default();
            vec![
                result.item.to_string(),
                word(&result.action),
                api,
                result.message.clone(),
            ]
        })
        .collect();
    table(&["ITEM", "ACTION", "API", "MESSAGE"], &rows) + &conflicts(import)
}

/// What people edited and the gateway changed, too.
fn conflicts(import: &Import) -> String {
    let mut text = String::new();
    for result in import
        .results
        .iter()
        .filter(|result| !result.conflicts.is_empty())
    {
        let api = result.api.as_ref().map(ToString::to_string).unwrap_or_default();
        text.push_str(&format!(
            "\n{api}: both sides changed these; the catalog's value was kept\n"
        ));
        for conflict in &result.conflicts {
            let value = |value: &Option<serde_json::Value>| {
                value.as_ref().map_or_else(|| "(nothing)".to_owned(), short)
            };
            text.push_str(&format!(
                "  {}: catalog {}, gateway {}\n",
                conflict.path,
                value(&conflict.ours),
                value(&conflict.theirs)
            ));
        }
    }
    text
}
