//! What changes of a revision's content mean: hosts, base path, operations, upstreams.

use std::collections::{BTreeMap, BTreeSet};

use super::{Changes, policies};
use crate::{
    api::OperationMatch,
    revision::{Operation, RevisionContent},
    route::normalise,
};

/// The place of what concerns all of the API.
pub(super) const WHOLE: &str = "the API";

pub(super) fn compare(before: &RevisionContent, after: &RevisionContent, changes: &mut Changes) {
    texts(before, after, changes);
    if before.r#type != after.r#type || before.direction != after.direction {
        changes.breaking(WHOLE, "it is another kind of API");
    }
    if trimmed(&before.base_path) != trimmed(&after.base_path) {
        let (from, to) = (&before.base_path, &after.base_path);
        changes.breaking(WHOLE, format!("it is reached below `{to}`, not `{from}`"));
    }
    hosts(&before.hostnames, &after.hostnames, changes);
    if before.upstreams != after.upstreams {
        changes.compatible(WHOLE, "its upstreams changed");
    }
    policies::compare(WHOLE, &before.policies, &after.policies, changes);
    operations(before, after, changes);
}

fn trimmed(base_path: &str) -> String {
    normalise(base_path.trim_end_matches('/'))
}

fn texts(before: &RevisionContent, after: &RevisionContent, changes: &mut Changes) {
    for (what, before, after) in [
        ("display name", &before.display_name, &after.display_name),
        ("version", &before.version, &after.version),
    ] {
        if before != after {
            changes.cosmetic(WHOLE, format!("its {what} is `{after}`, not `{before}`"));
        }
    }
    if before.definition != after.definition {
        changes.cosmetic(WHOLE, "its definition is another document");
    }
}

/// No host name means any.
fn hosts(before: &[String], after: &[String], changes: &mut Changes) {
    let lower =
        |hosts: &[String]| -> BTreeSet<String> { hosts.iter().map(|host| host.to_lowercase()).collect() };
    let (before, after) = (lower(before), lower(after));
    match (before.is_empty(), after.is_empty()) {
        (true, false) => changes.breaking(
            WHOLE,
            format!("it answers to {} only, not to any host", listed(&after)),
        ),
        (false, true) => changes.compatible(WHOLE, "it answers to any host"),
        _ => {
            for host in before
                .iter()
                .filter(|host| !after.iter().any(|other| covers(other, host)))
            {
                changes.breaking(WHOLE, format!("it does not answer to host `{host}` any more"));
            }
            for host in after.difference(&before) {
                changes.compatible(WHOLE, format!("it answers to host `{host}` too"));
            }
        }
    }
}

fn covers(pattern: &str, host: &str) -> bool {
    let below = pattern
        .strip_prefix('*')
        .and_then(|domain| host.strip_suffix(domain));
    pattern == host || below.is_some_and(|label| !label.is_empty())
}

fn listed(names: &BTreeSet<String>) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// No operations means every path and method.
fn operations(before: &RevisionContent, after: &RevisionContent, changes: &mut Changes) {
    match (before.operations.is_empty(), after.operations.is_empty()) {
        (true, true) => {}
        (true, false) => changes.breaking(
            WHOLE,
            "only the listed operations are served, not every path and method",
        ),
        (false, true) => changes.compatible(WHOLE, "every path and method is served"),
        (false, false) => listed_operations(before, after, changes),
    }
}

fn listed_operations(before: &RevisionContent, after: &RevisionContent, changes: &mut Changes) {
    let (before, after) = (by_match(before), by_match(after));
    for (matched, operation) in &before {
        let place = place(operation);
        match after.get(matched) {
            Some(now) => same_operation(&place, operation, now, changes),
            None if after.contains_key(&any_method(matched)) => {
                changes.compatible(&place, "it is served as one of all methods of its path");
            }
            None => changes.breaking(&place, "it is not served any more"),
        }
    }
    for (_, operation) in after.iter().filter(|(matched, _)| !before.contains_key(matched)) {
        changes.compatible(&place(operation), "it is new");
    }
}

fn by_match(content: &RevisionContent) -> BTreeMap<OperationMatch, &Operation> {
    let key = |operation: &Operation| OperationMatch {
        path: normalise(&operation.r#match.path),
        ..operation.r#match.clone()
    };
    content
        .operations
        .iter()
        .map(|operation| (key(operation), operation))
        .collect()
}

fn any_method(matched: &OperationMatch) -> OperationMatch {
    OperationMatch {
        method: "*".to_owned(),
        ..matched.clone()
    }
}

/// An operation as people say it: `GET /orders/{id}`.
fn place(operation: &Operation) -> String {
    let matched = &operation.r#match;
    let conditions = matched.headers.iter().chain(&matched.query);
    let conditions = conditions.map(|(name, value)| format!(" {name}={value}"));
    let expressions = matched.header_regex.iter().chain(&matched.query_regex);
    let expressions = expressions.map(|(name, regex)| format!(" {name}~{regex}"));
    let conditions: String = conditions.chain(expressions).collect();
    let regex = matched.path_regex.iter();
    let regex: String = regex.map(|regex| format!(" matching {regex}")).collect();
    format!("{} {}{regex}{conditions}", matched.method, matched.path)
}

fn same_operation(place: &str, before: &Operation, after: &Operation, changes: &mut Changes) {
    match (before.deprecated, after.deprecated) {
        (false, true) => changes.compatible(place, "it is deprecated"),
        (true, false) => changes.cosmetic(place, "it is not deprecated any more"),
        _ => {}
    }
    if before.upstream != after.upstream || before.traffic != after.traffic {
        changes.compatible(place, "its requests go to another upstream");
    }
    if before.id != after.id || before.summary != after.summary || before.r#match.path != after.r#match.path {
        changes.cosmetic(place, "its texts changed");
    }
    policies::compare(place, &before.policies, &after.policies, changes);
}
