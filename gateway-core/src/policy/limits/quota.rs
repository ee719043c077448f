//! `quota`: so many requests in a calendar period, over all gateways that share a store.

use std::sync::Arc;

use gatehouse_schemas::policy::{QuotaPeriod, QuotaPolicy};

use super::{
    calendar,
    caller::{Caller, Counted, Key, Names},
    counts::Counts,
    fields,
};

/// A compiled policy.
#[derive(Debug)]
pub(crate) struct Quota {
    pub(crate) requests: u64,
    /// What it is called in answers.
    pub(crate) name: String,
    pub(crate) counts: Arc<Counts>,
    period: QuotaPeriod,
    key: Key,
    names: Names,
}

impl Quota {
    /// Compiles the policy; the identity is what makes it the same in all gateways and revisions.
    pub(crate) fn compile(
        policy: &QuotaPolicy,
        identity: &[&str],
        counts: Arc<Counts>,
    ) -> Result<Self, String> {
        if policy.requests == 0 {
            return Err("a quota of 0 requests would serve nobody".to_owned());
        }
        // Not the number of requests: a quota that is raised goes on from where it is.
        let counted_by = format!("{:?} {:?}", policy.per, policy.key);
        Ok(Self {
            requests: policy.requests,
            name: format!("quota-{}-per-{}", policy.requests, word(policy.per)),
            counts,
            period: policy.per,
            key: Key::compile(&policy.key)?,
            names: Names::of(&[identity, &["quota", &counted_by]].concat()),
        })
    }

    /// What `RateLimit-Policy` says of it.
    pub(crate) fn policy_item(&self) -> String {
        let seconds = match self.period {
            QuotaPeriod::Hour => Some(3_600),
            QuotaPeriod::Day => Some(86_400),
            QuotaPeriod::Week => Some(7 * 86_400),
            QuotaPeriod::Month => None,
        };
        fields::policy_item(&self.name, self.requests, seconds)
    }

    /// By what a request is counted.
    pub(crate) fn counted<'a>(&self, caller: Caller<'a>) -> Counted<'a> {
        self.key.of(caller)
    }

    /// The name under which it is counted, everywhere.
    pub(crate) fn stable_name(&self, counted: &Counted<'_>) -> u128 {
        self.names.name(counted)
    }

    /// When the current period ends.
    pub(crate) fn end(&self, now: i64) -> i64 {
        calendar::end(self.period, now)
    }
}

fn word(period: QuotaPeriod) -> &'static str {
    match period {
        QuotaPeriod::Hour => "hour",
        QuotaPeriod::Day => "day",
        QuotaPeriod::Week => "week",
        QuotaPeriod::Month => "month",
    }
}
