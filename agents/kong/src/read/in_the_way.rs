//! Which routes of others claim a place of an API that is to be deployed.

use std::{collections::BTreeMap, fmt};

use gatehouse_connector_sdk::schemas::{
    api::{ApiType, Direction, OperationMatch},
    revision::{Operation, RevisionContent},
    route::{RouteConflict, Segment, conflicts, join, normalise},
};

use super::{
    Index,
    conditions::PathPattern,
    layout::Layout,
    places::{RoutePlaces, is_rest, path_of, segments},
};
use crate::entities::Entity;

/// A route of others that claims a place of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InTheWay {
    /// The route: its name, or else its id.
    pub route: String,
    /// The route's id.
    pub route_id: String,
    /// The service of the route: its name, or else its id.
    pub service: Option<String>,
    /// What both claim.
    pub place: RouteConflict,
}

impl fmt::Display for InTheWay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "route `{}`", self.route)?;
        if let Some(service) = &self.service {
            write!(formatter, " of service `{service}`")?;
        }
        let RouteConflict { host, method, path } = &self.place;
        let host = if host == "*" { "any host" } else { host };
        let method = if method == "*" { "any method" } else { method };
        write!(formatter, " takes {method} of `{path}` on {host}")
    }
}

/// The routes of others that claim a place of a desired API: the same place, or a plain path at or below its base path
/// that would lose its traffic, since Kong looks at expressions before plain paths. Routes that take the same requests
/// by expressions that are no templates, and those of disabled services, are not found.
pub fn in_the_way(
    content: &RevisionContent,
    index: &Index<'_>,
    is_own: impl Fn(&Entity) -> bool,
) -> Vec<InTheWay> {
    let mut found = Vec::new();
    for route in index.snapshot.routes.iter().filter(|route| !is_own(route)) {
        let service = route.owner("service").and_then(|id| index.service(id));
        if service.is_some_and(|service| !service.is_enabled()) {
            continue;
        }
        found.extend(places_of_both(content, route).map(|place| InTheWay {
            route: route.title().to_owned(),
            route_id: route.id().to_owned(),
            service: service.map(|service| service.title().to_owned()),
            place,
        }));
    }
    found
}

fn places_of_both(content: &RevisionContent, route: &Entity) -> impl Iterator<Item = RouteConflict> + use<> {
    let places = RoutePlaces::of(&without_connection(route), "", None).map(|places| {
        let same = conflicts(content, &content_of(&places));
        if same.is_empty() {
            below(content, &places)
        } else {
            same
        }
    });
    places.unwrap_or_default().into_iter()
}

/// What tells connections apart narrows a route down; the place is claimed all the same.
fn without_connection(route: &Entity) -> Entity {
    let mut route = route.clone();
    for field in ["snis", "sources", "destinations"] {
        route.0.remove(field);
    }
    route
}

/// A route as an API of its own, for comparison.
fn content_of(places: &RoutePlaces<'_>) -> RevisionContent {
    let layout = Layout::of(places.places.iter());
    let conditions = &places.conditions;
    let all = places.places.iter().flat_map(|place| {
        let path = layout.path(place);
        conditions
            .methods
            .iter()
            .map(move |method| (method.clone(), path.clone()))
    });
    let operations = all.flat_map(|(method, path)| {
        conditions.headers.iter().map(move |headers| Operation {
            id: None,
            r#match: OperationMatch {
                method: method.clone(),
                path: path.clone(),
                headers: headers.clone(),
                ..OperationMatch::default()
            },
            summary: None,
            deprecated: false,
            policies: Vec::new(),
            upstream: None,
            traffic: None,
        })
    });
    let operations: Vec<Operation> = operations.collect();
    let everything = operations.iter().all(|it| {
        it.r#match.method == "*"
            && it.r#match.headers.is_empty()
            && (it.r#match.path == "/" || is_rest(&it.r#match.path))
    });
    RevisionContent {
        display_name: String::new(),
        version: String::new(),
        r#type: ApiType::Rest,
        direction: Direction::Ingress,
        definition: None,
        hostnames: conditions.hosts.clone(),
        base_path: layout.base_path(),
        upstreams: BTreeMap::new(),
        policies: Vec::new(),
        operations: if everything && operations.len() > 1 {
            Vec::new()
        } else {
            operations
        },
    }
}

/// Plain paths at or below our base path whose requests one of our operations takes, and expressions that are the same
/// template for other methods. What we write for an API without operations is a plain path itself: the longer one wins.
fn below(content: &RevisionContent, places: &RoutePlaces<'_>) -> Vec<RouteConflict> {
    let hosts = hosts_of_both(content, &places.conditions.hosts);
    let mut found = Vec::new();
    for (path, is_prefix) in paths(places).filter(|(path, _)| is_below(path, &content.base_path)) {
        let method = method_of_both(content, &places.conditions.methods, (&path, is_prefix));
        found.extend(method.into_iter().flat_map(|method| {
            hosts.iter().map({
                let path = path.clone();
                move |host| RouteConflict {
                    host: host.clone(),
                    method: method.clone(),
                    path: path.clone(),
                }
            })
        }));
    }
    found
}

/// Plain paths, and the templates of expressions.
fn paths(places: &RoutePlaces<'_>) -> impl Iterator<Item = (String, bool)> {
    let plain = places.conditions.paths.iter().filter_map(|path| match path {
        PathPattern::Prefix(prefix) => Some((path_of(&segments(prefix.trim_end_matches('/'))), true)),
        _ => None,
    });
    let templates = places.places.iter().map(|place| (path_of(&place.path), false));
    plain.chain(templates.filter(|_| places.conditions.has_expressions()))
}

fn hosts_of_both(content: &RevisionContent, theirs: &[String]) -> Vec<String> {
    if content.hostnames.is_empty() && theirs.is_empty() {
        return vec!["*".to_owned()];
    }
    let ours = content.hostnames.iter().map(|host| host.to_ascii_lowercase());
    ours.filter(|host| theirs.contains(host)).collect()
}

fn is_below(prefix: &str, base_path: &str) -> bool {
    let rest = prefix
        .trim_end_matches('/')
        .strip_prefix(base_path.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The first method by which one of our operations takes requests of a path.
fn method_of_both(
    content: &RevisionContent,
    theirs: &[String],
    (path, is_prefix): (&str, bool),
) -> Option<String> {
    let any = theirs.iter().any(|method| method == "*");
    let ours = content.operations.iter().filter(|it| {
        let ours = join(&content.base_path, &it.r#match.path);
        match is_prefix {
            true => overlaps(&segments(&ours), &segments(path)),
            false => normalise(&ours) == normalise(path),
        }
    });
    let mut methods = ours.map(|it| &it.r#match.method);
    let shared = methods.find(|method| any || *method == "*" || theirs.contains(method));
    shared.map(|method| {
        if method == "*" {
            theirs.first().cloned().unwrap_or_default()
        } else {
            method.clone()
        }
    })
}

/// Whether a template takes a request that begins with these segments.
fn overlaps(template: &[String], prefix: &[String]) -> bool {
    let rest = template
        .last()
        .is_some_and(|last| matches!(Segment::of(last), Segment::Rest(_)));
    if template.len() < prefix.len() && !rest {
        return false;
    }
    template
        .iter()
        .zip(prefix)
        .all(|(ours, theirs)| match Segment::of(ours) {
            Segment::Literal(literal) => literal == theirs,
            _ => true,
        })
}
