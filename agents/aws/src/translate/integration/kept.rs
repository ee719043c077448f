//! Answers that a REST API keeps and gives again.

use std::collections::BTreeSet;

use gatehouse_connector_sdk::schemas::{
    descriptor::Fidelity,
    policy::{CachePolicy, Policy},
};

use super::{Spot, is_plain};
use crate::translate::{
    authorizers::KEY_HEADER,
    judge::{only_rest, unsupported, with},
    scene::Scene,
};

/// How long a cache keeps answers at most, in seconds.
const LONGEST_TTL: u32 = 3_600;

impl Spot<'_> {
    /// How long answers are kept, if they are.
    pub(in crate::translate) fn cache_ttl(&self) -> Option<u32> {
        let ttl = self.cache().map(|cache| cache.ttl_seconds.min(LONGEST_TTL));
        ttl.filter(|_| self.is_cached())
    }

    fn cache(&self) -> Option<&CachePolicy> {
        self.policies.iter().find_map(|policy| match policy {
            Policy::Cache(cache) => Some(cache),
            _ => None,
        })
    }

    pub(super) fn is_cached(&self) -> bool {
        self.cache().is_some() && self.place.method == "GET"
    }

    /// What tells answers in the cache apart.
    pub(super) fn cache_keys(&self) -> Vec<String> {
        let (headers, query) = self.cache_parameters();
        let path = self
            .place
            .names()
            .map(|name| format!("method.request.path.{name}"));
        let headers = headers
            .into_iter()
            .map(|name| format!("method.request.header.{name}"));
        let query = query
            .into_iter()
            .map(|name| format!("method.request.querystring.{name}"));
        path.chain(headers).chain(query).collect()
    }

    /// The headers and query parameters that tell answers in the cache apart.
    pub(in crate::translate) fn cache_parameters(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let Some(cache) = self.cache().filter(|_| self.is_cached()) else {
            return (BTreeSet::new(), BTreeSet::new());
        };
        let mut headers: BTreeSet<String> = cache.vary_headers.iter().cloned().collect();
        if cache.per_consumer {
            for policy in &self.policies {
                match policy {
                    Policy::AuthApiKey(_) => headers.insert(KEY_HEADER.to_owned()),
                    Policy::AuthJwt(_) | Policy::AuthOAuth2(_) => headers.insert("authorization".to_owned()),
                    _ => false,
                };
            }
        }
        (headers, cache.vary_query.iter().flatten().cloned().collect())
    }
}

/// How faithfully answers are kept.
pub(in crate::translate) fn of_cache(scene: Scene<'_>, cache: &CachePolicy) -> Fidelity {
    if let Err(unsupported) = only_rest(scene, "keep no answers") {
        return unsupported;
    }
    let Some(query) = &cache.vary_query else {
        return unsupported(
            "API Gateway tells answers apart by query parameters that are named; list them in `varyQuery`",
        );
    };
    if let Some(name) = query.iter().find(|name| !is_plain(name)) {
        return unsupported(format!(
            "API Gateway does not know the name of the query parameter `{name}`"
        ));
    }
    let mut differences = vec!["answers to GET are kept whatever their status, and whatever their `Cache-Control` says, and callers can go round the cache with theirs".to_owned()];
    if cache.ttl_seconds > LONGEST_TTL {
        differences.push(format!("they are kept for {LONGEST_TTL} seconds at most"));
    }
    with(&differences)
}
