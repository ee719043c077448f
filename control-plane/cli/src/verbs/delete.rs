//! `gatehouse delete`: objects go away. On a terminal it asks first.

use std::io::{self, IsTerminal as _, Write as _};

use clap::Args;
use gatehouse_control_plane_api::client::Client;
use serde::Serialize;

use super::get;
use crate::{
    exit::Exit,
    failure::Failure,
    kinds::{Listing, kind_and_names},
    screen::Screen,
};

/// Which objects.
#[derive(Debug, Args)]
pub(crate) struct DeleteArguments {
    /// api, environment, policy, project, secret or deployment; also KIND/NAME
    kind: String,
    /// The names; deployments by id or as API/ENVIRONMENT
    names: Vec<String>,
    /// Does not ask
    #[arg(short, long)]
    yes: bool,
}

#[derive(Serialize)]
struct Deleted {
    kind: &'static str,
    name: String,
}

pub(super) async fn run(options: &DeleteArguments, client: &Client, screen: Screen) -> anyhow::Result<Exit> {
    let (listing, names) = kind_and_names(&options.kind, &options.names)?;
    check(listing, &names)?;
    if !options.yes && !confirmed(listing, &names)? {
        return Err(Failure::new(Exit::Error, "nothing was deleted").into());
    }
    let mut deleted = Vec::new();
    for name in names {
        match listing {
            Listing::Deployment => {
                let deployment = get::deployment(client, &name).await?;
                client.undeploy(deployment.id).await?;
            }
            _ => client.delete(listing.plural(), &name).await?,
        }
        deleted.push(Deleted {
            kind: listing.singular(),
            name,
        });
    }
    let names: Vec<String> = deleted
        .iter()
        .map(|object| format!("{}/{}", object.kind, object.name))
        .collect();
    screen.show_list(&deleted, &names, || {
        names.iter().map(|name| format!("{name} deleted\n")).collect()
    })?;
    Ok(Exit::Ok)
}

fn check(listing: Listing, names: &[String]) -> Result<(), Failure> {
    let kind = listing.singular();
    let remedy = match listing {
        Listing::Resource(_) | Listing::Deployment if names.is_empty() => {
            return Err(Failure::usage(format!(
                "say which: `gatehouse delete {kind} NAME`"
            )));
        }
        Listing::Resource(_) | Listing::Deployment => return Ok(()),
        Listing::Agent => "use `gatehouse agent revoke ID`",
        Listing::Token => "use `gatehouse token revoke NAME`",
        Listing::Revision => "revisions are immutable; they go with their API",
        Listing::Plan | Listing::Discovery | Listing::Import | Listing::AuditEvent => {
            "they are the record of what happened"
        }
    };
    Err(Failure::usage(format!(
        "{} cannot be deleted: {remedy}",
        listing.plural()
    )))
}

/// Asks on a terminal. Where nobody can answer, the command line is the decision.
fn confirmed(listing: Listing, names: &[String]) -> io::Result<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(true);
    }
    let mut terminal = io::stderr().lock();
    write!(
        terminal,
        "Delete {} {}? [y/N] ",
        listing.singular(),
        names.join(", ")
    )?;
    terminal.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
