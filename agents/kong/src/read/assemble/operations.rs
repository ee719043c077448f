//! Places of routes as operations, each with what holds for it alone.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_connector_sdk::schemas::{
    api::OperationMatch,
    policy::{Policy, RewritePolicy},
    revision::Operation,
    route::normalise,
};

use super::served::Served;
use crate::{
    entities::Entity,
    read::{
        layout::Layout,
        places::{Place, is_rest},
    },
};

/// The policies that hold for all routes.
pub(super) struct Everywhere {
    pub(super) sources: BTreeSet<String>,
    pub(super) policies: Vec<Policy>,
}

impl Everywhere {
    /// Of several policies of type `rewrite` only the closest counts, so they stay with operations that have paths of
    /// their own at the upstream.
    pub(super) fn of(served: &[Served<'_>], layout: &Layout) -> Self {
        let rewritten = served
            .iter()
            .flat_map(|it| &it.places.places)
            .any(|it| layout.rewrite(it).is_some());
        let (mut sources, mut policies) = (BTreeSet::new(), Vec::new());
        let first = served.first().map(|it| &it.policies[..]).unwrap_or_default();
        for (source, of_first) in first {
            let stays = rewritten && of_first.iter().any(|policy| matches!(policy, Policy::Rewrite(_)));
            let everywhere = served
                .iter()
                .all(|it| it.policies.contains(&(source.clone(), of_first.clone())));
            if everywhere && !stays {
                sources.insert(source.clone());
                policies.extend(of_first.iter().cloned());
            }
        }
        Self { sources, policies }
    }

    /// What holds for a route in addition.
    fn beside(&self, served: &Served<'_>) -> Vec<Policy> {
        let own = served
            .policies
            .iter()
            .filter(|(source, _)| !self.sources.contains(source));
        own.flat_map(|(_, policies)| policies.clone()).collect()
    }
}

/// The operations; none if everything below the base path is served alike.
pub(super) fn operations<'r>(
    served: &[Served<'r>],
    layout: &Layout,
    everywhere: &Everywhere,
    beyond: &mut Vec<(&'r Entity, String)>,
) -> Vec<Operation> {
    let mut operations: BTreeMap<OperationMatch, Operation> = BTreeMap::new();
    for it in served {
        let own = everywhere.beside(it);
        let mut left_over = false;
        for place in &it.places.places {
            let policies = with_path(&own, layout.rewrite(place));
            for matched in matches(it, layout, place) {
                let key = OperationMatch {
                    path: normalise(&matched.path),
                    ..matched.clone()
                };
                match operations.get(&key) {
                    Some(known) if known.policies != policies => left_over = true,
                    Some(_) => {}
                    None => drop(operations.insert(key, operation(matched, policies.clone()))),
                }
            }
        }
        if left_over {
            let reason = "an older route of the service takes the same requests and has other policies";
            beyond.push((it.places.route, reason.to_owned()));
        }
    }
    let mut operations: Vec<Operation> = operations.into_values().collect();
    operations.sort_by(|one, other| one.order().cmp(&other.order()));
    if is_everything(&operations) {
        Vec::new()
    } else {
        operations
    }
}

fn matches<'s>(
    served: &'s Served<'_>,
    layout: &Layout,
    place: &Place,
) -> impl Iterator<Item = OperationMatch> + 's {
    let path = layout.path(place);
    let conditions = &served.places.conditions;
    conditions.methods.iter().flat_map(move |method| {
        let path = path.clone();
        conditions.headers.iter().map(move |headers| OperationMatch {
            method: method.clone(),
            path: path.clone(),
            headers: headers.clone(),
            ..OperationMatch::default()
        })
    })
}

fn operation(matched: OperationMatch, policies: Vec<Policy>) -> Operation {
    Operation {
        id: None,
        r#match: matched,
        summary: None,
        deprecated: false,
        policies,
        upstream: None,
        traffic: None,
    }
}

/// Policies with another path at the upstream; changes of the query go along with it.
fn with_path(policies: &[Policy], path: Option<String>) -> Vec<Policy> {
    let mut policies = policies.to_vec();
    let Some(path) = path else {
        return policies;
    };
    let known = policies.iter_mut().find_map(|policy| match policy {
        Policy::Rewrite(rewrite) => Some(rewrite),
        _ => None,
    });
    match known {
        Some(rewrite) => rewrite.path = Some(path),
        None => policies.push(Policy::Rewrite(RewritePolicy {
            path: Some(path),
            ..RewritePolicy::default()
        })),
    }
    policies
}

/// Whether operations are all that is below the base path, for every method, and nothing else.
fn is_everything(operations: &[Operation]) -> bool {
    let plain =
        |it: &Operation| it.policies.is_empty() && it.r#match.method == "*" && it.r#match.headers.is_empty();
    let path = |it: &Operation| it.r#match.path == "/" || is_rest(&it.r#match.path);
    operations.len() == 2 && operations.iter().all(|it| plain(it) && path(it))
}
