//! `gatehouse describe`: everything about one object, for people.

use clap::Args;
use gatehouse_control_plane_api::{
    admin::{
        Agent, ApiResource, AuditEvent, DeploymentHistoryEntry, Discovery, EnvironmentResource, Import, Plan,
        PolicyResource, ProjectResource, Revision, SecretResource, Token,
    },
    client::{Client, ListOptions},
};
use gatehouse_schemas::resource::Kind;
use serde::Serialize;

use super::{get, plan, token};
use crate::{
    exit::Exit,
    failure::Failure,
    kinds::{Listing, kind_and_names},
    listed::{Listed, table_of},
    moment,
    screen::Screen,
    tree,
};

/// Which object.
#[derive(Debug, Args)]
pub(crate) struct DescribeArguments {
    /// The kind, or KIND/NAME
    kind: String,
    /// The name, or the id of what has no name
    name: Option<String>,
}

pub(super) async fn run(
    options: &DescribeArguments,
    client: &Client,
    screen: Screen,
) -> anyhow::Result<Exit> {
    let given: Vec<String> = options.name.iter().cloned().collect();
    let (listing, names) = kind_and_names(&options.kind, &given)?;
    let Some(name) = names.first() else {
        let detail = format!("say which: `gatehouse describe {} NAME`", listing.singular());
        return Err(Failure::usage(detail).into());
    };
    match listing {
        Listing::Resource(Kind::Api) => api(name, client, screen).await,
        Listing::Resource(Kind::Environment) => {
            plain::<EnvironmentResource>(listing, name, client, screen).await
        }
        Listing::Resource(Kind::Policy) => plain::<PolicyResource>(listing, name, client, screen).await,
        Listing::Resource(Kind::Project) => plain::<ProjectResource>(listing, name, client, screen).await,
        Listing::Resource(Kind::Secret) => plain::<SecretResource>(listing, name, client, screen).await,
        Listing::Revision => show(&get::revision(client, name).await?, "", screen),
        Listing::Deployment => deployment(name, client, screen).await,
        Listing::Plan => plan::show(&get::one::<Plan>(client, listing, name).await?, screen),
        Listing::Agent => plain::<Agent>(listing, name, client, screen).await,
        Listing::Discovery => plain::<Discovery>(listing, name, client, screen).await,
        Listing::Import => plain::<Import>(listing, name, client, screen).await,
        Listing::Token => show::<Token>(&token::find(name, client).await?, "", screen),
        Listing::AuditEvent => show::<AuditEvent>(&audit_event(name, client).await?, "", screen),
    }?;
    Ok(Exit::Ok)
}

async fn plain<T: Listed>(
    listing: Listing,
    name: &str,
    client: &Client,
    screen: Screen,
) -> anyhow::Result<()> {
    show(&get::one::<T>(client, listing, name).await?, "", screen)
}

/// An API together with its revisions.
async fn api(name: &str, client: &Client, screen: Screen) -> anyhow::Result<()> {
    let api: ApiResource = client.get("apis", name).await?;
    let revisions: Vec<Revision> = client
        .list(&["apis", name, "revisions"], &ListOptions::default())
        .await?;
    let table = table_of(&revisions, moment::now());
    let rows: String = table.lines().map(|line| format!("  {line}\n")).collect();
    show(&api, &format!("Revisions:\n{rows}"), screen)
}

/// A deployment together with what was there before.
async fn deployment(name: &str, client: &Client, screen: Screen) -> anyhow::Result<()> {
    let deployment = get::deployment(client, name).await?;
    let history = client.deployment_history(deployment.id).await?;
    let table = table_of(&history, moment::now());
    let rows: String = table.lines().map(|line| format!("  {line}\n")).collect();
    let text = format!("History:\n{rows}{}", overwritten(&history));
    show(&deployment, &text, screen)
}

/// What was changed on the gateway by hand and is not there any more, value by value.
fn overwritten(history: &[DeploymentHistoryEntry]) -> String {
    let lines: Vec<String> = history
        .iter()
        .flat_map(|entry| {
            let line = |field| format!("  generation {}: {field}\n", entry.generation);
            entry.overwritten.iter().map(line)
        })
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    format!("Overwritten on the gateway:\n{}", lines.concat())
}

fn show<T: Listed + Serialize>(value: &T, more: &str, screen: Screen) -> anyhow::Result<()> {
    let text = tree::describe(value)?;
    screen.show(value, &[value.reference()], || format!("{text}{more}"))
}

async fn audit_event(id: &str, client: &Client) -> anyhow::Result<AuditEvent> {
    let events: Vec<AuditEvent> = client.list(&["audit-events"], &ListOptions::default()).await?;
    let found = events.into_iter().find(|event| event.id.to_string() == id);
    found.ok_or_else(|| Failure::new(Exit::NotFound, format!("there is no audit event `{id}`")).into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_overwritten_is_shown_by_generation() {
        let entry = |generation: u64, overwritten: serde_json::Value| {
            let entry = json!({"revision": 1, "generation": generation, "at": "2026-01-01T00:00:00Z",
                "requestedBy": "system", "overwritten": overwritten});
            serde_json::from_value(entry).expect("an entry")
        };
        let history = [
            entry(9, json!([{"path": "/displayName", "observed": "Bestellungen"}])),
            entry(7, json!([])),
            entry(5, json!([{"path": "/operations/0"}])),
        ];
        assert_eq!(
            overwritten(&history),
            "Overwritten on the gateway:\n  generation 9: `/displayName` was \"Bestellungen\"\n  generation 5: \
             `/operations/0` was not there\n"
        );
        assert_eq!(overwritten(&history[1..2]), "");
    }
}
