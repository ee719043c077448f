//! Cases that are more than one request and its answer: shares, copies, requests that are sent again.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    cases::Case,
    client::{Ask, Door, send},
    running::answered,
    world::{NAMESPACE, World},
};

/// How many requests tell how shares are kept, and how far off they may be.
const MANY: usize = 200;
const TOLERANCE: f64 = 0.05;

/// Seven, three and none of ten requests go to the three backends.
pub(crate) async fn shares(door: &Door, ask: &Ask) -> Result<(), String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..MANY {
        let answer = send(door, ask).await?;
        let pod = answer.seen["pod"].as_str().unwrap_or_default().to_owned();
        *counts.entry(pod).or_default() += 1;
    }
    for (backend, share) in [("v1", 0.7), ("v2", 0.3), ("v3", 0.0)] {
        let count = counts
            .get(&format!("infra-backend-{backend}-0"))
            .copied()
            .unwrap_or_default();
        near(count, share, backend)?;
    }
    Ok(())
}

fn near(count: usize, share: f64, what: &str) -> Result<(), String> {
    let expected = share * MANY as f64;
    match (count as f64 - expected).abs() <= TOLERANCE * MANY as f64 {
        true => Ok(()),
        false => Err(format!("{what} got {count} of {MANY} requests, not {expected}")),
    }
}

/// Both backends answer, each having seen the header that is set for it alone.
pub(crate) async fn named_by_backend(door: &Door, ask: &Ask) -> Result<(), String> {
    let mut answered = Vec::new();
    for _ in 0..10 {
        let seen = send(door, ask).await?.seen;
        let pod = seen["pod"].as_str().unwrap_or_default().to_owned();
        let header = seen["headers"]["backend"].as_str().unwrap_or_default().to_owned();
        if header.is_empty() || !pod.starts_with(&header) {
            return Err(format!("`{pod}` saw the header of `{header}`"));
        }
        answered.push(pod);
    }
    answered.sort();
    answered.dedup();
    match answered.len() {
        2 => Ok(()),
        _ => Err(format!("only {answered:?} answered")),
    }
}

pub(crate) async fn mirrored(mirror: &Value, ask: &Ask, world: &World) -> Result<(), String> {
    let name = mirror["BackendRef"]["Name"].as_str().expect("a name");
    let backend = world.backend(NAMESPACE, name).expect("a backend");
    let seen = async {
        while backend.times(&ask.path) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), seen)
        .await
        .map_err(|_| format!("`{name}` got no copy of {}", ask.path))
}

pub(crate) async fn mirrored_share(case: &Case, door: &Door, ask: &Ask, world: &World) -> Result<(), String> {
    for _ in 0..MANY {
        answered(case, ask, &send(door, ask).await?)?;
    }
    let mirror = &case.mirrored_to[0];
    let percent = mirror["Percent"]["$expr"].as_str().unwrap_or_default();
    let percent: String = percent
        .trim_start_matches("int32")
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    let share = percent.parse::<f64>().expect("a percentage") / 100.0;
    mirrored(mirror, ask, world).await?;
    let name = mirror["BackendRef"]["Name"].as_str().expect("a name");
    let backend = world.backend(NAMESPACE, name).expect("a backend");
    let arrived = async {
        while near(backend.times(&ask.path), share, name).is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let arrived = tokio::time::timeout(Duration::from_secs(10), arrived).await;
    arrived.map_or_else(|_| near(backend.times(&ask.path), share, name), Ok)
}

/// As the suite asks: each time as if for the first time, until it is answered as it should be.
pub(crate) async fn retried(case: &Case, door: &Door, ask: &Ask) -> Result<(), String> {
    let until = Instant::now() + Duration::from_secs(10);
    for number in 0_u32.. {
        let ask = Ask {
            path: format!("{}&uuid={number}", ask.path),
            ..ask.clone()
        };
        let outcome = answered(case, &ask, &send(door, &ask).await?);
        if outcome.is_ok() || Instant::now() > until {
            return outcome;
        }
    }
    Ok(())
}
