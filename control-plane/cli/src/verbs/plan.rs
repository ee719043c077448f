//! `gatehouse plan`: what a deploy would change on each gateway, before anything does.

use std::path::PathBuf;

use clap::Args;
use gatehouse_control_plane_api::{
    admin::{CreatePlanRequest, Plan, PlanItemAction, PlanItemRequest, PlanState, PlanStrategy},
    client::Client,
};
use gatehouse_schemas::identity::ResourceName;

use super::deploy::{ApiRevision, parse_target};
use crate::{exit::Exit, failure::Failure, plan_file, plan_text, planning, screen::Screen};

/// What to plan.
#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    /// The API, with `@REVISION` for another revision than the newest
    #[arg(value_name = "API[@REVISION]", value_parser = parse_target)]
    api: ApiRevision,
    /// The environments to deploy to
    #[arg(long = "to", value_name = "ENVIRONMENT", num_args = 1.., required_unless_present = "from")]
    to: Vec<ResourceName>,
    /// The environments to take it out of
    #[arg(long = "from", value_name = "ENVIRONMENT", num_args = 1..)]
    from: Vec<ResourceName>,
    #[command(flatten)]
    terms: Terms,
    /// Writes the plan to a file, for `gatehouse deploy --plan FILE`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// On which terms a plan is made.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Terms {
    /// Puts everything back when one environment fails
    #[arg(long)]
    pub(crate) all_or_nothing: bool,
    /// Accepts that policies are lost which the gateway cannot express; never security policies
    #[arg(long)]
    pub(crate) accept_loss: bool,
}

impl Terms {
    /// A request for a plan on these terms.
    pub(crate) fn request(&self, items: Vec<PlanItemRequest>) -> CreatePlanRequest {
        CreatePlanRequest {
            items,
            strategy: if self.all_or_nothing {
                PlanStrategy::AllOrNothing
            } else {
                PlanStrategy::BestEffort
            },
            accept_loss: self.accept_loss,
        }
    }
}

pub(super) async fn run(options: &PlanArguments, client: &Client, screen: Screen) -> anyhow::Result<Exit> {
    let item = |action, environment: &ResourceName| PlanItemRequest {
        action,
        api: options.api.api.clone(),
        environment: environment.clone(),
        revision: options.api.revision.filter(|_| action == PlanItemAction::Deploy),
    };
    let deploys = options.to.iter().map(|place| item(PlanItemAction::Deploy, place));
    let undeploys = options
        .from
        .iter()
        .map(|place| item(PlanItemAction::Undeploy, place));
    let request = options.terms.request(deploys.chain(undeploys).collect());
    let plan = planning::make(&request, client).await?;
    if let Some(path) = &options.out {
        plan_file::write(path, &plan)?;
    }
    show(&plan, screen)?;
    Ok(refusal(&plan).map_or(Ok(Exit::Ok), Err)?)
}

/// Shows a plan.
pub(crate) fn show(plan: &Plan, screen: Screen) -> anyhow::Result<()> {
    screen.show(plan, &[format!("plan/{}", plan.id)], || {
        plan_text::text(plan, screen)
    })
}

/// Why a plan cannot be applied, if it cannot.
pub(crate) fn refusal(plan: &Plan) -> Option<Failure> {
    let reasons: Vec<String> = plan
        .items
        .iter()
        .filter_map(|item| {
            let message = item.message.as_ref()?;
            Some(format!("{} in {}: {message}", item.api, item.environment))
        })
        .collect();
    let told = reasons.join("; ");
    match plan.state {
        PlanState::Refused => Some(Failure::new(
            Exit::Conflict,
            format!("the plan cannot be applied: {told}"),
        )),
        PlanState::Void => Some(Failure::new(
            Exit::Conflict,
            format!(
                "the world moved since plan {} was made: {told}; make a new one",
                plan.id
            ),
        )),
        _ => None,
    }
}
