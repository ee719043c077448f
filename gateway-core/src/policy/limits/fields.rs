//! What answers say of limits: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10).

use std::{fmt::Write as _, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};

/// Which limits there are.
pub(crate) static POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// How much of them is left.
pub(crate) static STATE: HeaderName = HeaderName::from_static("ratelimit");

/// What is told of limits in one answer.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) policy: HeaderValue,
    pub(crate) state: HeaderValue,
}

impl Told {
    /// Puts it in, in place of what the upstream says of its own limits.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        headers.insert(POLICY.clone(), self.policy);
        headers.insert(STATE.clone(), self.state);
    }
}

/// The value of `RateLimit` in the making.
#[derive(Debug, Default)]
pub(crate) struct State(String);

impl State {
    /// Adds a limit: how many requests are left of it, and when it is whole again.
    pub(crate) fn add(&mut self, name: &str, remaining: u64, whole_in: Duration) {
        let comma = if self.0.is_empty() { "" } else { ", " };
        let seconds = seconds(whole_in);
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{comma}\"{name}\";r={remaining};t={seconds}");
    }

    /// The value.
    pub(crate) fn value(self) -> HeaderValue {
        // Names of limits are ours: digits, letters and hyphens.
        HeaderValue::try_from(self.0).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

/// One limit in `RateLimit-Policy`: how many requests, and in how many seconds if that is always the same.
pub(crate) fn policy_item(name: &str, requests: u64, seconds: Option<u64>) -> String {
    match seconds {
        Some(seconds) => format!("\"{name}\";q={requests};w={seconds}"),
        None => format!("\"{name}\";q={requests}"),
    }
}

/// Whole seconds, so that after them the time is over.
pub(crate) fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_limits_are_one_list() {
        let mut state = State::default();
        state.add("100-per-second", 99, Duration::from_millis(10));
        state.add("quota-5000-per-day", 0, Duration::from_secs(60));
        assert_eq!(
            state.value(),
            r#""100-per-second";r=99;t=1, "quota-5000-per-day";r=0;t=60"#
        );
        assert_eq!(policy_item("a", 5, Some(60)), r#""a";q=5;w=60"#);
    }
}
