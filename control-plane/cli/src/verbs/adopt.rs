//! `gatehouse adopt`: an API that was imported from a gateway is deployed over from now on.

use clap::Args;
use gatehouse_control_plane_api::{
    admin::{ApiResource, PlanItemAction, PlanItemRequest},
    client::Client,
};
use gatehouse_schemas::identity::ResourceName;

use super::{
    deploy,
    plan::{self, Terms},
};
use crate::{exit::Exit, failure::Failure, planning, screen::Screen, waiting::WaitOptions};

/// What to adopt, and where.
#[derive(Debug, Args)]
pub(crate) struct AdoptArguments {
    /// The API
    api: ResourceName,
    /// The environment whose object is adopted; the one the API was imported from unless given
    #[arg(long = "env", value_name = "ENVIRONMENT")]
    environment: Option<ResourceName>,
    /// Shows what it would change on the gateway, and changes nothing
    #[arg(long)]
    plan: bool,
    #[command(flatten)]
    terms: Terms,
    #[command(flatten)]
    waiting: WaitOptions,
}

pub(super) async fn run(options: &AdoptArguments, client: &Client, screen: Screen) -> anyhow::Result<Exit> {
    let environment = match &options.environment {
        Some(environment) => environment.clone(),
        None => source(&options.api, client).await?,
    };
    let request = options.terms.request(vec![PlanItemRequest {
        action: PlanItemAction::Adopt,
        api: options.api.clone(),
        environment,
        revision: None,
    }]);
    if options.plan {
        let planned = planning::make(&request, client).await?;
        plan::show(&planned, screen)?;
        return Ok(plan::refusal(&planned).map_or(Ok(Exit::Ok), Err)?);
    }
    deploy::carry_out(&request, &options.waiting, client, screen).await
}

async fn source(api: &ResourceName, client: &Client) -> anyhow::Result<ResourceName> {
    let found: ApiResource = client.get("apis", api.as_str()).await?;
    let source = found.status.imported_from.map(|source| source.environment);
    source.ok_or_else(|| {
        let detail = format!(
            "`{api}` was not imported from a gateway, so there is nothing to adopt; deploy it with \
             `gatehouse deploy {api} --to ENVIRONMENT`"
        );
        Failure::new(Exit::Conflict, detail).into()
    })
}
