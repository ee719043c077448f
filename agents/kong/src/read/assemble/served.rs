//! Routes that can be said in canonical words, and which of them cannot be said together.

use std::collections::BTreeMap;

use gatehouse_connector_sdk::schemas::policy::Policy;

use crate::{
    entities::Entity,
    read::places::{RoutePlaces, path_of},
};

/// A route with what holds for it.
pub(super) struct Served<'r> {
    pub(super) places: RoutePlaces<'r>,
    /// Policies by where they come from.
    pub(super) policies: Vec<(String, Vec<Policy>)>,
}

impl Served<'_> {
    /// What may keep a caller out. Nobody knows of native policies that they do not.
    fn guards(&self) -> impl Iterator<Item = &Policy> {
        let policies = self.policies.iter().flat_map(|(_, policies)| policies);
        policies.filter(|policy| policy.is_security() || matches!(policy, Policy::Native(_)))
    }

    /// Whether it lets nobody in whom another one keeps out.
    fn guards_as_much_as(&self, other: &Self) -> bool {
        other.guards().all(|guard| self.guards().any(|own| own == guard))
    }
}

/// A template may take more than the expression did that it was read from, and what comes to it no longer comes to
/// other routes: that must not open what they keep closed.
pub(super) fn without_rough<'r>(served: &mut Vec<Served<'r>>, beyond: &mut Vec<(&'r Entity, String)>) {
    let opens =
        |it: &Served<'_>| it.places.inexact && !served.iter().all(|other| it.guards_as_much_as(other));
    let mut open: Vec<bool> = served.iter().map(opens).collect();
    open.reverse();
    for rough in served.extract_if(.., |_| open.pop().unwrap_or(false)) {
        let reason =
            "a template would take more paths than its expression, and other routes check what it does not";
        beyond.push((rough.places.route, reason.to_owned()));
    }
}

/// Host names are those of the API: routes with other ones than most are beyond it.
pub(super) fn with_same_hosts<'r>(served: &mut Vec<Served<'r>>, beyond: &mut Vec<(&'r Entity, String)>) {
    let mut counted: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    for it in served.iter() {
        *counted.entry(it.places.conditions.hosts.clone()).or_default() += 1;
    }
    let most = counted
        .iter()
        .max_by_key(|(hosts, count)| (**count, std::cmp::Reverse(*hosts)));
    let Some(hosts) = most.map(|(hosts, _)| hosts.clone()) else {
        return;
    };
    for other in served.extract_if(.., |it| it.places.conditions.hosts != hosts) {
        beyond.push((
            other.places.route,
            "it has other hosts than most routes of its service".to_owned(),
        ));
    }
}

/// What people should know of routes that were read.
pub(super) fn remarks(served: &[Served<'_>]) -> Vec<String> {
    let mut remarks = Vec::new();
    for it in served {
        let route = it.places.route.title();
        let priority = it
            .places
            .route
            .number("regex_priority")
            .or_else(|| it.places.route.number("priority"));
        if let Some(priority) = priority.filter(|priority| *priority > 0) {
            remarks.push(format!(
                "route `{route}` has priority {priority}; elsewhere, the more specific path goes first"
            ));
        }
        if it
            .places
            .places
            .iter()
            .any(|place| path_of(&place.path).contains("%7B"))
        {
            remarks.push(format!(
                "route `{route}`: braces in its path stand for themselves, as they do on Kong"
            ));
        }
        if it.places.inexact {
            remarks.push(format!(
                "route `{route}`: its expression is read as a template that is not quite the same"
            ));
        }
    }
    let expressions = served
        .iter()
        .filter(|it| it.places.conditions.has_expressions())
        .count();
    let differ = served.iter().any(|it| !same_policies(it, &served[0]));
    if differ && (1..served.len()).contains(&expressions) {
        remarks.push(
            "Kong tries expressions before plain paths; elsewhere, the more specific path goes first: look which policies \
             hold where both take a request"
                .to_owned(),
        );
    }
    remarks
}

fn same_policies(one: &Served<'_>, other: &Served<'_>) -> bool {
    one.policies == other.policies
}
