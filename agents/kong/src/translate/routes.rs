//! Operations as routes: one for all that differ in nothing but their paths.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_connector_sdk::schemas::{
    policy::Policy,
    revision::{Operation, RevisionContent},
};
use serde_json::{Map, Value, json};

use super::{
    paths::{self, Keep},
    plugins::{self, Chain, Place},
    policies,
    services::Forward,
};
use crate::client::node::Flavor;

/// One route: what it matches, and the plugins that are its own.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Route {
    pub(super) fields: Map<String, Value>,
    pub(super) plugins: BTreeMap<String, Value>,
}

/// What operations must have in common to be one route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Likeness {
    /// The plugins that are not those of the service, as JSON.
    plugins: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    /// Higher ones are asked first.
    priority: usize,
}

/// The routes of some operations of an API, below one service with its plugins.
pub(super) fn routes(
    content: &RevisionContent,
    operations: &[&Operation],
    forward: &Forward,
    service: &Chain,
    place: Place<'_>,
) -> Vec<Route> {
    let priorities = priorities(content);
    let mut alike: BTreeMap<Likeness, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    let mut preflights: BTreeMap<BTreeMap<String, String>, BTreeSet<String>> = BTreeMap::new();
    for operation in operations {
        let (target, keep) = target(content, operation, forward);
        let of_operation = policies::of_operation(content, operation);
        let chain = plugins::chain(
            &of_operation,
            Place {
                target: target.as_deref(),
                ..place
            },
        );
        let it = &operation.r#match;
        let path = format!("~{}", paths::pattern(&content.base_path, &it.path, keep));
        if chain.plugins.contains_key("cors") && !answers_options(content, &it.path) {
            let plain = format!("~{}", paths::pattern(&content.base_path, &it.path, Keep::Nothing));
            let cors = own(&chain, service)
                .into_iter()
                .filter(|(name, _)| name == "cors");
            preflights.entry(cors.collect()).or_default().insert(plain);
        }
        let likeness = Likeness {
            plugins: own(&chain, service),
            headers: it.headers.clone(),
            priority: priorities.get(it.path.as_str()).copied().unwrap_or_default(),
        };
        let methods = alike.entry(likeness).or_default().entry(path).or_default();
        methods.insert(it.method.clone());
    }
    let routes = alike
        .into_iter()
        .flat_map(|(likeness, paths)| of_likeness(content, likeness, paths));
    routes
        .chain(
            preflights
                .into_iter()
                .map(|(cors, paths)| preflight(content, cors, &paths)),
        )
        .collect()
}

/// The one route of an API without operations.
pub(super) fn everything(content: &RevisionContent, service: &Chain, place: Place<'_>) -> Route {
    let chain = plugins::chain(&policies::of_api(content), place);
    let mut fields = matching(content, &paths::everything_below(&content.base_path));
    fields.insert("strip_path".to_owned(), json!(content.base_path != "/"));
    Route {
        fields,
        plugins: parsed(own(&chain, service)),
    }
}

/// What the upstream is asked for in place of the caller's path, and what of the match that needs.
fn target(content: &RevisionContent, operation: &Operation, forward: &Forward) -> (Option<String>, Keep) {
    let rewritten = policies::of_operation(content, operation)
        .into_iter()
        .rev()
        .find_map(|policy| match policy {
            Policy::Rewrite(policy) => policy.path.as_deref(),
            _ => None,
        });
    let path = &operation.r#match.path;
    match rewritten {
        Some(rewritten) => {
            let target = format!("{}{}", forward.upstream_path, paths::with_groups(rewritten, path));
            (Some(target), Keep::Parameters)
        }
        // Nothing is left of it that a template could name.
        None if path == "/" && content.base_path != "/" => (Some(forward.root()), Keep::Nothing),
        None if !forward.strips => (None, Keep::Nothing),
        None => (Some(forward.template()), Keep::Path),
    }
}

/// The plugins of a chain that the service does not have in the same words. `request-termination` has its place at routes
/// alone: that of the service holds our record.
fn own(chain: &Chain, service: &Chain) -> BTreeMap<String, String> {
    let differs = |(name, plugin): &(&String, &Value)| {
        *name == "request-termination" || service.plugins.get(*name) != Some(plugin)
    };
    let own = chain.plugins.iter().filter(differs);
    own.map(|(name, plugin)| (name.clone(), plugin.to_string()))
        .collect()
}

fn parsed(plugins: BTreeMap<String, String>) -> BTreeMap<String, Value> {
    let parsed = plugins
        .into_iter()
        .filter_map(|(name, plugin)| Some((name, serde_json::from_str(&plugin).ok()?)));
    parsed.collect()
}

fn answers_options(content: &RevisionContent, path: &str) -> bool {
    let mut there = content.operations.iter().map(|operation| &operation.r#match);
    there.any(|it| it.path == path && matches!(it.method.as_str(), "OPTIONS" | "*"))
}

/// Routes match every method of theirs at every path of theirs, so only paths with the same methods come together.
fn of_likeness(
    content: &RevisionContent,
    likeness: Likeness,
    paths: BTreeMap<String, BTreeSet<String>>,
) -> Vec<Route> {
    let mut by_methods: BTreeMap<BTreeSet<String>, Vec<String>> = BTreeMap::new();
    for (path, methods) in paths {
        by_methods.entry(methods).or_default().push(path);
    }
    let route = |(methods, paths): (BTreeSet<String>, Vec<String>)| {
        let mut fields = matching(content, &paths);
        if !methods.contains("*") {
            fields.insert("methods".to_owned(), json!(methods));
        }
        if !likeness.headers.is_empty() {
            let headers = likeness
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), vec![literal(value)]));
            fields.insert("headers".to_owned(), json!(headers.collect::<BTreeMap<_, _>>()));
        }
        fields.insert("regex_priority".to_owned(), json!(likeness.priority));
        fields.insert("strip_path".to_owned(), json!(false));
        Route {
            fields,
            plugins: parsed(likeness.plugins.clone()),
        }
    };
    by_methods.into_iter().map(route).collect()
}

/// Kong takes a value that begins with `~*` for a regular expression.
fn literal(value: &str) -> String {
    match value.starts_with("~*") {
        true => format!("~*^{}$", paths::escaped(value)),
        false => value.to_owned(),
    }
}

/// Where browsers ask before they call. Anything else there is not found, as it would be without the policy.
fn preflight(content: &RevisionContent, cors: BTreeMap<String, String>, paths: &BTreeSet<String>) -> Route {
    let paths: Vec<String> = paths.iter().cloned().collect();
    let mut fields = matching(content, &paths);
    fields.insert("methods".to_owned(), json!(["OPTIONS"]));
    fields.insert("regex_priority".to_owned(), json!(0));
    fields.insert("strip_path".to_owned(), json!(false));
    let mut plugins = parsed(cors);
    let config = json!({"status_code": 404, "message": "no Route matched with those values"});
    plugins.insert(
        "request-termination".to_owned(),
        json!({"name": "request-termination", "config": config}),
    );
    Route { fields, plugins }
}

fn matching(content: &RevisionContent, paths: &[String]) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("paths".to_owned(), json!(paths));
    fields.insert("protocols".to_owned(), json!(["http", "https"]));
    fields.insert("preserve_host".to_owned(), json!(false));
    if !content.hostnames.is_empty() {
        fields.insert("hosts".to_owned(), json!(content.hostnames));
    }
    fields
}

/// Priorities of the paths that share requests with another one of the API: the more specific is asked first.
fn priorities(content: &RevisionContent) -> BTreeMap<&str, usize> {
    let paths: BTreeSet<&str> = content
        .operations
        .iter()
        .map(|operation| operation.r#match.path.as_str())
        .collect();
    let shares = |path: &&str| {
        paths
            .iter()
            .any(|other| other != path && paths::overlap(path, other))
    };
    let sharing: Vec<&str> = paths.iter().copied().filter(|path| shares(path)).collect();
    let ranks: BTreeSet<String> = sharing.iter().map(|path| paths::specificity(path)).collect();
    let rank = |path: &str| {
        ranks
            .iter()
            .position(|rank| *rank == paths::specificity(path))
            .unwrap_or_default()
    };
    sharing.into_iter().map(|path| (path, rank(path))).collect()
}

/// A route in the words of a router.
pub(super) fn in_flavor(fields: Map<String, Value>, flavor: Flavor) -> Map<String, Value> {
    match flavor {
        Flavor::Traditional => fields,
        Flavor::Expressions => super::expressions::route(fields),
    }
}
