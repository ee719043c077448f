//! `gatehouse rollback`: the revision that was in an environment before, or another, takes the place of the present one.

use clap::Args;
use gatehouse_control_plane_api::{
    admin::{PlanItemAction, PlanItemRequest},
    client::Client,
};
use gatehouse_schemas::identity::{ResourceName, RevisionNumber};

use super::{
    deploy,
    plan::{self, Terms},
};
use crate::{exit::Exit, planning, screen::Screen, waiting::WaitOptions};

/// What to roll back, where, and how far.
#[derive(Debug, Args)]
pub(crate) struct RollbackArguments {
    /// The API
    api: ResourceName,
    /// The environments
    #[arg(long = "env", value_name = "ENVIRONMENT", num_args = 1.., required = true)]
    environments: Vec<ResourceName>,
    /// The revision; the last one before the present one that was deployed there unless given
    #[arg(long, value_name = "REVISION", value_parser = clap::value_parser!(u64).range(1..))]
    to_revision: Option<u64>,
    /// Shows what it would change, and changes nothing
    #[arg(long)]
    plan: bool,
    #[command(flatten)]
    terms: Terms,
    #[command(flatten)]
    waiting: WaitOptions,
}

pub(super) async fn run(
    options: &RollbackArguments,
    client: &Client,
    screen: Screen,
) -> anyhow::Result<Exit> {
    let item = |environment: &ResourceName| PlanItemRequest {
        action: PlanItemAction::Rollback,
        api: options.api.clone(),
        environment: environment.clone(),
        revision: options.to_revision.map(RevisionNumber),
    };
    let request = options
        .terms
        .request(options.environments.iter().map(item).collect());
    if options.plan {
        let planned = planning::make(&request, client).await?;
        plan::show(&planned, screen)?;
        return Ok(plan::refusal(&planned).map_or(Ok(Exit::Ok), Err)?);
    }
    deploy::carry_out(&request, &options.waiting, client, screen).await
}
