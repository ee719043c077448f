//! `gatehouse discoveries`: what discoveries found.

use clap::Subcommand;
use gatehouse_control_plane_api::{
    admin::{DiscoveredApi, Discovery},
    client::Client,
};
use gatehouse_schemas::identity::DiscoveryId;
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
    let DiscoveriesCommand::Show { id } = command;
    show(&client.discovery(*id).await?, client, screen).await?;
    Ok(Exit::Ok)
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
    if items.is_empty() {
        return text + "It found nothing.\n";
    }
    text + "\n" + &table_of(items, moment::now())
}
