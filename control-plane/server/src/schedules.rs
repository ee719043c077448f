//! What is done again and again in an environment: whoever looks first when something is due starts it.
//!
//! The next time is in the database, worked out from the environment's cron expression with a jitter of its own.
//! Transactions for writing run one after the other, so that of several replicas the second finds the next time
//! already moved on. Times that passed while nobody looked are made up for once. What is started is said in
//! [`discovery`] and [`drift`].

pub(crate) mod discovery;
mod drift;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use gatehouse_control_plane_store::{Resource, Schedule, Scheduled, Transaction};
use gatehouse_schemas::{
    environment::EnvironmentSpec,
    identity::{EnvironmentId, Generation},
    resource::Kind,
    schedule,
    time::Timestamp,
};
use tracing::warn;

use crate::{
    bootstrap::SYSTEM,
    failure::{Answer, chain},
    state::AppState,
    write::deploy::environment_spec,
};

/// How often schedules are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The latest that something begins after its time.
const MAX_JITTER: Duration = Duration::from_secs(60);

/// Runs until the server shuts down.
pub(crate) async fn run(state: AppState) {
    let mut seen = None;
    loop {
        match look(&state, seen).await {
            Ok(generation) => seen = Some(generation),
            Err(failure) => warn!(
                error = %failure.cause().map(chain).unwrap_or_default(),
                "Could not look at schedules: {}; trying again in {LOOK_EVERY:?}", failure.problem().detail
            ),
        }
        tokio::select! {
            () = state.shutdown.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Most of the time, nothing is due and no environment changed: two small reads.
async fn look(state: &AppState, seen: Option<Generation>) -> Answer<Generation> {
    let (generation, now) = (state.store.generation().await?, state.now());
    let is_due = state.store.next_due().await?.is_some_and(|due| due <= now);
    if is_due || seen != Some(generation) && has_changed(state).await? {
        carry_out(state, now).await?;
    }
    Ok(generation)
}

/// Others wait for the writer, so it is asked for only if there is something to write.
async fn has_changed(state: &AppState) -> Answer<bool> {
    let wanted = wanted(state.store.all_resources(Kind::Environment).await?)?;
    let known = known(state.store.schedules().await?);
    Ok(!differences(&wanted, &known, &BTreeSet::new()).is_empty())
}

/// What is done, and where.
type Key = (EnvironmentId, Scheduled);

/// Something that an environment wants done by schedule.
#[derive(Debug)]
struct Wanted {
    environment: Resource,
    spec: EnvironmentSpec,
    expression: String,
}

fn wanted(environments: Vec<Resource>) -> Answer<BTreeMap<Key, Wanted>> {
    let mut wanted = BTreeMap::new();
    for environment in environments {
        let spec = environment_spec(&environment)?;
        for (what, expression) in expressions(&spec) {
            let one = Wanted {
                environment: environment.clone(),
                spec: spec.clone(),
                expression,
            };
            wanted.insert((environment.environment_id(), what), one);
        }
    }
    Ok(wanted)
}

fn expressions(spec: &EnvironmentSpec) -> impl Iterator<Item = (Scheduled, String)> {
    let discovery = spec.discovery.as_ref().filter(|_| spec.mode.may_read());
    let discovery = discovery.and_then(|discovery| discovery.schedule.clone());
    let drift = spec.drift.as_ref().and_then(|drift| drift.schedule.clone());
    let both = [(Scheduled::Discovery, discovery), (Scheduled::Drift, drift)];
    both.into_iter()
        .filter_map(|(what, expression)| Some((what, expression?)))
}

/// The expression that the next time was worked out from; none if there is no next time.
type Known = BTreeMap<Key, Option<String>>;

fn known(schedules: Vec<Schedule>) -> Known {
    let known = |schedule: Schedule| {
        let expression = schedule.due_at.map(|_| schedule.expression);
        ((schedule.environment_id, schedule.what), expression)
    };
    schedules.into_iter().map(known).collect()
}

/// What has to be done about one schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Difference {
    /// The next time has to be worked out.
    Plan,
    /// Its time has come.
    Due,
    /// There is no schedule any more.
    End,
}

fn differences(
    wanted: &BTreeMap<Key, Wanted>,
    known: &Known,
    due: &BTreeSet<(Key, String)>,
) -> Vec<(Key, Difference)> {
    let all: BTreeSet<Key> = wanted.keys().chain(known.keys()).copied().collect();
    let difference = |key: Key| match (wanted.get(&key), known.get(&key)) {
        (None, Some(_)) => Some(Difference::End),
        (Some(wanted), _) if due.contains(&(key, wanted.expression.clone())) => Some(Difference::Due),
        (Some(wanted), Some(Some(expression))) if wanted.expression == *expression => None,
        (Some(_), _) => Some(Difference::Plan),
        (None, None) => None,
    };
    all.into_iter()
        .filter_map(|key| Some((key, difference(key)?)))
        .collect()
}

/// Everything is read in the transaction that writes: another replica may have done it since, and people may have
/// written another schedule.
async fn carry_out(state: &AppState, now: Timestamp) -> Answer<()> {
    let mut transaction = state.store.begin(SYSTEM, None, now).await?;
    let taken = transaction.claim_due().await?;
    let due = taken
        .into_iter()
        .map(|due| ((due.environment_id, due.what), due.expression))
        .collect();
    let wanted = wanted(transaction.all_resources(Kind::Environment).await?)?;
    let known = known(transaction.schedules().await?);
    for (key, difference) in differences(&wanted, &known, &due) {
        take(&mut transaction, key, difference, wanted.get(&key)).await?;
    }
    Ok(transaction.commit().await?)
}

async fn take(
    transaction: &mut Transaction,
    key: Key,
    difference: Difference,
    wanted: Option<&Wanted>,
) -> Answer<()> {
    match (difference, wanted) {
        (Difference::Due, Some(wanted)) => {
            start(transaction, key.1, wanted).await?;
            plan(transaction, key, &wanted.expression).await
        }
        (Difference::Plan, Some(wanted)) => plan(transaction, key, &wanted.expression).await,
        (_, _) => Ok(transaction.delete_schedule(key.0, key.1).await?),
    }
}

async fn start(transaction: &mut Transaction, what: Scheduled, wanted: &Wanted) -> Answer<()> {
    match what {
        Scheduled::Discovery => {
            let cause = discovery::Cause::Schedule(&wanted.expression);
            discovery::start(transaction, &wanted.environment, &wanted.spec, &cause).await
        }
        Scheduled::Drift => drift::ask(transaction, wanted).await,
    }
}

async fn plan(transaction: &mut Transaction, (environment_id, what): Key, expression: &str) -> Answer<()> {
    let seed = environment_id.0.as_u128();
    let next = schedule::next(expression, transaction.now(), seed, MAX_JITTER);
    let schedule = Schedule {
        environment_id,
        what,
        expression: expression.to_owned(),
        // An expression that is never due was refused when it was written.
        due_at: next.or(Some(Timestamp(i64::MAX))),
    };
    Ok(transaction.put_schedule(&schedule).await?)
}

#[cfg(test)]
mod tests {
    use gatehouse_schemas::resource::Metadata;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    const HOURLY: &str = "0 * * * *";

    fn environment(id: u128, spec: serde_json::Value) -> Resource {
        Resource {
            kind: Kind::Environment,
            id: Uuid::from_u128(id),
            metadata: Metadata::named("local".parse().expect("a name")),
            spec,
            version: Default::default(),
        }
    }

    fn looks(id: u128) -> Resource {
        environment(id, json!({"gatewayType": "test", "drift": {"schedule": HOURLY}}))
    }

    fn key(id: u128) -> Key {
        (EnvironmentId(Uuid::from_u128(id)), Scheduled::Drift)
    }

    fn known_at(id: u128, expression: &str, due_at: Option<i64>) -> Schedule {
        let (environment_id, what) = key(id);
        Schedule {
            environment_id,
            what,
            expression: expression.to_owned(),
            due_at: due_at.map(Timestamp),
        }
    }

    #[test]
    fn a_schedule_is_worked_out_carried_out_and_ended() {
        let wanted = wanted((1..=6).map(looks).collect()).expect("environments");
        let known = known(vec![
            known_at(2, "5 * * * *", Some(500)),
            known_at(3, HOURLY, None),
            known_at(4, HOURLY, Some(101)),
            known_at(5, HOURLY, None),
            known_at(6, "5 * * * *", None),
            known_at(7, HOURLY, Some(500)),
        ]);
        let due = [(key(3), HOURLY), (key(6), "5 * * * *"), (key(7), HOURLY)];
        let due = due.map(|(key, expression)| (key, expression.to_owned())).into();
        assert_eq!(
            differences(&wanted, &known, &due),
            [
                (key(1), Difference::Plan),
                (key(2), Difference::Plan),
                (key(3), Difference::Due),
                (key(5), Difference::Plan),
                (key(6), Difference::Plan),
                (key(7), Difference::End)
            ]
        );
    }

    #[test]
    fn what_must_not_be_read_is_not_discovered() {
        let of = |mode: &str| {
            let spec = json!({"gatewayType": "test", "mode": mode, "discovery": {"schedule": "5 * * * *"},
                "drift": {"schedule": HOURLY}});
            let wanted = wanted(vec![environment(1, spec)]).expect("an environment");
            let told: Vec<_> = wanted
                .into_iter()
                .map(|((_, what), wanted)| (what, wanted.expression))
                .collect();
            told
        };
        let drift = || (Scheduled::Drift, HOURLY.to_owned());
        assert_eq!(of("write-only"), [drift()]);
        assert_eq!(
            of("read-only"),
            [(Scheduled::Discovery, "5 * * * *".to_owned()), drift()]
        );
    }
}
