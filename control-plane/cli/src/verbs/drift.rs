//! `gatehouse drift`: how gateways stand to what was deployed to them, and what to do about it.

use std::{collections::BTreeSet, time::Duration};

use clap::{Args, Subcommand};
use gatehouse_control_plane_api::{
    admin::{Deployment, DriftReport, DriftResolution, Task, TaskState},
    agent::TaskResult,
    client::Client,
};
use gatehouse_schemas::{
    drift::{DriftField, DriftState},
    identity::{ResourceName, RevisionNumber},
};
use serde_json::Value;

use super::{deploy, get};
use crate::{
    exit::Exit,
    failure::Failure,
    listed::{references, table_of},
    moment,
    plan_text::short,
    screen::{self, Color, Format, Screen},
    waiting::{self, Look, WaitOptions},
};

/// How long agents may look at gateways.
const LOOKING_MAX: Duration = Duration::from_secs(120);

/// Where to look, or what to do.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct DriftArguments {
    #[command(subcommand)]
    command: Option<DriftCommand>,
    /// The environment; all unless given
    environment: Option<ResourceName>,
    /// Only this API
    #[arg(long, value_name = "API")]
    api: Option<ResourceName>,
    /// Shows what was seen last, without looking at gateways now
    #[arg(long)]
    last_seen: bool,
}

/// What to do about drift.
#[derive(Debug, Subcommand)]
enum DriftCommand {
    /// Puts back what was applied, or takes over what the gateway holds
    Resolve(ResolveArguments),
}

/// Whose drift, and what to do about it.
#[derive(Debug, Args)]
pub(crate) struct ResolveArguments {
    /// The API
    api: ResourceName,
    /// The environment
    #[arg(long = "env", value_name = "ENVIRONMENT")]
    environment: ResourceName,
    /// Puts back what was applied
    #[arg(long, required_unless_present = "adopt", conflicts_with = "adopt")]
    revert: bool,
    /// Makes what the gateway holds a new revision of the API
    #[arg(long)]
    adopt: bool,
    #[command(flatten)]
    waiting: WaitOptions,
}

pub(super) async fn run(options: &DriftArguments, client: &Client, screen: Screen) -> anyhow::Result<Exit> {
    if let Some(DriftCommand::Resolve(options)) = &options.command {
        return resolve(options, client, screen).await;
    }
    if !options.last_seen {
        look(options, client).await?;
    }
    let reports = client
        .drift(options.environment.as_ref(), options.api.as_ref())
        .await?;
    if reports.is_empty() {
        screen::note("nothing is deployed there, so nothing can have drifted");
    }
    show(&reports, screen)?;
    let differs =
        |report: &DriftReport| matches!(report.drift.state, DriftState::Drifted | DriftState::Missing);
    Ok(if reports.iter().any(differs) {
        Exit::Different
    } else {
        Exit::Ok
    })
}

/// Has agents look at the gateways now. That one cannot be looked at is told, and the others go on.
async fn look(options: &DriftArguments, client: &Client) -> anyhow::Result<()> {
    let environments: BTreeSet<ResourceName> = match &options.environment {
        Some(environment) => BTreeSet::from([environment.clone()]),
        None => client
            .drift(None, options.api.as_ref())
            .await?
            .into_iter()
            .map(|report| report.environment)
            .collect(),
    };
    let mut asked = Vec::new();
    for environment in &environments {
        asked.push(client.observe(environment).await?);
    }
    for task in asked {
        let task = answered(&task, LOOKING_MAX, client).await?;
        if let Some(TaskResult::Failed { message, .. }) = &task.result {
            screen::note(&format!("{} was not looked at: {message}", task.environment));
        }
    }
    Ok(())
}

/// Waits for the answer to a task.
pub(super) async fn answered(task: &Task, timeout: Duration, client: &Client) -> anyhow::Result<Task> {
    let found = waiting::until(timeout, async || {
        let task = client.task(task.id).await?;
        Ok(match task.state {
            TaskState::Pending => Look::NotYet(format!("an agent looks at {}", task.environment)),
            TaskState::Answered | TaskState::Failed => Look::Done(task),
        })
    });
    found
        .await?
        .map_err(|_| no_answer(&task.environment, timeout).into())
}

fn no_answer(environment: &ResourceName, timeout: Duration) -> Failure {
    let detail = format!(
        "no agent of `{environment}` answered within {timeout:?}; `gatehouse get agents` shows who is online"
    );
    Failure::new(Exit::TimedOut, detail)
}

fn show(reports: &[DriftReport], screen: Screen) -> anyhow::Result<()> {
    screen.show_list(reports, &references(reports), || {
        if reports.is_empty() {
            return String::new();
        }
        let details: String = reports.iter().map(|report| details(report, screen)).collect();
        table_of(reports, moment::now()) + &details
    })
}

fn details(report: &DriftReport, screen: Screen) -> String {
    if report.drift.fields.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{} in {}:\n", report.api, report.environment);
    for field in &report.drift.fields {
        text.push_str(&field_text(field, screen));
    }
    let environment = &report.environment;
    let api = &report.api;
    text.push_str(&format!(
        "  put it right: `gatehouse drift resolve {api} --env {environment} --revert`; keep it: `… --adopt`\n"
    ));
    text
}

fn field_text(field: &DriftField, screen: Screen) -> String {
    let conflict = if field.conflict {
        screen.paint(Color::Red, "  (both sides changed it)")
    } else {
        String::new()
    };
    let path = if field.path.is_empty() { "/" } else { &field.path };
    let mut text = format!("  {}{conflict}\n", screen.paint(Color::Cyan, path));
    let sides = [
        ("last applied", &field.applied),
        ("desired", &field.desired),
        ("observed", &field.observed),
    ];
    for (side, value) in sides {
        let value = value
            .as_ref()
            .map_or_else(|| "(nothing)".to_owned(), |value: &Value| short(value));
        text.push_str(&format!("    {side:<13} {value}\n"));
    }
    text
}

async fn resolve(options: &ResolveArguments, client: &Client, screen: Screen) -> anyhow::Result<Exit> {
    let found = client.find_deployment(&options.api, &options.environment).await?;
    let found = found.ok_or_else(|| get::not_deployed(&options.api, &options.environment))?;
    let resolution = if options.revert {
        DriftResolution::Revert
    } else {
        DriftResolution::Adopt
    };
    let accepted = client.resolve_drift(found.id, resolution).await?;
    let done: Deployment = if options.waiting.no_wait {
        accepted
    } else {
        match deploy::wait(&accepted, options.waiting.timeout, client).await {
            Ok(done) => done,
            Err(error) => return Err(came_to_nothing(&accepted, client).await?.unwrap_or(error)),
        }
    };
    screen.show(&done, &[format!("deployment/{}", done.id)], || match resolution {
        DriftResolution::Revert => format!("{} in {} is as it was applied\n", done.api, done.environment),
        DriftResolution::Adopt => format!(
            "{} in {} is revision {} now, as the gateway holds it\n",
            done.api, done.environment, done.revision
        ),
    })?;
    if screen.format() == Format::Table && options.waiting.no_wait {
        screen::note("it goes on; `gatehouse drift` shows how it stands");
    }
    Ok(Exit::Ok)
}

/// An adoption is taken back if the gateway is changed once more before it is carried out.
async fn came_to_nothing(accepted: &Deployment, client: &Client) -> anyhow::Result<Option<anyhow::Error>> {
    let now = client.deployment(accepted.id).await?;
    Ok((now.revision < accepted.revision)
        .then(|| not_adopted(&now.api, &now.environment, now.revision).into()))
}

fn not_adopted(api: &ResourceName, environment: &ResourceName, revision: RevisionNumber) -> Failure {
    let detail = format!(
        "{api} in {environment} was not adopted: the gateway was changed once more after it was looked at; nothing was \
         changed there, and revision {revision} is desired as before; look with `gatehouse drift {environment}`, then decide again"
    );
    Failure::new(Exit::Conflict, detail)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    #[test]
    fn nobody_who_answers_is_a_time_that_is_over() {
        let failure = no_answer(&"kong-eu".parse().unwrap(), Duration::from_secs(120));
        assert_eq!(failure.exit, Exit::TimedOut);
        assert_eq!(
            failure.detail,
            "no agent of `kong-eu` answered within 120s; `gatehouse get agents` shows who is online"
        );
    }

    #[test]
    fn an_adoption_that_came_to_nothing_is_a_conflict() {
        let failure = not_adopted(
            &"orders".parse().unwrap(),
            &"local".parse().unwrap(),
            RevisionNumber(1),
        );
        assert_eq!(failure.exit, Exit::Conflict);
        assert_eq!(
            failure.detail,
            "orders in local was not adopted: the gateway was changed once more after it was looked at; nothing was changed \
             there, and revision 1 is desired as before; look with `gatehouse drift local`, then decide again"
        );
    }

    #[test]
    fn drift_is_told_field_by_field_with_what_to_do() {
        let report: DriftReport = serde_json::from_value(json!({
            "deploymentId": "01890a5d-ac96-774b-bcce-b302099a8057", "api": "orders", "environment": "kong-eu",
            "revision": 2, "state": "drifted",
            "fields": [
                {"path": "/displayName", "applied": "Orders", "desired": "Ours", "observed": "Theirs", "conflict": true},
                {"path": "/hostnames/0", "observed": "x.example", "conflict": false},
            ],
        }))
        .unwrap();
        expect![[r#"

            orders in kong-eu:
              /displayName  (both sides changed it)
                last applied  "Orders"
                desired       "Ours"
                observed      "Theirs"
              /hostnames/0
                last applied  (nothing)
                desired       (nothing)
                observed      "x.example"
              put it right: `gatehouse drift resolve orders --env kong-eu --revert`; keep it: `… --adopt`
        "#]]
        .assert_eq(&details(&report, Screen::new(Format::Table)));
    }
}
