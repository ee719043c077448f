//! Operations as routes: one for all that differ in nothing but their paths.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_connector_sdk::schemas::{api::OperationMatch, revision::RevisionContent};
use serde_json::{Map, Value, json};

use super::{
    paths::{self, Keep},
    plugins,
    services::{Forward, Served},
};
use crate::client::node::Flavor;

/// One route: what it matches, and the plugins that are its own.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Route {
    pub(super) fields: Map<String, Value>,
    pub(super) plugins: Plugins,
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

/// The plugins of a place, by name.
type Plugins = BTreeMap<String, Value>;

/// The routes of some operations of an API, below one service with its plugins.
pub(super) fn routes(
    content: &RevisionContent,
    operations: &[Served<'_>],
    forward: &Forward,
    service: &Plugins,
) -> Vec<Route> {
    let priorities = priorities(content);
    let mut alike: BTreeMap<Likeness, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    let mut preflights: BTreeMap<BTreeMap<String, String>, BTreeSet<String>> = BTreeMap::new();
    for served in operations {
        let (target, keep) = target(content, served, forward);
        let plugins = own(&served.chain.plugins(target.as_deref()), service);
        let it = &served.operation.r#match;
        if served.chain.has("cors") && !answers_options(content, &it.path) {
            let cors = plugins.clone().into_iter().filter(|(name, _)| name == "cors");
            let asked = pattern(content, it, Keep::Nothing);
            preflights.entry(cors.collect()).or_default().insert(asked);
        }
        let likeness = Likeness {
            plugins,
            headers: it.headers.clone(),
            priority: priorities.get(it.path.as_str()).copied().unwrap_or_default(),
        };
        let paths = alike.entry(likeness).or_default();
        let methods = paths.entry(pattern(content, it, keep)).or_default();
        methods.insert(it.method.clone());
    }
    let routes = alike
        .into_iter()
        .flat_map(|(likeness, paths)| of_likeness(content, likeness, paths));
    let preflights = preflights
        .into_iter()
        .map(|(cors, paths)| preflight(content, cors, &paths));
    routes.chain(preflights).collect()
}

/// The one route of an API without operations, below a service with its plugins.
pub(super) fn everything(content: &RevisionContent, service: &Plugins) -> Route {
    let mut fields = matching(content, &paths::everything_below(&content.base_path));
    fields.insert("strip_path".to_owned(), json!(content.base_path != "/"));
    Route {
        fields,
        plugins: parsed(own(service, service)),
    }
}

/// The path of an operation in Kong's words.
fn pattern(content: &RevisionContent, operation: &OperationMatch, keep: Keep) -> String {
    format!("~{}", paths::pattern(&content.base_path, &operation.path, keep))
}

/// What the upstream is asked for in place of the caller's path, and what of the match that needs.
fn target(content: &RevisionContent, served: &Served<'_>, forward: &Forward) -> (Option<String>, Keep) {
    let path = &served.operation.r#match.path;
    match &served.chain.path {
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

/// The plugins of a place that the service does not have in the same words. `request-termination` has its place at routes
/// alone: that of the service holds our record.
fn own(plugins: &Plugins, service: &Plugins) -> BTreeMap<String, String> {
    let differs = |(name, plugin): &(&String, &Value)| {
        *name == "request-termination" || service.get(*name) != Some(plugin)
    };
    let own = plugins.iter().filter(differs);
    own.map(|(name, plugin)| (name.clone(), plugin.to_string()))
        .collect()
}

fn parsed(plugins: BTreeMap<String, String>) -> Plugins {
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
    let mut own = parsed(cors);
    let config = json!({"status_code": 404, "message": "no Route matched with those values"});
    own.extend([plugins::plugin("request-termination", config)]);
    Route { fields, plugins: own }
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
