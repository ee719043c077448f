//! `gatehouse discoveries`: what discoveries found.

use clap::Subcommand;
use gatehouse_control_plane_api::{
    admin::{ApproveRemovalsRequest, DiscoveredApi, Discovery, DiscoveryCounts, MissingApi},
    client::Client,
};
use gatehouse_schemas::identity::{DiscoveryId, ExternalRef, ResourceName};
use serde::Serialize;

use crate::{
    exit::Exit,
    listed::{references, table_of, word},
    moment,
    screen::Screen,
};

/// What to do with discoveries.
#[derive(Debug, Subcommand)]
pub(crate) enum DiscoveriesCommand {
    /// Shows a discovery and all its findings
    Show {
        /// The discovery's id
        id: DiscoveryId,
    },
    /// Shows which APIs of the catalog an environment's gateway does not show any more, and what happens to them
    Missing {
        /// The environment
        environment: ResourceName,
    },
    /// Approves that APIs which are missing count as removed from their gateway; the catalog keeps them
    ApproveRemovals {
        /// The environment
        environment: ResourceName,
        /// The gateway's own identities of them, as `missing` lists them
        #[arg(
            value_name = "REFERENCE",
            required_unless_present = "all",
            conflicts_with = "all"
        )]
        references: Vec<String>,
        /// All that need approval now
        #[arg(long)]
        all: bool,
    },
}

/// A discovery with its findings, as `-o json` shows it.
#[derive(Serialize)]
struct Findings<'a> {
    discovery: &'a Discovery,
    items: &'a [DiscoveredApi],
}

pub(super) async fn run(
    command: &DiscoveriesCommand,
    client: &Client,
    screen: Screen,
) -> anyhow::Result<Exit> {
    match command {
        DiscoveriesCommand::Show { id } => show(&client.discovery(*id).await?, client, screen).await?,
        DiscoveriesCommand::Missing { environment } => {
            let missing = client.missing(environment).await?;
            show_missing(
                &missing,
                &format!("{environment} shows all that the catalog knows of it"),
                screen,
            )?;
        }
        DiscoveriesCommand::ApproveRemovals {
            environment,
            references,
            all,
        } => {
            let wanted = references.iter().cloned().map(ExternalRef).collect();
            let request = ApproveRemovalsRequest {
                external_refs: (!all).then_some(wanted),
            };
            let approved = client.approve_removals(environment, &request).await?;
            show_missing(&approved, "nothing needs approval", screen)?;
        }
    }
    Ok(Exit::Ok)
}

fn show_missing(missing: &[MissingApi], nothing: &str, screen: Screen) -> anyhow::Result<()> {
    screen.show_list(missing, &references(missing), || {
        if missing.is_empty() {
            format!("{nothing}\n")
        } else {
            table_of(missing, moment::now())
        }
    })
}

/// Shows a discovery and all its findings.
pub(super) async fn show(discovery: &Discovery, client: &Client, screen: Screen) -> anyhow::Result<()> {
    let items = client.discovery_items(discovery.id).await?;
    screen.show(
        &Findings {
            discovery,
            items: &items,
        },
        &references(&items),
        || text(discovery, &items),
    )
}

/// How many findings there are of each class. Those that are unchanged are counted, and not always listed.
fn counts(counts: &DiscoveryCounts) -> String {
    let classes = [
        (counts.new, "new"),
        (counts.changed, "changed"),
        (counts.unchanged, "unchanged"),
        (counts.gone, "gone"),
        (counts.conflict, "conflict"),
        (counts.ignored, "ignored"),
        (counts.error, "error"),
    ];
    let told: Vec<String> = classes
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, class)| format!("{count} {class}"))
        .collect();
    if told.is_empty() {
        return "It found nothing.".to_owned();
    }
    told.join(", ")
}

fn text(discovery: &Discovery, items: &[DiscoveredApi]) -> String {
    let mut text = format!(
        "Discovery {} of {}: {}\n",
        discovery.id,
        discovery.environment,
        word(&discovery.state)
    );
    if let Some(message) = &discovery.message {
        text.push_str(&format!("{message}\n"));
    }
    text.push_str(&format!("{}\n", counts(&discovery.counts)));
    if items.is_empty() {
        return text;
    }
    text + "\n" + &table_of(items, moment::now())
}
