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
    verdict(&import)?;
    Ok(Exit::Ok)
}

/// Whether all that was chosen is in the catalog.
fn verdict(import: &Import) -> Result<(), Failure> {
    let results = import.results.iter();
    let skipped = results
        .filter(|result| result.action == ImportAction::Skipped)
        .count();
    if skipped == 0 {
        return Ok(());
    }
    let detail = format!(
        "{skipped} of {} findings were not imported; the results say why",
        import.results.len()
    );
    Err(Failure::new(Exit::Error, detail))
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

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    fn import(results: serde_json::Value) -> Import {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        serde_json::from_value(json!({
            "id": id, "discoveryId": id, "createdAt": "2026-01-01T00:00:00.000Z", "createdBy": "admin", "results": results,
        }))
        .unwrap()
    }

    #[test]
    fn what_was_left_out_is_an_error_and_what_was_kept_is_told() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8058";
        let import = import(json!([
            {"item": id, "action": "skipped", "message": "it is on the ignore list"},
            {"item": id, "action": "updated", "api": "orders", "message": "revision 2",
                "conflicts": [{"path": "/displayName", "base": "Orders", "ours": "Ours", "theirs": "Theirs"}]},
        ]));
        let failure = verdict(&import).unwrap_err();
        assert_eq!(failure.exit, Exit::Error);
        assert_eq!(
            failure.detail,
            "1 of 2 findings were not imported; the results say why"
        );
        expect![[r#"

            orders: both sides changed these; the catalog's value was kept
              /displayName: catalog "Ours", gateway "Theirs"
        "#]]
        .assert_eq(&conflicts(&import));
    }

    #[test]
    fn nothing_to_import_is_no_error() {
        let import = import(json!([]));
        assert!(verdict(&import).is_ok());
        assert_eq!(
            text(&import),
            "import/01890a5d-ac96-774b-bcce-b302099a8057: nothing is new or changed\n"
        );
    }
}
