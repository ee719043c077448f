//! The background reconciler: agents that come and go change the state of deployments, and nobody else notices
//! when one goes. It looks, writes down what is different, and waits for the next look.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use gatehouse_control_plane_store::{AgentFilter, MAX_PAGE_SIZE, PageRequest};
use gatehouse_schemas::{
    identity::{AgentId, GatewayType},
    resource::Kind,
    time::Timestamp,
};
use tracing::{debug, warn};

use crate::{
    bootstrap::SYSTEM,
    failure::{Answer, chain},
    state::AppState,
    status::{is_online, refresh_environment},
};

/// How often agents are looked at, as a part of the lease, and at least how long is in between.
const LOOKS_PER_LEASE: u32 = 10;
const SHORTEST_WAIT: Duration = Duration::from_millis(200);

/// How long the ends of environments and deployments are remembered for agents that were away, and how often what
/// is older is forgotten. An agent that comes back later takes everything anew.
const REMEMBERED_MS: i64 = 7 * 24 * 60 * 60 * 1000;
const FORGET_EVERY: Duration = Duration::from_secs(60 * 60);

type Online = BTreeMap<GatewayType, Vec<AgentId>>;

/// Runs until the server shuts down.
pub(crate) async fn run(state: AppState) {
    let wait = (state.lease / LOOKS_PER_LEASE).max(SHORTEST_WAIT);
    let mut seen: Option<Online> = None;
    let mut forgotten = Instant::now();
    loop {
        if forgotten.elapsed() >= FORGET_EVERY {
            forgotten = Instant::now();
            report(forget(&state).await, wait);
        }
        seen = report(look(&state, seen.as_ref()).await, wait).or(seen);
        tokio::select! {
            () = state.shutdown.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

fn report<T>(outcome: Answer<T>, wait: Duration) -> Option<T> {
    outcome
        .inspect_err(|failure| {
            warn!(
                error = %failure.cause().map(chain).unwrap_or_default(),
                "Could not look at agents: {}; trying again in {wait:?}", failure.problem().detail
            );
        })
        .ok()
}

async fn forget(state: &AppState) -> Answer<()> {
    let now = state.now();
    let mut transaction = state.store.begin(SYSTEM, None, now).await?;
    let count = transaction.forget_ended(Timestamp(now.0 - REMEMBERED_MS)).await?;
    transaction.commit().await?;
    debug!("Forgot {count} environments and deployments that ended long ago");
    Ok(())
}

/// Refreshes the environments of gateway types whose online agents are not those of the look before.
async fn look(state: &AppState, before: Option<&Online>) -> Answer<Online> {
    let online = online(state).await?;
    let empty = Online::new();
    let before_types = before.unwrap_or(&empty);
    let changed: Vec<&GatewayType> = online
        .keys()
        .chain(before_types.keys())
        .filter(|gateway_type| {
            before.is_none() || online.get(*gateway_type) != before_types.get(*gateway_type)
        })
        .collect();
    if before.is_none() || !changed.is_empty() {
        refresh(state, before.is_some().then_some(changed.as_slice())).await?;
    }
    Ok(online)
}

async fn online(state: &AppState) -> Answer<Online> {
    let online_since = state.online_since();
    let mut online = Online::new();
    let mut request = PageRequest {
        limit: Some(MAX_PAGE_SIZE),
        cursor: None,
    };
    loop {
        let page = state.store.agents(&AgentFilter::default(), &request).await?;
        for agent in page.items {
            let agents = online.entry(agent.gateway_type.clone()).or_default();
            agents.extend(is_online(&agent, online_since).then_some(agent.id));
        }
        request.cursor = page.next_cursor;
        if request.cursor.is_none() {
            return Ok(online);
        }
    }
}

/// Refreshes all environments, or those of these gateway types. One transaction each, so that nobody waits long.
async fn refresh(state: &AppState, gateway_types: Option<&[&GatewayType]>) -> Answer<()> {
    for environment in state.store.all_resources(Kind::Environment).await? {
        let gateway_type = environment.spec["gatewayType"].as_str().unwrap_or_default();
        if gateway_types.is_some_and(|types| !types.iter().any(|it| it.as_str() == gateway_type)) {
            continue;
        }
        let mut transaction = state.store.begin(SYSTEM, None, state.now()).await?;
        let changed = refresh_environment(
            &mut transaction,
            environment.environment_id(),
            state.online_since(),
        )
        .await?;
        if changed > 0 {
            transaction.commit().await?;
            debug!(environment.name = %environment.metadata.name, "Agents came or went; {changed} deployments say so");
        }
    }
    Ok(())
}
