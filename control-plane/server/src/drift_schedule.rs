//! Looking for drift by schedule: whoever looks first when one is due asks the environment's agents.
//!
//! The next time is in the database, worked out from the environment's cron expression with a jitter of its own.
//! Transactions for writing run one after the other, so that of several replicas the second finds the next time
//! already moved on. Times that passed while nobody looked are made up for once.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use gatehouse_control_plane_api::agent;
use gatehouse_control_plane_store::{Resource, Schedule, Scheduled, Transaction};
use gatehouse_schemas::{identity::EnvironmentId, resource::Kind, schedule, time::Timestamp};

use crate::{
    admin_api::tasks, agent_api::tasks::TASK_MS, bootstrap::SYSTEM, failure::Answer, state::AppState,
    write::deploy::environment_spec,
};

/// The latest a look begins after its time.
const MAX_JITTER: Duration = Duration::from_secs(60);

/// Asks for the looks that are due, and works out when the next ones are. Most of the time there is nothing to do.
pub(crate) async fn look(state: &AppState) -> Answer<()> {
    let now = state.now();
    let wanted = wanted(state).await?;
    if differences(&wanted, &known(state.store.schedules().await?), now).is_empty() {
        return Ok(());
    }
    let mut transaction = state.store.begin(SYSTEM, None, now).await?;
    // Another replica may have done it since.
    let known = known(transaction.schedules().await?);
    for (id, difference) in differences(&wanted, &known, now) {
        match (difference, wanted.get(&id)) {
            (Difference::Due, Some((environment, expression))) => {
                ask(&mut transaction, environment).await?;
                plan(&mut transaction, id, expression, now).await?;
            }
            (Difference::Plan, Some((_, expression))) => plan(&mut transaction, id, expression, now).await?,
            (_, _) => transaction.delete_schedule(id, Scheduled::Drift).await?,
        }
    }
    Ok(transaction.commit().await?)
}

type Wanted = BTreeMap<EnvironmentId, (Resource, String)>;

async fn wanted(state: &AppState) -> Answer<Wanted> {
    let mut wanted = Wanted::new();
    for environment in state.store.all_resources(Kind::Environment).await? {
        let schedule = environment_spec(&environment)?
            .drift
            .and_then(|drift| drift.schedule);
        if let Some(expression) = schedule {
            wanted.insert(environment.environment_id(), (environment, expression));
        }
    }
    Ok(wanted)
}

fn known(schedules: Vec<Schedule>) -> BTreeMap<EnvironmentId, Schedule> {
    let ours = schedules
        .into_iter()
        .filter(|schedule| schedule.what == Scheduled::Drift);
    ours.map(|schedule| (schedule.environment_id, schedule)).collect()
}

/// What has to be done about one environment's schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Difference {
    /// The time of the next look has to be worked out.
    Plan,
    /// A look is due.
    Due,
    /// There is no schedule any more.
    End,
}

fn differences(
    wanted: &Wanted,
    known: &BTreeMap<EnvironmentId, Schedule>,
    now: Timestamp,
) -> Vec<(EnvironmentId, Difference)> {
    let all: BTreeSet<EnvironmentId> = wanted.keys().chain(known.keys()).copied().collect();
    let difference = |id: EnvironmentId| match (wanted.get(&id), known.get(&id)) {
        (None, Some(_)) => Some(Difference::End),
        (Some((_, expression)), Some(known)) if *expression == known.expression => {
            // A time that was taken and not given back is due: better once too often than never again.
            known
                .due_at
                .is_none_or(|due| due <= now)
                .then_some(Difference::Due)
        }
        (Some(_), _) => Some(Difference::Plan),
        (None, None) => None,
    };
    all.into_iter()
        .filter_map(|id| Some((id, difference(id)?)))
        .collect()
}

async fn plan(
    transaction: &mut Transaction,
    environment_id: EnvironmentId,
    expression: &str,
    now: Timestamp,
) -> Answer<()> {
    let next = schedule::next(expression, now, environment_id.0.as_u128(), MAX_JITTER);
    let schedule = Schedule {
        environment_id,
        what: Scheduled::Drift,
        expression: expression.to_owned(),
        // An expression that is never due was refused when it was written.
        due_at: next.or(Some(Timestamp(i64::MAX))),
    };
    Ok(transaction.put_schedule(&schedule).await?)
}

/// Asks for a look, unless one is asked for already.
async fn ask(transaction: &mut Transaction, environment: &Resource) -> Answer<()> {
    let task = agent::Task::Observe { deployments: None };
    let asked = serde_json::to_value(&task).unwrap_or_default();
    let open = transaction.open_tasks(environment.environment_id()).await?;
    if open.iter().all(|open| open.task != asked) {
        // Nobody waits for it, so it may wait for an agent.
        let expires_at = Timestamp(transaction.now().0 + TASK_MS);
        tasks::create(transaction, environment, &task, expires_at).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use gatehouse_schemas::resource::Metadata;
    use uuid::Uuid;

    use super::*;

    fn environment(id: u128, expression: &str) -> (EnvironmentId, (Resource, String)) {
        let resource = Resource {
            kind: Kind::Environment,
            id: Uuid::from_u128(id),
            metadata: Metadata::named("local".parse().expect("a name")),
            spec: serde_json::Value::Null,
            version: Default::default(),
        };
        (
            EnvironmentId(Uuid::from_u128(id)),
            (resource, expression.to_owned()),
        )
    }

    fn known_at(id: u128, expression: &str, due_at: Option<i64>) -> Schedule {
        Schedule {
            environment_id: EnvironmentId(Uuid::from_u128(id)),
            what: Scheduled::Drift,
            expression: expression.to_owned(),
            due_at: due_at.map(Timestamp),
        }
    }

    #[test]
    fn a_schedule_is_worked_out_carried_out_and_ended() {
        let wanted: Wanted = [
            environment(1, "0 * * * *"),
            environment(2, "0 * * * *"),
            environment(3, "0 * * * *"),
            environment(4, "0 * * * *"),
            environment(5, "0 * * * *"),
        ]
        .into();
        let known = known(vec![
            known_at(2, "5 * * * *", Some(500)),
            known_at(3, "0 * * * *", Some(100)),
            known_at(4, "0 * * * *", Some(101)),
            known_at(5, "0 * * * *", None),
            known_at(6, "0 * * * *", Some(500)),
        ]);
        let told: Vec<(u128, Difference)> = differences(&wanted, &known, Timestamp(100))
            .into_iter()
            .map(|(id, difference)| (id.0.as_u128(), difference))
            .collect();
        assert_eq!(
            told,
            [
                (1, Difference::Plan),
                (2, Difference::Plan),
                (3, Difference::Due),
                (5, Difference::Due),
                (6, Difference::End)
            ]
        );
    }
}
