//! Faults that tests plan: refusals, lost replies, silence, and changes just before a call.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::configuration::Configuration;

/// What happens to a call in place of, before or after its usual course.
pub enum Fault {
    /// It has no effect, and this is the answer.
    Answer {
        /// The status.
        status: u16,
        /// The body.
        body: Value,
        /// The seconds in the header `Retry-After`, if there is one.
        retry_after: Option<u32>,
    },
    /// It has its effect, and the connection ends without an answer.
    LoseReply,
    /// It has no effect and never an answer.
    Silence,
    /// This is done to the configuration just before it; then it takes its usual course.
    Before(Box<dyn FnOnce(&mut Configuration) + Send>),
}

impl fmt::Debug for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Answer { .. } => "Answer",
            Self::LoseReply => "LoseReply",
            Self::Silence => "Silence",
            Self::Before(_) => "Before",
        })
    }
}

/// A call that the Admin API was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The method.
    pub method: String,
    /// The path with its query.
    pub path: String,
}

#[derive(Debug)]
struct Planned {
    method: String,
    path: String,
    fault: Fault,
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
        let planned = Planned {
            method: method.to_owned(),
            path: path.to_owned(),
            fault,
        };
        lock(&self.planned).push_back(planned);
    }

    /// Notes a call and takes the fault that is planned for it.
    pub(crate) fn meet(&self, method: &str, path: &str) -> Option<Fault> {
        lock(&self.calls).push(Call {
            method: method.to_owned(),
            path: path.to_owned(),
        });
        let mut planned = lock(&self.planned);
        let without_query = path.split('?').next().unwrap_or_default();
        let meets = |one: &Planned| {
            (one.method == method || one.method == "*")
                && (fits(&one.path, path) || fits(&one.path, without_query))
        };
        let at = planned.iter().position(meets)?;
        planned.remove(at).map(|one| one.fault)
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        lock(&self.calls).clone()
    }

    pub(crate) fn forget_calls(&self) {
        lock(&self.calls).clear();
    }

    pub(crate) fn pending(&self) -> usize {
        lock(&self.planned).len()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn fits(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((start, rest)) => path.strip_prefix(start).is_some_and(|left| {
            let mut cuts = (0..=left.len()).filter(|at| left.is_char_boundary(*at));
            cuts.any(|at| fits(rest, &left[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        assert!(fits("/services/*", "/services/a"));
        assert!(fits("/*/routes", "/services/a/routes"));
        assert!(!fits("/services/*/routes", "/services/a/plugins"));
        assert!(!fits("/services", "/services/a"));
    }

    #[test]
    fn a_fault_meets_one_call_only() {
        let faults = Faults::default();
        faults.plan("POST", "/services", Fault::LoseReply);
        assert!(faults.meet("GET", "/services?size=1").is_none());
        assert!(matches!(faults.meet("POST", "/services"), Some(Fault::LoseReply)));
        assert!(faults.meet("POST", "/services").is_none());
        assert_eq!(faults.calls().len(), 3);
    }
}
