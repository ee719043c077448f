//! `gatehouse discover`: a look at what a gateway has.

use std::time::Duration;

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
    /// Waits until it has ended, however long that takes, and shows how far it is
    #[arg(long, conflicts_with_all = ["wait", "no_wait", "timeout"])]
    watch: bool,
    #[command(flatten)]
    waiting: WaitOptions,
}

/// How long `--watch` watches: longer than any quota makes a listing take.
const WATCHING_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

pub(super) async fn run(options: DiscoverArguments, client: &Client, screen: Screen) -> anyhow::Result<Exit> {
    let started = client.discover(options.environment).await?;
    if !options.waiting.wait && !options.watch {
        screen.show(&started, &[format!("discovery/{}", started.id)], || {
            format!(
                "discovery/{id} started; `gatehouse discoveries show {id}` shows what it found\n",
                id = started.id
            )
        })?;
        return Ok(Exit::Ok);
    }
    let timeout = if options.watch {
        WATCHING_MAX
    } else {
        options.waiting.timeout
    };
    let ended = wait(&started, timeout, client).await?;
    discoveries::show(&ended, client, screen).await?;
    match ended.state {
        DiscoveryState::Complete => Ok(Exit::Ok),
        _ => Err(Failure::new(Exit::Error, not_complete(&ended)).into()),
    }
}

async fn wait(started: &Discovery, timeout: Duration, client: &Client) -> anyhow::Result<Discovery> {
    let found = waiting::until(timeout, async || {
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
            timeout, started.id
        );
        Failure::new(Exit::TimedOut, detail)
    })?;
    screen::note(&format!("discovery/{} ended: {}", found.id, word(&found.state)));
    Ok(found)
}

fn state(discovery: &Discovery) -> String {
    let found = match discovery.found {
        0 => String::new(),
        found => format!(", {found} found"),
    };
    match &discovery.message {
        Some(message) => format!("{}{found}: {message}", word(&discovery.state)),
        None => word(&discovery.state) + &found,
    }
}

fn not_complete(discovery: &Discovery) -> String {
    let message = discovery.message.as_deref().unwrap_or("the agent's log says why");
    format!(
        "the discovery is {}: {message}",
        word(&discovery.state).to_lowercase()
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_that_is_not_complete_says_why() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        let counts = json!({"new": 0, "changed": 0, "unchanged": 0, "gone": 0, "conflict": 0, "ignored": 0, "error": 0});
        let mut discovery: Discovery = serde_json::from_value(json!({
            "id": id, "environment": "kong-eu", "state": "Failed", "found": 0, "counts": counts,
            "createdAt": "2026-01-01T00:00:00.000Z",
        }))
        .unwrap();
        assert_eq!(
            not_complete(&discovery),
            "the discovery is failed: the agent's log says why"
        );
        discovery.message = Some("the gateway is away".to_owned());
        assert_eq!(
            not_complete(&discovery),
            "the discovery is failed: the gateway is away"
        );
    }
}
