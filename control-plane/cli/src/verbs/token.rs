//! `gatehouse token`: who may use the Admin API.

use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use gatehouse_control_plane_api::{
    admin::{CreateTokenRequest, Role, Token},
    client::{Client, ListOptions},
};
use gatehouse_schemas::identity::ResourceName;

use crate::{
    exit::Exit,
    failure::Failure,
    moment,
    screen::{self, Format, Screen},
};

/// What to do with API tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Makes an API token; it is shown this once
    Create {
        /// Whose it is; appears in audit events
        #[arg(long)]
        name: ResourceName,
        /// What it may do; each role includes those before it
        #[arg(long, value_enum)]
        role: RoleName,
        /// How long it lives: 1h, 30d; without it, until it is revoked
        #[arg(long, value_name = "TIME", value_parser = moment::parse_duration)]
        ttl: Option<Duration>,
    },
    /// Revokes an API token; its next request is refused
    Revoke {
        /// The token's name or id
        name_or_id: String,
    },
}

/// The roles as words of the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum RoleName {
    /// Reads everything but secret values
    Viewer,
    /// Also writes APIs and policies, deploys, discovers, imports
    Publisher,
    /// Also writes projects, environments, secrets, tokens and agents
    Admin,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Viewer => Self::Viewer,
            RoleName::Publisher => Self::Publisher,
            RoleName::Admin => Self::Admin,
        }
    }
}

pub(super) async fn run(command: TokenCommand, client: &Client, screen: Screen) -> anyhow::Result<Exit> {
    match command {
        TokenCommand::Create { name, role, ttl } => {
            let ttl_seconds = ttl.map(|ttl| ttl.as_secs().max(1));
            let request = CreateTokenRequest {
                name,
                role: role.into(),
                ttl_seconds,
            };
            let created = client.create_token(&request).await?;
            let reference = format!("token/{}", created.description.id);
            screen.show(&created, &[reference], || format!("{}\n", created.token))?;
            if screen.format() == Format::Table {
                screen::note(
                    "Keep it: it is not shown again. Commands take it from `GATEHOUSE_TOKEN` or a context.",
                );
            }
        }
        TokenCommand::Revoke { name_or_id } => {
            let found = find(&name_or_id, client).await?;
            client.revoke_token(found.id).await?;
            let reference = format!("token/{}", found.id);
            screen.show(&found, std::slice::from_ref(&reference), || {
                format!("{reference} of {} revoked\n", found.name)
            })?;
        }
    }
    Ok(Exit::Ok)
}

/// The token of this id or name.
pub(super) async fn find(wanted: &str, client: &Client) -> anyhow::Result<Token> {
    let tokens: Vec<Token> = client.list(&["tokens"], &ListOptions::default()).await?;
    let mut found = tokens
        .into_iter()
        .filter(|token| token.id.to_string() == wanted || token.name.as_str() == wanted);
    match (found.next(), found.next()) {
        (Some(token), None) => Ok(token),
        (None, _) => Err(Failure::new(
            Exit::NotFound,
            format!("there is no token `{wanted}`; `gatehouse get tokens` lists them"),
        )
        .into()),
        (Some(_), Some(_)) => Err(Failure::new(
            Exit::Conflict,
            format!("several tokens are named `{wanted}`; give the id that `gatehouse get tokens` lists"),
        )
        .into()),
    }
}
