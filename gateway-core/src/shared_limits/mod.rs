//! Limits that several gateways share, counted in Redis.
//!
//! A request is decided on by one script in one round trip, however many limits it has, within a budget of time. Requests never connect and never find out whether Redis is back: a thread of its own keeps the one
//! connection, watches it, and takes it away while Redis is slow or gone. Without it, no request waits.

mod connect;
mod keeper;

use std::{
    fmt::Write as _,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use redis::{Script, aio::MultiplexedConnection};
use tokio::{sync::watch, time::timeout};
use tracing::{debug, warn};

use self::connect::Target;
use crate::{
    error::{StartError, chain},
    options::RedisOptions,
};

/// After so many late answers in a row, Redis is not asked until it answers its keeper in time.
const LATE_ANSWERS: u32 = 3;

/// The store as workers see it. Its thread ends with it.
#[derive(Debug)]
pub(crate) struct SharedLimits {
    state: Arc<State>,
    /// Closed when this is dropped, which ends the thread.
    _stop: watch::Sender<()>,
}

/// What workers and the thread share.
#[derive(Debug)]
struct State {
    /// There while Redis may be asked.
    connection: ArcSwapOption<MultiplexedConnection>,
    late_answers: AtomicU32,
    /// How many gateways share, as configured.
    configured: Option<NonZeroU32>,
    /// How many there were when Redis last said so; 0 before.
    observed: AtomicU32,
    script: Script,
    /// How long a request waits at most.
    budget: Duration,
    prefix: String,
    /// What this gateway is called among those that share; another one after each start.
    own_name: String,
    /// Requests by how they were decided on.
    outcomes: [AtomicU64; Outcome::ALL.len()],
}

/// How a request was decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Shared,
    Away,
    Late,
    Failed,
}

impl Outcome {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Shared, "shared"),
        (Self::Away, "away"),
        (Self::Late, "late"),
        (Self::Failed, "failed"),
    ];
}

/// What is asked for one request.
#[derive(Debug)]
pub(crate) struct Question {
    connection: Arc<MultiplexedConnection>,
    names: Vec<String>,
    arguments: Vec<Vec<u8>>,
    prefix: String,
}

/// What the store decided.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) admitted: bool,
    /// One for each limit that was asked about.
    pub(crate) answers: Vec<Answer>,
}

/// Where one limit stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Of a rate, in how many microseconds it is whole again; of a quota, how many requests are used.
    pub(crate) value: u64,
    /// Other than 0 if it refuses the request; of a rate, for how many microseconds.
    pub(crate) wait: u64,
}

/// The store could not be asked, or did not answer in time.
#[derive(Debug)]
pub(crate) struct Unavailable;

impl SharedLimits {
    /// Starts the thread that keeps the connection. Redis need not be there yet.
    pub(crate) fn start(options: &RedisOptions) -> Result<Arc<Self>, StartError> {
        let target = Target::read(options)?;
        let state = Arc::new(State {
            connection: ArcSwapOption::empty(),
            late_answers: AtomicU32::new(0),
            configured: options.gateways,
            observed: AtomicU32::new(0),
            script: Script::new(include_str!("decide.lua")),
            budget: options.budget,
            prefix: options.prefix.clone(),
            own_name: uuid::Uuid::new_v4().to_string(),
            outcomes: Default::default(),
        });
        let (stop, stopped) = watch::channel(());
        keeper::start(target, Arc::clone(&state), stopped).map_err(StartError::Worker)?;
        Ok(Arc::new(Self { state, _stop: stop }))
    }

    /// Among how many gateways a limit is divided when the store cannot be asked.
    pub(crate) fn gateways(&self) -> u32 {
        match self.state.configured {
            Some(gateways) => gateways.get(),
            None => self.state.observed.load(Relaxed).max(1),
        }
    }

    /// Begins a question; none if the store is not to be asked now.
    pub(crate) fn question(&self) -> Option<Question> {
        let connection = self.state.connection.load_full();
        if connection.is_none() {
            self.state.count(Outcome::Away);
        }
        Some(Question {
            connection: connection?,
            names: Vec::new(),
            arguments: Vec::new(),
            prefix: self.state.prefix.clone(),
        })
    }

    /// Asks, within the budget.
    pub(crate) async fn ask(&self, question: Question) -> Result<Verdict, Unavailable> {
        let state = &self.state;
        let mut invocation = state.script.prepare_invoke();
        for name in &question.names {
            invocation.key(name);
        }
        for argument in question.arguments {
            invocation.arg(argument);
        }
        invocation.arg(&state.own_name);
        let mut connection = MultiplexedConnection::clone(&question.connection);
        let answered = timeout(state.budget, invocation.invoke_async::<Vec<i64>>(&mut connection)).await;
        match answered {
            Err(_) => {
                state.count(Outcome::Late);
                state.was_late();
                Err(Unavailable)
            }
            Ok(Err(error)) => {
                state.count(Outcome::Failed);
                debug!(error = %chain(&error), "Redis did not decide on a request");
                // What broke once breaks for the next request, too; the keeper finds out when to go on.
                state.take_away("it answers with an error");
                Err(Unavailable)
            }
            Ok(Ok(numbers)) => {
                state.late_answers.store(0, Relaxed);
                let verdict = Verdict::read(&numbers, question.names.len());
                state.count(verdict.as_ref().map_or(Outcome::Failed, |_| Outcome::Shared));
                verdict.ok_or(Unavailable)
            }
        }
    }

    /// The metrics in Prometheus' text format.
    pub(crate) fn metrics_text(&self) -> String {
        let mut text = String::new();
        let available = u8::from(self.state.connection.load().is_some());
        let gateways = self.gateways();
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "# HELP gatehouse_gateway_shared_limits_available Whether limits are counted together with other gateways right now.\n\
             # TYPE gatehouse_gateway_shared_limits_available gauge\n\
             gatehouse_gateway_shared_limits_available {available}\n\
             # HELP gatehouse_gateway_shared_limits_gateways Among how many gateways limits are divided when they cannot be counted together.\n\
             # TYPE gatehouse_gateway_shared_limits_gateways gauge\n\
             gatehouse_gateway_shared_limits_gateways {gateways}\n\
             # HELP gatehouse_gateway_shared_limits_requests_total Requests with limits, by who decided: all together (shared), or this gateway alone because Redis was away, late or failed.\n\
             # TYPE gatehouse_gateway_shared_limits_requests_total counter\n"
        );
        for (outcome, label) in Outcome::ALL {
            let count = self.state.outcomes[outcome as usize].load(Relaxed);
            let _ = writeln!(
                text,
                "gatehouse_gateway_shared_limits_requests_total{{outcome=\"{label}\"}} {count}"
            );
        }
        text
    }
}

impl State {
    fn count(&self, outcome: Outcome) {
        self.outcomes[outcome as usize].fetch_add(1, Relaxed);
    }

    fn was_late(&self) {
        if self.late_answers.fetch_add(1, Relaxed) + 1 >= LATE_ANSWERS {
            self.take_away("it does not answer in time");
        }
    }

    /// Has requests counted here alone until the keeper puts the connection back.
    fn take_away(&self, reason: &str) {
        if self.connection.swap(None).is_some() {
            warn!(
                "Limits are not shared any more, since Redis is not usable: {reason}; this gateway gives out its own share"
            );
        }
    }
}

impl Question {
    /// Asks about a rate; times are in nanoseconds.
    #[expect(
        clippy::cast_precision_loss,
        reason = "the store computes with such numbers anyway"
    )]
    pub(crate) fn rate(&mut self, name: u128, interval: u64, tolerance: u64) {
        let microseconds = |nanoseconds: u64| (nanoseconds as f64 / 1_000.0).to_string();
        self.limit(
            format!("{name:032x}"),
            ["rate".to_owned(), microseconds(interval), microseconds(tolerance)],
        );
    }

    /// Asks about a quota of so many requests, and tells of so many that were let through here without asking, and how
    /// many must have been counted by now.
    pub(crate) fn quota(&mut self, name: u128, end: i64, requests: u64, alone: u64, known: u64) {
        let numbers = [requests, alone, known].map(|number| number.to_string());
        let key = quota_key(name, end);
        let end = end.saturating_mul(1_000).to_string();
        self.limit(key, ["quota".to_owned()].into_iter().chain(numbers).chain([end]));
    }

    fn limit(&mut self, key: String, arguments: impl IntoIterator<Item = String>) {
        self.names.push(format!("{}:{key}", self.prefix));
        let arguments = arguments.into_iter().map(String::into_bytes);
        let padded = arguments.chain(std::iter::repeat(b"0".to_vec()));
        self.arguments.extend(padded.take(ARGUMENTS));
    }
}

/// Each period has a key of its own: the one before is kept for a while, for gateways whose clocks are behind.
fn quota_key(name: u128, end: i64) -> String {
    format!("{name:032x}:{end}")
}

/// How many arguments the script takes for each limit.
const ARGUMENTS: usize = 5;

impl Verdict {
    /// Reads the script's answer about so many limits.
    fn read(numbers: &[i64], limits: usize) -> Option<Self> {
        let (admitted, rest) = numbers.split_first()?;
        let number = |number: i64| u64::try_from(number).unwrap_or_default();
        let answers: Vec<Answer> = rest
            .chunks_exact(2)
            .map(|pair| Answer {
                value: number(pair[0]),
                wait: number(pair[1]),
            })
            .collect();
        (answers.len() == limits).then_some(Self {
            admitted: *admitted == 1,
            answers,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_period_of_a_quota_begins_at_zero() {
        assert_eq!(quota_key(7, 3_600), quota_key(7, 3_600));
        assert_ne!(quota_key(7, 3_600), quota_key(7, 7_200));
        assert_ne!(quota_key(7, 3_600), quota_key(8, 3_600));
    }

    #[test]
    fn an_answer_about_other_limits_than_asked_is_none() {
        let answer = |value, wait| Answer { value, wait };
        let read = Verdict::read(&[1, 5, 0, 7, 1], 2).expect("an answer");
        assert!(read.admitted);
        assert_eq!(read.answers, [answer(5, 0), answer(7, 1)]);
        for numbers in [&[][..], &[1], &[1, 5], &[1, 5, 0], &[0, 1, 2, 3, 4, 5, 6]] {
            assert_eq!(Verdict::read(numbers, 2), None);
        }
    }
}
