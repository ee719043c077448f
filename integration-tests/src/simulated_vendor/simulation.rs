//! The second port: what tests want of the vendor, as JSON.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    accounts::Key,
    answer::{Answer, Outcome, bad_request, not_found},
    edits,
    faults::Fault,
    file,
    hold::{HoldRequest, Release},
    invariants,
    seed::{self, SeedRequest},
    vendor::{Call, SharedVendor, Vendor},
};

/// The longest that a question for a held call stays open.
const LONGEST_WAIT_MS: u64 = 60_000;

/// Answers a request to the second port.
pub(super) async fn answer(vendor: &SharedVendor, call: Call, file: Option<&PathBuf>) -> Answer {
    let path = call.path.trim_start_matches("/simulation/").to_owned();
    let outcome = match (call.method.as_str(), path.as_str()) {
        ("GET", "held") => Ok(held(vendor, &call).await),
        ("GET", what) => look(vendor, what, &call),
        ("DELETE", "faults") => Ok(done(|| vendor.lock().faults.waiting.clear())),
        ("DELETE", "hold") => Ok(done(|| let_go(vendor, Release::Proceed, true))),
        (_, "save") => save(vendor, file),
        (_, what) => change(vendor, what, &call),
    };
    outcome.unwrap_or_else(|refused| refused)
}

fn done(act: impl FnOnce()) -> Answer {
    act();
    Answer::json(200, &json!({}))
}

fn parse<T: DeserializeOwned>(call: &Call) -> Result<T, Answer> {
    let body: &[u8] = if call.body.is_empty() { b"{}" } else { &call.body };
    serde_json::from_slice(body).map_err(|error| bad_request(error.to_string()))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct ReleaseRequest {
    outcome: Release,
}

fn change(vendor: &Vendor, what: &str, call: &Call) -> Outcome {
    match what {
        "keys" => {
            let mut fields: serde_json::Map<String, Value> = parse(call)?;
            let text = fields.remove("key").unwrap_or_default();
            let text = text.as_str().unwrap_or_default().to_owned();
            let key: Key =
                serde_json::from_value(fields.into()).map_err(|error| bad_request(error.to_string()))?;
            Ok(done(|| {
                vendor.lock().keys.keys.insert(text, key);
            }))
        }
        "behaviour" => {
            let mut present = json!(vendor.lock().behaviour);
            for (name, value) in parse::<BTreeMap<String, Value>>(call)? {
                present[name] = value;
            }
            let behaviour =
                serde_json::from_value(present).map_err(|error| bad_request(error.to_string()))?;
            Ok(done(|| {
                let mut inner = vendor.lock();
                inner.behaviour = behaviour;
                inner.buckets.fill();
            }))
        }
        "faults" => {
            let fault: Fault = parse(call)?;
            Ok(done(|| vendor.lock().faults.waiting.push(fault)))
        }
        "hold" => {
            let request: HoldRequest = parse(call)?;
            Ok(done(|| {
                let_go(vendor, Release::Proceed, true);
                vendor.lock().hold.want(request);
            }))
        }
        "release" => {
            let request: ReleaseRequest = parse(call)?;
            Ok(done(|| let_go(vendor, request.outcome, false)))
        }
        "seed" => {
            let request: SeedRequest = parse(call)?;
            let operations = seed::seed(&mut vendor.lock(), &request);
            Ok(Answer::json(200, &json!({"operations": operations})))
        }
        "edits" => edits::edit(&mut vendor.lock(), parse(call)?),
        "expire-positions" => Ok(done(|| vendor.lock().epoch += 1)),
        "reset-counters" => Ok(done(|| vendor.lock().recorder.reset())),
        "clear" => Ok(done(|| {
            let mut inner = vendor.lock();
            inner.store.clear();
            inner.violations.clear();
            inner.stage_changes.clear();
            inner.recorder.reset();
            inner.faults.waiting.clear();
        })),
        other => Err(not_found("way to simulate", other)),
    }
}

/// Lets go of what is held; on request, also forgets what was to be held.
fn let_go(vendor: &Vendor, release: Release, forget: bool) {
    let mut inner = vendor.lock();
    if let Some(sender) = inner.release.take() {
        // Whoever waited for it may have gone.
        let _ = sender.send(release);
    }
    inner.hold.held = None;
    if forget {
        inner.hold = super::hold::Hold::default();
    }
}

/// Waits until a call is held; says which, or that none is.
async fn held(vendor: &Vendor, call: &Call) -> Answer {
    let wait = call
        .query("timeoutMs")
        .and_then(|ms| ms.parse().ok())
        .unwrap_or(0);
    let deadline = tokio::time::Instant::now() + Duration::from_millis(u64::min(wait, LONGEST_WAIT_MS));
    loop {
        let told = vendor.held.notified();
        tokio::pin!(told);
        told.as_mut().enable();
        {
            let inner = vendor.lock();
            if inner.hold.held.is_some() {
                return Answer::json(
                    200,
                    &json!({"held": inner.hold.held, "counted": inner.hold.counted()}),
                );
            }
        }
        if tokio::time::timeout_at(deadline, told).await.is_err() {
            let counted = vendor.lock().hold.counted();
            return Answer::json(200, &json!({"held": Value::Null, "counted": counted}));
        }
    }
}

fn look(vendor: &Vendor, what: &str, call: &Call) -> Outcome {
    let inner = vendor.lock();
    let shown = match what {
        "state" => {
            let all = inner.store.all();
            json!(
                all.map(|(account, api)| json!({"account": account, "api": &**api}))
                    .collect::<Vec<_>>()
            )
        }
        "counters" => json!(inner.recorder.counts),
        "requests" => {
            let after: u64 = call.query("after").and_then(|it| it.parse().ok()).unwrap_or(0);
            let calls = inner.recorder.calls.iter().filter(|call| call.number > after);
            json!(calls.collect::<Vec<_>>())
        }
        "invariants" => json!(inner.violations),
        "stages" => json!(inner.stage_changes),
        "orphans" => orphans(&inner),
        "behaviour" => json!(inner.behaviour),
        other => return Err(not_found("view of the simulation", other)),
    };
    Ok(Answer::json(200, &shown))
}

/// Objects that carry a mark and that no stage serves.
fn orphans(inner: &super::vendor::Inner) -> Value {
    let all = inner.store.all();
    all.filter(|(_, api)| invariants::mark(api).is_some() && api.stages.is_empty())
        .map(|(account, api)| {
            json!({"account": account, "id": api.id, "name": api.name, "tags": api.tags, "createdAt": api.created_ms})
        })
        .collect()
}

fn save(vendor: &Vendor, path: Option<&PathBuf>) -> Outcome {
    let path = path.ok_or_else(|| bad_request("the vendor was started without a file"))?;
    let saved = file::save(&vendor.lock(), path);
    saved.map_err(|error| Answer::error(500, "Unwritable", error.to_string()))?;
    Ok(Answer::json(200, &json!({})))
}

/// A handle for the task that saves in the end.
pub(super) fn save_at_the_end(vendor: &Arc<Vendor>, path: Option<&PathBuf>) {
    if path.is_some() {
        drop(save(vendor, path));
    }
}
