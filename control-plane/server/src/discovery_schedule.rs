//! Discoveries by schedule: whoever looks first when one is due starts it.
//!
//! The next time is in the database, worked out from the environment's cron expression with a jitter of its own.
//! Transactions for writing run one after the other, so that of several replicas the second finds the next time
//! already moved on. Times that passed while nobody looked are made up for once.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use gatehouse_control_plane_store::{Resource, Schedule, Scheduled, Transaction};
use gatehouse_schemas::{
    environment::{DiscoveryFilter, EnvironmentSpec},
    identity::{EnvironmentId, Generation},
    resource::Kind,
    schedule,
    time::Timestamp,
};
use serde_json::json;
use tracing::{info, warn};

use crate::{
    bootstrap::SYSTEM,
    failure::{Answer, chain},
    state::AppState,
    write::deploy::environment_spec,
};

/// How often schedules are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The latest a discovery begins after its time.
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
    if is_due || seen != Some(generation) {
        let wanted = wanted(state).await?;
        if !differences(&wanted, &known(state.store.schedules().await?), now).is_empty() {
            carry_out(state, &wanted, now).await?;
        }
    }
    Ok(generation)
}

/// An environment that is discovered by schedule.
struct Wanted {
    environment: Resource,
    expression: String,
    filter: DiscoveryFilter,
}

async fn wanted(state: &AppState) -> Answer<BTreeMap<EnvironmentId, Wanted>> {
    let mut wanted = BTreeMap::new();
    for environment in state.store.all_resources(Kind::Environment).await? {
        let EnvironmentSpec { mode, discovery, .. } = environment_spec(&environment)?;
        let Some(discovery) = discovery.filter(|_| mode.may_read()) else {
            continue;
        };
        if let Some(expression) = discovery.schedule {
            let filter = discovery.filter;
            let id = environment.environment_id();
            wanted.insert(
                id,
                Wanted {
                    environment,
                    expression,
                    filter,
                },
            );
        }
    }
    Ok(wanted)
}

fn known(schedules: Vec<Schedule>) -> BTreeMap<EnvironmentId, Schedule> {
    let ours = schedules
        .into_iter()
        .filter(|schedule| schedule.what == Scheduled::Discovery);
    ours.map(|schedule| (schedule.environment_id, schedule)).collect()
}

/// What has to be done about one environment's schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Difference {
    /// The time of the next discovery has to be worked out.
    Plan,
    /// A discovery is due.
    Due,
    /// There is no schedule any more.
    End,
}

fn differences(
    wanted: &BTreeMap<EnvironmentId, Wanted>,
    known: &BTreeMap<EnvironmentId, Schedule>,
    now: Timestamp,
) -> Vec<(EnvironmentId, Difference)> {
    let all: BTreeSet<EnvironmentId> = wanted.keys().chain(known.keys()).copied().collect();
    let difference = |id: EnvironmentId| match (wanted.get(&id), known.get(&id)) {
        (None, Some(_)) => Some(Difference::End),
        (Some(wanted), Some(known)) if wanted.expression == known.expression => {
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

async fn carry_out(state: &AppState, wanted: &BTreeMap<EnvironmentId, Wanted>, now: Timestamp) -> Answer<()> {
    let mut transaction = state.store.begin(SYSTEM, None, now).await?;
    // Another replica may have done it since.
    let known = known(transaction.schedules().await?);
    for (id, difference) in differences(wanted, &known, now) {
        match (difference, wanted.get(&id)) {
            (Difference::Due, Some(wanted)) => {
                start(&mut transaction, wanted).await?;
                plan(&mut transaction, id, wanted, now).await?;
            }
            (Difference::Plan, Some(wanted)) => plan(&mut transaction, id, wanted, now).await?,
            (_, _) => transaction.delete_schedule(id, Scheduled::Discovery).await?,
        }
    }
    Ok(transaction.commit().await?)
}

async fn plan(
    transaction: &mut Transaction,
    environment_id: EnvironmentId,
    wanted: &Wanted,
    now: Timestamp,
) -> Answer<()> {
    let next = schedule::next(&wanted.expression, now, environment_id.0.as_u128(), MAX_JITTER);
    let schedule = Schedule {
        environment_id,
        what: Scheduled::Discovery,
        expression: wanted.expression.clone(),
        // An expression that is never due was refused when it was written.
        due_at: next.or(Some(Timestamp(i64::MAX))),
    };
    Ok(transaction.put_schedule(&schedule).await?)
}

/// Starts a discovery, unless one is open: two would only be in each other's way.
async fn start(transaction: &mut Transaction, wanted: &Wanted) -> Answer<()> {
    let (environment, name) = (&wanted.environment, &wanted.environment.metadata.name);
    let open = transaction.open_discoveries(environment.environment_id()).await?;
    if let Some(open) = open.first() {
        info!(environment.name = %name, discovery.id = %open.id, "A discovery of `{name}` is due, and one is open; it is left out");
        return Ok(());
    }
    if !can_discover(transaction, environment).await? {
        return Ok(());
    }
    let created = transaction
        .create_discovery(environment, &wanted.filter, true)
        .await?;
    let details = json!({"environment": name, "schedule": wanted.expression});
    transaction
        .audit(
            "discovery.requested",
            &format!("discovery/{}", created.id),
            &details,
        )
        .await?;
    info!(environment.name = %name, discovery.id = %created.id, "Started the scheduled discovery of `{name}`");
    Ok(())
}

async fn can_discover(transaction: &mut Transaction, environment: &Resource) -> Answer<bool> {
    let spec = environment_spec(environment)?;
    let descriptor = transaction.descriptor(&spec.gateway_type).await?;
    Ok(descriptor.is_none_or(|descriptor| descriptor.capabilities.discover))
}
