//! The vendor: admits, throttles, disturbs, holds, carries out and records calls.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::{Notify, oneshot};

use super::{
    accounts::{Key, Keys},
    answer::Answer,
    behaviour::Behaviour,
    faults::{FaultEffect, Faults},
    hold::{Held, Hold, Release, Side},
    invariants::{Violation, violations},
    model::Api,
    operations::Operation,
    quotas::Buckets,
    recorder::{Recorded, Recorder},
    routes::{self, Target},
    store::Store,
};

/// A call as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) authorization: Option<String>,
    pub(super) if_match: Option<String>,
    pub(super) if_none_match: Option<String>,
    pub(super) body: Bytes,
}

impl Call {
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A stage that was pointed at a deployment, or removed.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StageChange {
    pub(super) at_ms: u64,
    pub(super) account: String,
    pub(super) api: String,
    pub(super) stage: String,
    /// The deployment's name; absent after a removal.
    pub(super) deployment: Option<String>,
}

/// Everything of the vendor.
#[derive(Debug, Default)]
pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) keys: Keys,
    pub(super) behaviour: Behaviour,
    pub(super) buckets: Buckets,
    pub(super) faults: Faults,
    pub(super) hold: Hold,
    pub(super) release: Option<oneshot::Sender<Release>>,
    pub(super) recorder: Recorder,
    pub(super) violations: Vec<Violation>,
    pub(super) stage_changes: Vec<StageChange>,
    /// Positions of listings from before are good for nothing.
    pub(super) epoch: u64,
}

impl Inner {
    /// Until when readers see changes.
    pub(super) fn horizon(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.behaviour.consistency_ms)
    }

    /// Puts a changed object in place, with a new version, and looks whether anything is wrong now.
    pub(super) fn put(&mut self, account: &str, mut api: Api, by: &str, now_ms: u64) {
        let before = self.store.now(account, &api.id);
        let known = before.map(|before| violations(&self.store, account, before, by, now_ms));
        let known = known.unwrap_or_default();
        api.version = self.store.next();
        let place = (account.to_owned(), api.id.clone());
        let horizon = self.behaviour.consistency_ms + 1_000;
        self.store.put(place, Some(api.clone()), now_ms, horizon);
        let found = violations(&self.store, account, &api, by, now_ms);
        // What was so before is not this one's doing.
        let is_new = |it: &Violation| {
            known
                .iter()
                .all(|old| (old.kind, &old.detail) != (it.kind, &it.detail))
        };
        self.violations.extend(found.into_iter().filter(is_new));
    }

    pub(super) fn remove(&mut self, account: &str, id: &str, now_ms: u64) {
        let horizon = self.behaviour.consistency_ms + 1_000;
        self.store
            .put((account.to_owned(), id.to_owned()), None, now_ms, horizon);
    }
}

/// The vendor, shared by all connections.
#[derive(Debug, Default)]
pub(super) struct Vendor {
    inner: Mutex<Inner>,
    /// Told when a call is held, or the hold is changed.
    pub(super) held: Notify,
}

impl Vendor {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a call.
    pub(super) async fn handle(&self, call: Call) -> Answer {
        let Some((operation, target)) = routes::find(&call) else {
            return Answer::error(
                404,
                "NotFound",
                format!("there is no `{} {}`", call.method, call.path),
            );
        };
        let admitted = match self.admit(&call, operation, &target) {
            Ok(admitted) => admitted,
            Err(refused) => return refused,
        };
        let answer = self.go_on(&call, operation, &target, &admitted).await;
        self.lock().recorder.end(admitted.number, answer.status);
        answer
    }

    fn admit(&self, call: &Call, operation: Operation, target: &Target) -> Result<Admitted, Answer> {
        let mut inner = self.lock();
        let key = inner.keys.admit(call.authorization.as_deref(), operation);
        let record = Recorded {
            number: 0,
            at_ms: now_ms(),
            account: key.as_ref().map(|key| key.account.clone()).unwrap_or_default(),
            operation: operation.name(),
            api: target.api.clone(),
            status: 0,
        };
        let key = match key {
            Ok(key) => key,
            Err(refused) => {
                let number = inner.recorder.begin(record);
                inner.recorder.end(number, refused.status);
                return Err(refused);
            }
        };
        let Inner {
            buckets, behaviour, ..
        } = &mut *inner;
        if let Err(wait) = buckets.take(behaviour, &key.account, operation.name(), Instant::now()) {
            inner.recorder.throttled(operation.name());
            return Err(throttled(wait));
        }
        let number = inner.recorder.begin(record);
        let fault = inner.faults.next(operation, target.api.as_deref());
        let side = inner.hold.count(operation);
        let latency = Duration::from_millis(inner.behaviour.latency_ms);
        Ok(Admitted {
            key,
            number,
            fault,
            side,
            latency,
        })
    }

    async fn go_on(&self, call: &Call, operation: Operation, target: &Target, admitted: &Admitted) -> Answer {
        tokio::time::sleep(admitted.latency).await;
        if let Some(FaultEffect::Delay { ms }) = admitted.fault {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        if self.hold(Side::Before, operation, target, admitted).await == Release::Drop {
            return Answer::lost();
        }
        if let Some(answer) = admitted.fault.as_ref().and_then(before) {
            return answer;
        }
        let outcome = routes::carry_out(&mut self.lock(), &admitted.key, operation, target, call, now_ms());
        let answer = outcome.unwrap_or_else(|refused| refused);
        if self.hold(Side::After, operation, target, admitted).await == Release::Drop {
            return Answer::lost();
        }
        match &admitted.fault {
            Some(fault) => after(fault, operation, answer),
            None => answer,
        }
    }

    /// Waits for the release of a call that is to be held here.
    async fn hold(&self, side: Side, operation: Operation, target: &Target, admitted: &Admitted) -> Release {
        if admitted.side != Some(side) {
            return Release::Proceed;
        }
        let (sender, released) = oneshot::channel();
        {
            let mut inner = self.lock();
            inner.hold.held = Some(Held {
                operation: operation.name(),
                api: target.api.clone(),
                when: side,
                number: admitted.number,
            });
            inner.release = Some(sender);
        }
        self.held.notify_waiters();
        // A hold that is replaced lets go of what it held.
        released.await.unwrap_or_default()
    }
}

/// A call that is let in.
#[derive(Debug)]
struct Admitted {
    key: Key,
    number: u64,
    fault: Option<FaultEffect>,
    side: Option<Side>,
    latency: Duration,
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn throttled(wait: Duration) -> Answer {
    let ms = u64::try_from(wait.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX);
    Answer::error(429, "TooManyRequests", "the account's rate is exceeded")
        .with("retry-after", ms.div_ceil(1_000).to_string())
        .with("retry-after-ms", ms.to_string())
}

fn before(fault: &FaultEffect) -> Option<Answer> {
    match fault {
        FaultEffect::Status {
            status,
            retry_after_ms,
        } => {
            let answer = Answer::error(*status, "Simulated", format!("simulated answer {status}"));
            Some(match retry_after_ms {
                Some(ms) => answer
                    .with("retry-after", ms.div_ceil(1_000).to_string())
                    .with("retry-after-ms", ms.to_string()),
                None => answer,
            })
        }
        FaultEffect::Reset => Some(Answer::lost()),
        _ => None,
    }
}

fn after(fault: &FaultEffect, operation: Operation, answer: Answer) -> Answer {
    match fault {
        FaultEffect::LostReply => Answer::lost(),
        FaultEffect::Truncated => answer.cut(),
        FaultEffect::Empty => Answer {
            body: Bytes::new(),
            ..answer
        },
        FaultEffect::EmptyList if operation == Operation::GetApis => {
            Answer::json(200, &serde_json::json!({"items": []}))
        }
        _ => answer,
    }
}

/// The vendor, for tasks that outlive a connection.
pub(super) type SharedVendor = Arc<Vendor>;
