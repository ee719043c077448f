//! `gatehouse agent`: who may carry out work on gateways.

use std::time::Duration;

use clap::Subcommand;
use gatehouse_control_plane_api::{admin::CreateJoinTokenRequest, client::Client};
use gatehouse_schemas::identity::{AgentId, GatewayType};
use serde::Serialize;

use crate::{
    exit::Exit,
    moment,
    screen::{self, Format, Screen},
};

/// What to do with agents.
#[derive(Debug, Subcommand)]
pub(crate) enum AgentCommand {
    /// Makes a token with which one agent can join once
    JoinToken {
        /// The kind of gateway the agent serves, for example native
        #[arg(long = "type", value_name = "TYPE")]
        gateway_type: GatewayType,
        /// How long the token may be used: 10m, 1h, 7d
        #[arg(long, value_name = "TIME", default_value = "1h", value_parser = moment::parse_duration)]
        ttl: Duration,
    },
    /// Refuses everything an agent asks from now on
    Revoke {
        /// The agent's id, as `gatehouse get agents` lists it
        id: AgentId,
    },
}

#[derive(Serialize)]
struct Revoked {
    kind: &'static str,
    id: AgentId,
}

pub(super) async fn run(command: AgentCommand, client: &Client, screen: Screen) -> anyhow::Result<Exit> {
    match command {
        AgentCommand::JoinToken { gateway_type, ttl } => {
            let request = CreateJoinTokenRequest {
                gateway_type,
                ttl_seconds: Some(ttl.as_secs().max(1)),
            };
            let created = client.create_join_token(&request).await?;
            screen.show(&created, &[format!("join-token/{}", created.id)], || {
                format!("{}\n", created.token)
            })?;
            if screen.format() == Format::Table {
                screen::note(&format!(
                    "An agent of type {} can join once with this token, until {}; it is not shown again.",
                    created.gateway_type, created.expires_at
                ));
            }
        }
        AgentCommand::Revoke { id } => {
            client.revoke_agent(id).await?;
            let revoked = Revoked { kind: "agent", id };
            screen.show(&revoked, &[format!("agent/{id}")], || {
                format!("agent/{id} revoked\n")
            })?;
        }
    }
    Ok(Exit::Ok)
}
