//! How often: `ratelimit` and `quota` of a route, counted here or together with other gateways.
//!
//! A request counts for all limits of its route or for none. Where a store is shared, one round trip decides; if it
//! cannot be asked in time, this gateway gives out its own share.

mod calendar;
pub(crate) mod caller;
mod count_file;
mod counters;
mod counts;
mod fields;
mod quota;
mod rate;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use http::{HeaderValue, header};

use self::{
    caller::{Caller, Counted},
    count_file::{CountFile, unix_seconds},
    counts::Counts,
    fields::State,
};
pub(crate) use self::{fields::Told, quota::Quota, rate::RateLimit};
use crate::{
    proxy::problem::Problem,
    shared_limits::{Question, SharedLimits, Verdict},
};

/// Where limits are counted: what outlives every change of configuration.
#[derive(Debug, Default)]
pub(crate) struct Stores {
    pub(crate) counts: Arc<Counts>,
    /// The store shared with other gateways, if there is one.
    pub(crate) shared: Option<Arc<SharedLimits>>,
    file: Mutex<Option<Arc<CountFile>>>,
}

impl Stores {
    /// Counts begin at zero and are forgotten at the end.
    pub(crate) fn new(shared: Option<Arc<SharedLimits>>) -> Self {
        Self {
            shared,
            ..Self::default()
        }
    }

    /// Goes on from the counts in a folder. They are kept there from now on, on this runtime.
    pub(crate) fn keep_in(&self, folder: &Path, runtime: &tokio::runtime::Handle) {
        let file = CountFile::open(folder, Arc::clone(&self.counts));
        runtime.spawn(count_file::keep(Arc::downgrade(&file)));
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
    }

    /// Writes what was counted since it was last written. Waits for the disk.
    pub(crate) fn save(&self) {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(file) = file {
            file.save();
        }
    }
}

/// One policy of the kind.
#[derive(Debug, Clone)]
pub(crate) enum Limit {
    Rate(Arc<RateLimit>),
    Quota(Arc<Quota>),
}

/// A policy and what it says of itself in answers.
#[derive(Debug, Clone)]
pub(crate) struct CompiledLimit {
    pub(crate) limit: Limit,
    pub(crate) items: Vec<String>,
}

/// All limits of a route.
#[derive(Debug)]
pub(crate) struct Limits {
    /// Rates come first: what they refuse uses up no quota.
    rates: Vec<Arc<RateLimit>>,
    quotas: Vec<Arc<Quota>>,
    shared: Option<Arc<SharedLimits>>,
    policy: HeaderValue,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) told: Told,
    pub(crate) result: Result<(), Problem>,
}

/// Why a request is refused.
enum Refused {
    Rate(Duration),
    /// Until then, in seconds since 1970-01-01 UTC.
    Quota {
        end: i64,
        now: i64,
    },
}

impl Limits {
    /// All these together; none without any.
    pub(crate) fn of(limits: Vec<CompiledLimit>, stores: &Stores) -> Result<Option<Self>, String> {
        if limits.is_empty() {
            return Ok(None);
        }
        let items: Vec<String> = limits.iter().flat_map(|limit| limit.items.clone()).collect();
        let policy = HeaderValue::try_from(items.join(", "))
            .map_err(|_| "its limits cannot be told in a header".to_owned())?;
        let (mut rates, mut quotas) = (Vec::new(), Vec::new());
        for compiled in limits {
            match compiled.limit {
                Limit::Rate(rate) => rates.push(rate),
                Limit::Quota(quota) => quotas.push(quota),
            }
        }
        Ok(Some(Self {
            rates,
            quotas,
            shared: stores.shared.clone(),
            policy,
        }))
    }

    /// Counts a request, or refuses it.
    pub(crate) async fn check(&self, caller: Caller<'_>, now: Instant) -> Checked {
        let mut state = State::default();
        let result = match &self.shared {
            None => self.take_here(caller, now, 1, &mut state),
            // In a box, so that requests without a shared store do not carry its future.
            Some(shared) => Box::pin(self.take_together(shared, caller, now, &mut state)).await,
        };
        Checked {
            told: Told {
                policy: self.policy.clone(),
                state: state.value(),
            },
            result: result.map_err(Refused::problem),
        }
    }

    /// Counts as one of so many gateways.
    fn take_here(
        &self,
        caller: Caller<'_>,
        now: Instant,
        gateways: u32,
        state: &mut State,
    ) -> Result<(), Refused> {
        for (position, rate) in self.rates.iter().enumerate() {
            let counted = rate.counted(caller);
            if let Err(wait) = rate.take(&counted, now, gateways, state) {
                self.give_back(&self.rates[..position], caller, now, gateways);
                return Err(Refused::Rate(wait));
            }
        }
        if self.quotas.is_empty() {
            return Ok(());
        }
        let unix = unix_seconds();
        for (position, quota) in self.quotas.iter().enumerate() {
            let (name, end) = (quota.stable_name(&quota.counted(caller)), quota.end(unix));
            let left = quota.counts.take(name, end, quota.requests, gateways);
            state.add(&quota.name, left.unwrap_or_default(), until(end, unix));
            if left.is_err() {
                self.give_back(&self.rates, caller, now, gateways);
                for earlier in &self.quotas[..position] {
                    let name = earlier.stable_name(&earlier.counted(caller));
                    earlier.counts.give_back(name, earlier.end(unix));
                }
                return Err(Refused::Quota { end, now: unix });
            }
        }
        Ok(())
    }

    fn give_back(&self, rates: &[Arc<RateLimit>], caller: Caller<'_>, now: Instant, gateways: u32) {
        for rate in rates {
            rate.give_back(&rate.counted(caller), now, gateways);
        }
    }

    /// Counts in the shared store, or here if it cannot be asked in time.
    async fn take_together(
        &self,
        shared: &SharedLimits,
        caller: Caller<'_>,
        now: Instant,
        state: &mut State,
    ) -> Result<(), Refused> {
        let gateways = shared.gateways();
        let Some(mut question) = shared.question() else {
            return self.take_here(caller, now, gateways, state);
        };
        let by_rate: Vec<Counted<'_>> = self.rates.iter().map(|rate| rate.counted(caller)).collect();
        for (rate, counted) in self.rates.iter().zip(&by_rate) {
            for (rate, _, name) in rate.shared(counted) {
                question.rate(name, rate.interval, rate.tolerance);
            }
        }
        let unix = unix_seconds();
        let pending = self.ask_quotas(&mut question, caller, unix);
        let Ok(verdict) = shared.ask(question).await else {
            return self.take_here(caller, now, gateways, state);
        };
        let wait = self.tell_rates(&verdict, &by_rate, state);
        let used_up = self.tell_quotas(&verdict, &pending, unix, state);
        if verdict.admitted {
            for (rate, counted) in self.rates.iter().zip(&by_rate) {
                rate.charge(counted, now, gateways);
            }
            return Ok(());
        }
        match used_up {
            Some(end) => Err(Refused::Quota { end, now: unix }),
            None => Err(Refused::Rate(wait)),
        }
    }

    fn ask_quotas(&self, question: &mut Question, caller: Caller<'_>, unix: i64) -> Vec<Pending> {
        let ask = |quota: &Arc<Quota>| {
            let (name, end) = (quota.stable_name(&quota.counted(caller)), quota.end(unix));
            let known = quota.counts.get(name, end);
            question.quota(name, end, quota.requests, known.alone(), known.used());
            Pending {
                name,
                end,
                alone: known.alone(),
            }
        };
        self.quotas.iter().map(ask).collect()
    }

    /// Tells where rates stand, and how long to wait for the last of them.
    fn tell_rates(&self, verdict: &Verdict, by_rate: &[Counted<'_>], state: &mut State) -> Duration {
        let mut wait = Duration::ZERO;
        let limits = self.rates.iter().zip(by_rate);
        let limits = limits.flat_map(|(rate, counted)| rate.shared(counted));
        for ((rate, name, _), answer) in limits.zip(&verdict.answers) {
            let ahead = Duration::from_micros(answer.value);
            let remaining = rate.remaining(u64::try_from(ahead.as_nanos()).unwrap_or(u64::MAX));
            state.add(name, remaining, ahead);
            wait = wait.max(Duration::from_micros(answer.wait));
        }
        wait
    }

    /// Tells where quotas stand, and until when one is used up.
    fn tell_quotas(
        &self,
        verdict: &Verdict,
        pending: &[Pending],
        unix: i64,
        state: &mut State,
    ) -> Option<i64> {
        let mut used_up = None;
        let rates = verdict.answers.len().saturating_sub(self.quotas.len());
        let answers = verdict.answers.iter().skip(rates);
        for ((quota, pending), answer) in self.quotas.iter().zip(pending).zip(answers) {
            let (name, end) = (pending.name, pending.end);
            quota.counts.settle(name, end, answer.value, pending.alone);
            let left = quota.requests.saturating_sub(answer.value);
            state.add(&quota.name, left, until(pending.end, unix));
            if answer.wait > 0 {
                used_up = used_up.max(Some(pending.end));
            }
        }
        used_up
    }
}

/// A quota that the shared store was asked about.
struct Pending {
    name: u128,
    end: i64,
    /// What it was told in the same breath.
    alone: u64,
}

fn until(end: i64, now: i64) -> Duration {
    Duration::from_secs(end.saturating_sub(now).try_into().unwrap_or_default())
}

impl Refused {
    fn problem(self) -> Problem {
        let (problem, wait) = match self {
            Self::Rate(wait) => (
                Problem::rate_limited("The limit of requests is reached; try again later."),
                fields::seconds(wait),
            ),
            Self::Quota { end, now } => (
                Problem::quota_exceeded("The quota is used up until the next period begins."),
                until(end, now).as_secs(),
            ),
        };
        problem.with(header::RETRY_AFTER, HeaderValue::from(wait.max(1)))
    }
}
