//! `gatehouse ignore`: what discoveries of an environment leave out.

use clap::Args;
use gatehouse_control_plane_api::{
    admin::{IgnoreApiRequest, IgnoredApi},
    client::Client,
};
use gatehouse_schemas::identity::{ExternalRef, ResourceName};

use crate::{
    exit::Exit,
    listed::{references, table_of},
    moment,
    screen::{self, Screen},
};

/// What to ignore, where.
#[derive(Debug, Args)]
pub(crate) struct IgnoreArguments {
    /// The environment
    environment: ResourceName,
    /// The gateway's own identities of APIs, as `gatehouse discoveries show` lists them; shows the list unless given
    #[arg(value_name = "REFERENCE")]
    references: Vec<String>,
    /// Why, for whoever wonders later
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        conflicts_with = "remove"
    )]
    reason: String,
    /// Takes them off the list
    #[arg(long, requires = "references")]
    remove: bool,
}

pub(super) async fn run(options: &IgnoreArguments, client: &Client, screen: Screen) -> anyhow::Result<Exit> {
    let environment = &options.environment;
    let mut ignored: Vec<IgnoredApi> = Vec::new();
    for reference in &options.references {
        let external_ref = ExternalRef(reference.clone());
        if options.remove {
            client.unignore(environment, &external_ref).await?;
            screen::note(&format!(
                "`{reference}` is not ignored any more; the next discovery of `{environment}` says what it is"
            ));
            continue;
        }
        let request = IgnoreApiRequest {
            external_ref,
            reason: options.reason.clone(),
        };
        ignored.push(client.ignore(environment, &request).await?);
    }
    if options.remove {
        return Ok(Exit::Ok);
    }
    if options.references.is_empty() {
        ignored = client.ignored(environment).await?;
    }
    screen.show_list(&ignored, &references(&ignored), || {
        if ignored.is_empty() {
            format!("nothing of {environment} is ignored\n")
        } else {
            table_of(&ignored, moment::now())
        }
    })?;
    Ok(Exit::Ok)
}
