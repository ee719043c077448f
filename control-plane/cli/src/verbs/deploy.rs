//! `gatehouse deploy`: an API revision should run in an environment. Any earlier revision, too. Or: a plan that was
//! approved is carried out, exactly as it was shown.

use std::time::Duration;

use clap::Args;
use gatehouse_control_plane_api::{
    admin::{CreatePlanRequest, DeployRequest, Deployment, Plan, PlanItemAction, PlanItemRequest},
    client::Client,
};
use gatehouse_schemas::{
    condition::{Condition, ConditionStatus, ConditionType, Phase},
    identity::{Generation, ResourceName, RevisionNumber},
};

use super::plan::{self, Terms};
use crate::{
    exit::Exit,
    failure::Failure,
    listed::word,
    plan_file, planning,
    screen::{self, Screen},
    waiting::{self, Look, WaitOptions},
};

/// What to deploy, and where.
#[derive(Debug, Args)]
pub(crate) struct DeployArguments {
    /// The API, with `@REVISION` for another revision than the newest
    #[arg(value_name = "API[@REVISION]", value_parser = parse_target, required_unless_present = "plan")]
    api: Option<ApiRevision>,
    /// The environment; with several, a plan is made and carried out
    #[arg(long = "to", value_name = "ENVIRONMENT", num_args = 1.., required_unless_present = "plan")]
    environments: Vec<ResourceName>,
    /// Carries out a plan, by file or id: exactly that, or nothing and exit code 4 if the world moved since. Waits
    /// unless told not to
    #[arg(long, value_name = "PLAN", conflicts_with_all = ["api", "environments", "all_or_nothing", "accept_loss"])]
    plan: Option<String>,
    #[command(flatten)]
    terms: Terms,
    #[command(flatten)]
    waiting: WaitOptions,
}

/// An API and, where given, one of its revisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiRevision {
    pub(super) api: ResourceName,
    pub(super) revision: Option<RevisionNumber>,
}

pub(super) async fn run(options: &DeployArguments, client: &Client, screen: Screen) -> anyhow::Result<Exit> {
    if let Some(chosen) = &options.plan {
        let chosen = plan_file::choose(chosen)?;
        let applied = planning::apply(chosen.id, chosen.fingerprint, client).await?;
        return finish(applied, &options.waiting, client, screen).await;
    }
    match (&options.api, options.environments.as_slice()) {
        (Some(api), [environment]) => directly(api, environment, options, client, screen).await,
        (Some(api), environments) => together(api, environments, options, client, screen).await,
        (None, _) => Err(Failure::usage("say which API to deploy").into()),
    }
}

/// Several environments at once: one plan, so that they can stand or fall together.
async fn together(
    api: &ApiRevision,
    environments: &[ResourceName],
    options: &DeployArguments,
    client: &Client,
    screen: Screen,
) -> anyhow::Result<Exit> {
    let item = |environment: &ResourceName| PlanItemRequest {
        action: PlanItemAction::Deploy,
        api: api.api.clone(),
        environment: environment.clone(),
        revision: api.revision,
    };
    let request = options.terms.request(environments.iter().map(item).collect());
    carry_out(&request, &options.waiting, client, screen).await
}

/// Makes a plan and carries it out at once.
pub(super) async fn carry_out(
    request: &CreatePlanRequest,
    waiting: &WaitOptions,
    client: &Client,
    screen: Screen,
) -> anyhow::Result<Exit> {
    let planned = planning::make(request, client).await?;
    if let Some(refusal) = plan::refusal(&planned) {
        plan::show(&planned, screen)?;
        return Err(refusal.into());
    }
    let applied = planning::apply(planned.id, planned.fingerprint, client).await?;
    finish(applied, waiting, client, screen).await
}

/// Waits for the end of a plan unless told not to, and shows how it went.
async fn finish(
    applied: Plan,
    waiting: &WaitOptions,
    client: &Client,
    screen: Screen,
) -> anyhow::Result<Exit> {
    if waiting.no_wait {
        plan::show(&applied, screen)?;
        return Ok(Exit::Ok);
    }
    let longest = applied.items.iter().filter_map(|item| item.eta_ms).max();
    // The vendor's quotas may ask for more patience than people do.
    let timeout = waiting.timeout + Duration::from_millis(longest.unwrap_or_default().saturating_mul(2));
    let ended = planning::follow(&applied, timeout, client).await?;
    plan::show(&ended, screen)?;
    planning::verdict(&ended)?;
    Ok(Exit::Ok)
}

async fn directly(
    api: &ApiRevision,
    environment: &ResourceName,
    options: &DeployArguments,
    client: &Client,
    screen: Screen,
) -> anyhow::Result<Exit> {
    let request = DeployRequest {
        api: api.api.clone(),
        revision: api.revision,
        environment: environment.clone(),
        accept_loss: options.terms.accept_loss,
    };
    let accepted = client.deploy(&request).await?;
    if options.waiting.wait {
        let deployed = wait(&accepted, options.waiting.timeout, client).await?;
        screen::note(&format!("{} is deployed", name(&deployed)));
        show(&deployed, screen, || {
            deployed
                .endpoint_urls
                .iter()
                .map(|url| format!("{url}\n"))
                .collect()
        })?;
    } else {
        show(&accepted, screen, || {
            format!(
                "deployment/{} accepted: {}; `--wait` waits for it\n",
                accepted.id,
                name(&accepted)
            )
        })?;
    }
    Ok(Exit::Ok)
}

fn show(deployment: &Deployment, screen: Screen, text: impl FnOnce() -> String) -> anyhow::Result<()> {
    screen.show(deployment, &[format!("deployment/{}", deployment.id)], text)
}

fn name(deployment: &Deployment) -> String {
    format!(
        "{} revision {} to {}",
        deployment.api, deployment.revision, deployment.environment
    )
}

/// Waits until a gateway serves what was asked for.
pub(super) async fn wait(
    accepted: &Deployment,
    timeout: Duration,
    client: &Client,
) -> anyhow::Result<Deployment> {
    let found = waiting::until(timeout, async || {
        judge(client.deployment(accepted.id).await?, accepted.generation)
    });
    found.await?.map_err(|state| {
        let detail = format!(
            "{} was not deployed within {:?}: {state}; it goes on, look with `gatehouse describe deployment {}`",
            name(accepted),
            timeout,
            accepted.id
        );
        Failure::new(Exit::TimedOut, detail).into()
    })
}

/// What a deployment says of the generation that was asked for.
fn judge(deployment: Deployment, wanted: Generation) -> anyhow::Result<Look<Deployment>> {
    if deployment.generation > wanted {
        let detail = format!(
            "the deployment was changed meanwhile, it is now revision {} at generation {}; deploy again if that is wrong",
            deployment.revision, deployment.generation
        );
        return Err(Failure::new(Exit::Conflict, detail).into());
    }
    let about_it = deployment
        .conditions
        .iter()
        .filter(|condition| condition.observed_generation >= wanted);
    let deployed = about_it
        .clone()
        .find(|condition| condition.r#type == ConditionType::Deployed);
    match deployed {
        Some(condition) if condition.status == ConditionStatus::True => Ok(Look::Done(deployment)),
        Some(condition)
            if deployment.phase == Phase::Failed && condition.status == ConditionStatus::False =>
        {
            let detail = format!(
                "{} failed: {}: {}",
                name(&deployment),
                condition.reason,
                condition.message
            );
            Err(Failure::new(Exit::Error, detail).into())
        }
        _ => Ok(Look::NotYet(state(&deployment))),
    }
}

/// How a deployment stands: its phase, and the condition that holds it up.
pub(super) fn state(deployment: &Deployment) -> String {
    let phase = word(&deployment.phase);
    let open = |condition: &&Condition| condition.status != ConditionStatus::True;
    match deployment.conditions.iter().find(open) {
        Some(condition) => {
            format!(
                "{phase}: {} is {}: {}: {}",
                word(&condition.r#type),
                word(&condition.status),
                condition.reason,
                condition.message
            )
        }
        None => phase,
    }
}

pub(super) fn parse_target(text: &str) -> Result<ApiRevision, String> {
    let (api, revision) = match text.split_once('@') {
        Some((api, revision)) => (api, Some(revision)),
        None => (text, None),
    };
    let revision = revision.map(|number| {
        let number = number.parse().ok().filter(|number| *number > 0);
        number
            .map(RevisionNumber)
            .ok_or_else(|| format!("`{text}` has no revision number behind the `@`, as in `orders@3`"))
    });
    Ok(ApiRevision {
        api: api.parse().map_err(|error| format!("{error}"))?,
        revision: revision.transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use gatehouse_schemas::time::Timestamp;
    use uuid::Uuid;

    use super::*;

    fn deployment(generation: u64, phase: Phase, deployed: Option<(ConditionStatus, u64)>) -> Deployment {
        let condition = |(status, observed)| Condition {
            r#type: ConditionType::Deployed,
            status,
            reason: "SomeReason".to_owned(),
            message: "some message".to_owned(),
            observed_generation: Generation(observed),
            last_transition_time: Timestamp(0),
        };
        let id = Uuid::nil();
        Deployment {
            id: gatehouse_schemas::identity::DeploymentId(id),
            api: "orders".parse().unwrap(),
            api_id: gatehouse_schemas::identity::ApiId(id),
            environment: "local".parse().unwrap(),
            environment_id: gatehouse_schemas::identity::EnvironmentId(id),
            revision: RevisionNumber(2),
            generation: Generation(generation),
            observed_generation: Generation(0),
            phase,
            conditions: deployed.map(condition).into_iter().collect(),
            endpoint_urls: Vec::new(),
            external_ref: None,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
        }
    }

    fn check(generation: u64, phase: Phase, deployed: Option<(ConditionStatus, u64)>, expected: &str) {
        let verdict = match judge(deployment(generation, phase, deployed), Generation(7)) {
            Ok(Look::Done(_)) => "deployed".to_owned(),
            Ok(Look::NotYet(state)) => format!("not yet: {state}"),
            Err(error) => format!("exit {}", crate::failure::of(error).exit.code()),
        };
        assert!(verdict.starts_with(expected), "{verdict}");
    }

    #[test]
    fn only_a_report_on_the_requested_generation_counts() {
        use ConditionStatus::{False, True, Unknown};
        check(7, Phase::Deployed, Some((True, 7)), "deployed");
        check(7, Phase::Deploying, Some((True, 6)), "not yet: Deploying");
        check(7, Phase::Pending, None, "not yet: Pending");
        check(
            7,
            Phase::Deploying,
            Some((Unknown, 7)),
            "not yet: Deploying: Deployed is Unknown: SomeReason",
        );
        check(7, Phase::Failed, Some((False, 7)), "exit 1");
        check(7, Phase::Failed, Some((False, 6)), "not yet: Failed");
        check(8, Phase::Deployed, Some((True, 8)), "exit 4");
        let overtaken = judge(deployment(8, Phase::Deployed, None), Generation(7));
        assert_eq!(
            overtaken.err().unwrap().to_string(),
            "the deployment was changed meanwhile, it is now revision 2 at generation 8; deploy again if that is wrong"
        );
    }

    #[test]
    fn takes_an_api_with_or_without_a_revision() {
        let parsed = parse_target("orders@3").unwrap();
        assert_eq!(
            (parsed.api.as_str(), parsed.revision),
            ("orders", Some(RevisionNumber(3)))
        );
        assert_eq!(parse_target("orders").unwrap().revision, None);
        for wrong in ["", "@3", "orders@", "orders@0", "orders@x", "Orders"] {
            assert!(parse_target(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            parse_target("orders@x").unwrap_err(),
            "`orders@x` has no revision number behind the `@`, as in `orders@3`"
        );
    }
}
