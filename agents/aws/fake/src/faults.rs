//! Faults that tests plan: refusals, lost replies, silence, and changes just before a call.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

/// What makes calls past every check, for [`Fault::Before`]: region, method, path, body.
pub type Caller<'a> = dyn Fn(&str, &str, &str, &Value) -> (u16, Value) + 'a;

/// What happens to a call in place of, before or after its usual course.
pub enum Fault {
    /// It has no effect, and this is the answer.
    Answer {
        /// The status.
        status: u16,
        /// The name of the error: `ConflictException`.
        error: String,
        /// What it says.
        message: String,
        /// The seconds in the header `Retry-After`, if there is one.
        retry_after: Option<u32>,
    },
    /// It has no effect, and the connection ends without an answer.
    Drop,
    /// It has its effect, and the connection ends without an answer.
    LoseReply,
    /// It has no effect and never an answer.
    Silence,
    /// It takes its usual course after this time.
    Slow(Duration),
    /// This is done just before it, by somebody else; then it takes its usual course.
    Before(Box<dyn FnOnce(&Caller<'_>) + Send>),
}

impl Fault {
    /// The answer to calls that come too fast.
    pub fn too_many_requests(retry_after: Option<u32>) -> Self {
        Self::answer(429, "TooManyRequestsException", "Too Many Requests", retry_after)
    }

    /// The answer when two change one API at once.
    pub fn concurrent_modification() -> Self {
        let message = "Unable to complete operation due to concurrent modification. Please try again later.";
        Self::answer(409, "ConflictException", message, None)
    }

    /// An answer that says that API Gateway itself has failed.
    pub fn service_unavailable() -> Self {
        Self::answer(503, "ServiceUnavailableException", "Service Unavailable", None)
    }

    fn answer(status: u16, error: &str, message: &str, retry_after: Option<u32>) -> Self {
        Self::Answer {
            status,
            error: error.to_owned(),
            message: message.to_owned(),
            retry_after,
        }
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Answer { .. } => "Answer",
            Self::Drop => "Drop",
            Self::LoseReply => "LoseReply",
            Self::Silence => "Silence",
            Self::Slow(_) => "Slow",
            Self::Before(_) => "Before",
        })
    }
}

/// A call that the control plane was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// The operation: `PutRestApi`; empty for a call that is none.
    pub operation: String,
    /// The method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The region of its signature.
    pub region: String,
    /// The access key of its signature.
    pub access_key: String,
    /// The status of the answer; none if there was no answer, or none yet.
    pub status: Option<u16>,
}

#[derive(Debug)]
struct Planned {
    target: Target,
    fault: Fault,
}

#[derive(Debug)]
enum Target {
    Path { method: String, path: String },
    Operation(String),
}

impl Target {
    fn meets(&self, call: &Call) -> bool {
        let without_query = call.path.split('?').next().unwrap_or_default();
        match self {
            Self::Operation(name) => fits(name, &call.operation),
            Self::Path { method, path } => {
                (*method == call.method || method == "*")
                    && (fits(path, &call.path) || fits(path, without_query))
            }
        }
    }
}

/// The faults to come, and the calls that were made.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    planned: Mutex<VecDeque<Planned>>,
    calls: Mutex<Vec<Call>>,
}

impl Faults {
    /// Plans a fault for the next call of a method to a path; `*` in the path stands for anything.
    pub(crate) fn plan(&self, method: &str, path: &str, fault: Fault) {
        let target = Target::Path {
            method: method.to_owned(),
            path: path.to_owned(),
        };
        lock(&self.planned).push_back(Planned { target, fault });
    }

    /// Plans a fault for the next call of an operation; `*` in its name stands for anything.
    pub(crate) fn plan_operation(&self, operation: &str, fault: Fault) {
        let target = Target::Operation(operation.to_owned());
        lock(&self.planned).push_back(Planned { target, fault });
    }

    /// Notes a call and takes the fault that is planned for it; with the number of the call.
    pub(crate) fn meet(&self, call: Call) -> (usize, Option<Fault>) {
        let mut planned = lock(&self.planned);
        let at = planned.iter().position(|one| one.target.meets(&call));
        let fault = at.and_then(|at| planned.remove(at)).map(|one| one.fault);
        let mut calls = lock(&self.calls);
        calls.push(call);
        (calls.len() - 1, fault)
    }

    /// Notes how a call was answered.
    pub(crate) fn answered(&self, number: usize, status: u16) {
        if let Some(call) = lock(&self.calls).get_mut(number) {
            call.status = Some(status);
        }
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        lock(&self.calls).clone()
    }

    pub(crate) fn forget_calls(&self) {
        lock(&self.calls).clear();
    }

    pub(crate) fn forget(&self) {
        lock(&self.planned).clear();
    }

    pub(crate) fn pending(&self) -> usize {
        lock(&self.planned).len()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a text is as a pattern says, in which `*` stands for anything.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|left| {
            let mut cuts = (0..=left.len()).filter(|at| left.is_char_boundary(*at));
            cuts.any(|at| fits(rest, &left[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(operation: &str, method: &str, path: &str) -> Call {
        Call {
            operation: operation.to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
            region: "eu-central-1".to_owned(),
            access_key: String::new(),
            status: None,
        }
    }

    #[test]
    fn a_star_stands_for_anything() {
        assert!(fits("/restapis/*", "/restapis/a"));
        assert!(fits("/*/stages", "/restapis/a/stages"));
        assert!(!fits("/restapis/*/stages", "/restapis/a/resources"));
        assert!(!fits("/restapis", "/restapis/a"));
    }

    #[test]
    fn a_fault_meets_one_call_only() {
        let faults = Faults::default();
        faults.plan("PUT", "/restapis/*", Fault::LoseReply);
        assert!(
            faults
                .meet(call("GetRestApis", "GET", "/restapis?limit=1"))
                .1
                .is_none()
        );
        let put = || call("PutRestApi", "PUT", "/restapis/a?mode=overwrite");
        assert!(matches!(faults.meet(put()).1, Some(Fault::LoseReply)));
        assert!(faults.meet(put()).1.is_none());
        assert_eq!(faults.calls().len(), 3);
    }

    #[test]
    fn a_fault_may_be_planned_for_an_operation() {
        let faults = Faults::default();
        faults.plan_operation("PutRestApi", Fault::too_many_requests(None));
        let put = call("PutRestApi", "PUT", "/restapis/a?mode=overwrite");
        assert!(matches!(
            faults.meet(put).1,
            Some(Fault::Answer { status: 429, .. })
        ));
        assert_eq!(faults.pending(), 0);
    }
}
