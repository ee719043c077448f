//! `retry`: after what a request is sent again, and when.

use std::time::Duration;

use gatehouse_schemas::policy::{RetryCondition, RetryPolicy};
use http::{Method, StatusCode};

use crate::upstream::send::{Answer, SendError};

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A compiled `retry`.
#[derive(Debug)]
pub(crate) struct Retry {
    /// How often a request may be sent again.
    pub(crate) attempts: u32,
    on: Vec<RetryCondition>,
    /// After answers of which other statuses.
    statuses: Vec<u16>,
    methods: Vec<Method>,
    pause: Duration,
    /// How long each attempt may take.
    pub(crate) per_try: Option<Duration>,
}

impl Retry {
    pub(crate) fn compile(policy: &RetryPolicy) -> Result<Self, String> {
        let methods = policy.methods.iter().map(|method| {
            Method::from_bytes(method.as_bytes()).map_err(|_| format!("`{method}` is not a method"))
        });
        Ok(Self {
            attempts: policy.attempts,
            on: policy.on.clone(),
            statuses: policy.statuses.clone(),
            methods: methods.collect::<Result<_, _>>()?,
            pause: Duration::from_millis(policy.backoff_ms.into()),
            per_try: policy
                .per_try_timeout_ms
                .map(|time| Duration::from_millis(time.into())),
        })
    }

    /// Whether requests with this method are sent again at all.
    pub(crate) fn covers(&self, method: &Method) -> bool {
        self.methods.contains(method)
    }

    /// Whether a request that went like this is to be sent again.
    pub(crate) fn wants(&self, outcome: &Result<Answer, SendError>) -> bool {
        let named = |answer: &Answer| self.statuses.contains(&answer.response.status().as_u16());
        condition(outcome).is_some_and(|condition| self.on.contains(&condition))
            || outcome.as_ref().is_ok_and(named)
    }

    /// How long to wait before sending again for the `again`-th time, from 0: twice as long each time, of which a random
    /// half is left out so that callers who failed together do not come together.
    pub(crate) fn pause(&self, again: u32, random: f64) -> Duration {
        let factor = 1u32.checked_shl(again).unwrap_or(u32::MAX);
        let whole = self.pause.saturating_mul(factor).min(LONGEST_PAUSE);
        whole.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
    }
}

fn condition(outcome: &Result<Answer, SendError>) -> Option<RetryCondition> {
    match outcome {
        Ok(answer) => is_unavailable(answer.response.status()).then_some(RetryCondition::Unavailable),
        Err(
            SendError::Connect(_) | SendError::ConnectTimeout | SendError::Handshake(_) | SendError::NotHttp2,
        ) => Some(RetryCondition::ConnectFailure),
        Err(SendError::Timeout) => Some(RetryCondition::Timeout),
        Err(SendError::Broken(_) | SendError::Unprocessed(_)) => None,
    }
}

/// With which a gateway or a server says that it cannot serve now.
pub(crate) fn is_unavailable(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn retry(with: serde_json::Value) -> Retry {
        Retry::compile(&serde_json::from_value(with).expect("a policy")).expect("compiles")
    }

    #[test]
    fn pauses_double_and_a_random_half_is_left_out() {
        let retry = retry(json!({"attempts": 3, "backoffMs": 100}));
        let pauses = |random| [0, 1, 2, 40].map(|again| retry.pause(again, random).as_millis());
        assert_eq!(pauses(1.0), [100, 200, 400, 60_000]);
        assert_eq!(pauses(0.0), [50, 100, 200, 30_000]);
    }

    #[test]
    fn only_methods_that_change_nothing_when_repeated_are_covered_unless_others_are_named() {
        let plain = retry(json!({"attempts": 1}));
        assert!(plain.covers(&Method::GET) && plain.covers(&Method::PUT) && !plain.covers(&Method::POST));
        assert!(retry(json!({"attempts": 1, "methods": ["POST"]})).covers(&Method::POST));
    }

    #[test]
    fn each_condition_is_about_its_own_failure() {
        use RetryCondition::{ConnectFailure, Timeout};
        let refused = || Err(SendError::Connect(std::io::ErrorKind::ConnectionRefused.into()));
        assert_eq!(condition(&refused()), Some(ConnectFailure));
        assert_eq!(condition(&Err(SendError::ConnectTimeout)), Some(ConnectFailure));
        assert_eq!(condition(&Err(SendError::Timeout)), Some(Timeout));
        let retry = retry(json!({"attempts": 1, "on": ["timeout"]}));
        assert!(retry.wants(&Err(SendError::Timeout)) && !retry.wants(&refused()));
    }
}
