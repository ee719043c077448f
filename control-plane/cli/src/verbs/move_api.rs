//! `gatehouse move`: an API of one gateway is deployed to another; says what is lost on the way.

use clap::Args;
use gatehouse_control_plane_api::{
    admin::{PlanItemAction, PlanItemRequest},
    client::Client,
};
use gatehouse_schemas::identity::ResourceName;

use super::{
    deploy,
    plan::{self, Terms},
};
use crate::{
    exit::Exit,
    failure::Failure,
    planning,
    screen::{self, Screen},
    waiting::WaitOptions,
};

/// What to move, from where, to where.
#[derive(Debug, Args)]
pub(crate) struct MoveArguments {
    /// The API; one that was only discovered is imported first
    api: ResourceName,
    /// The environment it is in
    #[arg(long, value_name = "ENVIRONMENT")]
    from: ResourceName,
    /// The environment it goes to
    #[arg(long, value_name = "ENVIRONMENT")]
    to: ResourceName,
    /// Shows what would change and what would be lost, and changes nothing
    #[arg(long)]
    plan: bool,
    /// Leaves it where it is, too
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    terms: Terms,
    #[command(flatten)]
    waiting: WaitOptions,
}

pub(super) async fn run(options: &MoveArguments, client: &Client, screen: Screen) -> anyhow::Result<Exit> {
    if options.from == options.to {
        return Err(Failure::usage("`--from` and `--to` name the same environment").into());
    }
    let leaves = is_managed(options, client).await? && !options.keep;
    let request = options
        .terms
        .request(vec![item(PlanItemAction::Deploy, options, &options.to)]);
    if options.plan {
        let planned = planning::make(&request, client).await?;
        plan::show(&planned, screen)?;
        screen::note(&afterwards(options, leaves));
        return Ok(plan::refusal(&planned).map_or(Ok(Exit::Ok), Err)?);
    }
    if options.waiting.no_wait && leaves {
        return Err(Failure::usage(
            "a move takes the API off its old place once the new one serves it, so it has to wait; leave out \
             `--no-wait`, or keep the old place with `--keep`",
        )
        .into());
    }
    let removal = options
        .terms
        .request(vec![item(PlanItemAction::Undeploy, options, &options.from)]);
    if leaves {
        // An agent that cannot take it off its old place must say so before it is anywhere else.
        let planned = planning::make(&removal, client).await?;
        plan::refusal(&planned).map_or(Ok(()), Err)?;
    }
    let moved = deploy::carry_out(&request, &options.waiting, client, screen).await?;
    screen::note(&afterwards(options, leaves));
    if !leaves {
        return Ok(moved);
    }
    deploy::carry_out(&removal, &options.waiting, client, screen).await
}

fn item(action: PlanItemAction, options: &MoveArguments, environment: &ResourceName) -> PlanItemRequest {
    PlanItemRequest {
        action,
        api: options.api.clone(),
        environment: environment.clone(),
        revision: None,
    }
}

/// Whether Gatehouse deployed it to where it is; what it did not make it does not remove.
async fn is_managed(options: &MoveArguments, client: &Client) -> anyhow::Result<bool> {
    let found = client.find_deployment(&options.api, &options.from).await?;
    Ok(found.is_some())
}

fn afterwards(options: &MoveArguments, leaves: bool) -> String {
    let MoveArguments {
        api, from, to, keep, ..
    } = options;
    match (leaves, keep) {
        (true, _) => format!("once `{to}` serves `{api}`, it is taken off `{from}`"),
        (false, true) => format!("`{api}` stays in `{from}`, too"),
        (false, false) => format!(
            "`{api}` stays in `{from}`: Gatehouse did not deploy it there; adopt it first \
             (`gatehouse adopt {api} --env {from}`) to have it taken off"
        ),
    }
}
