//! `acl`: only consumers of some groups, or all but those of some.

use std::ops::ControlFlow;

use serde::Deserialize;
use serde_json::Value;

use super::{Plugin, or_default};
use crate::configuration::Configuration;
use crate::proxy::answer::{Answer, set};
use crate::proxy::exchange::Exchange;
use crate::proxy::memory::Memory;
use crate::proxy::router::reference;

/// Settings of `acl`: one of `allow` and `deny`.
#[derive(Debug, Deserialize)]
pub(super) struct Acl {
    #[serde(default, deserialize_with = "or_default")]
    allow: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    deny: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    hide_groups_header: bool,
}

impl Plugin for Acl {
    fn access(&self, exchange: &mut Exchange, _memory: &Memory) -> ControlFlow<Answer> {
        let refusal = || {
            ControlFlow::Break(Answer::error(
                403,
                "You cannot consume this service",
                &exchange.request_id,
            ))
        };
        let Some(consumer) = Exchange::id(exchange.consumer.as_ref()) else {
            return refusal();
        };
        let groups = groups_of(&exchange.configuration, consumer);
        if !self.lets_in(&groups) {
            return refusal();
        }
        if !self.hide_groups_header && !groups.is_empty() {
            set(
                &mut exchange.upstream.headers,
                "x-consumer-groups",
                &groups.join(", "),
            );
        }
        ControlFlow::Continue(())
    }
}

impl Acl {
    fn lets_in(&self, groups: &[String]) -> bool {
        match self.deny.is_empty() {
            true => groups.iter().any(|group| self.allow.contains(group)),
            false => !groups.iter().any(|group| self.deny.contains(group)),
        }
    }
}

fn groups_of(configuration: &Configuration, consumer: &str) -> Vec<String> {
    let mine = configuration
        .all("acls")
        .filter(|(_, acl)| reference(acl, "consumer") == Some(consumer));
    mine.filter_map(|(_, acl)| acl.get("group").and_then(Value::as_str).map(str::to_owned))
        .collect()
}
