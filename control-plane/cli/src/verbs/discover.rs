//! `gatehouse discover`: a look at what a gateway has.

use clap::Args;
use gatehouse_control_plane_api::{
    admin::{Discovery, DiscoveryState},
    client::Client,
};
use gatehouse_schemas::identity::ResourceName;

use super::discoveries;
use crate::{
    exit::Exit,
    failure::Failure,
    listed::word,
    screen::{self, Screen},
    waiting::{self, Look, WaitOptions},
};

/// Where to look.
#[derive(Debug, Args)]
pub(crate) struct DiscoverArguments {
    /// The environment
    environment: ResourceName,
    #[command(flatten)]
    waiting: WaitOptions,
}

pub(super) async fn run(options: DiscoverArguments, client: &Client, screen: Screen) -> anyhow::Result<Exit> {
    let started = client.discover(options.environment).await?;
    if !options.waiting.wait {
        screen.show(&started, &[format!("discovery/{}", started.id)], || {
            format!(
                "discovery/{id} started; `gatehouse discoveries show {id}` shows what it found\n",
                id = started.id
            )
        })?;
        return Ok(Exit::Ok);
    }
    let ended = wait(&started, &options.waiting, client).await?;
    discoveries::show(&ended, client, screen).await?;
    match ended.state {
        DiscoveryState::Complete => Ok(Exit::Ok),
        _ => Err(Failure::new(Exit::Error, not_complete(&ended)).into()),
    }
}

async fn wait(started: &Discovery, options: &WaitOptions, client: &Client) -> anyhow::Result<Discovery> {
    let found = waiting::until(options.timeout, async || {
        let discovery = client.discovery(started.id).await?;
        Ok(match discovery.state {
            DiscoveryState::Pending | DiscoveryState::Running => Look::NotYet(state(&discovery)),
            DiscoveryState::Complete | DiscoveryState::Partial | DiscoveryState::Failed => {
                Look::Done(discovery)
            }
        })
    });
    let found = found.await?.map_err(|state| {
        let detail = format!(
            "the discovery did not end within {:?}: {state}; it goes on, look with `gatehouse discoveries show {}`",
            options.timeout, started.id
        );
        Failure::new(Exit::TimedOut, detail)
    })?;
    screen::note(&format!("discovery/{} ended: {}", found.id, word(&found.state)));
    Ok(found)
}

fn state(discovery: &Discovery) -> String {
    match &discovery.message {
        Some(message) => format!("{}: {message}", word(&discovery.state)),
        None => word(&discovery.state),
    }
}

fn not_complete(discovery: &Discovery) -> String {
    let message = discovery.message.as_deref().unwrap_or("the agent's log says why");
    format!(
        "the discovery is {}: {message}",
        word(&discovery.state).to_lowercase()
    )
}
