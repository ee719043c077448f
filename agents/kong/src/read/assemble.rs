//! Routes, plugins and destination, put together to an API.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_connector_sdk::schemas::{
    api::{Direction, OperationMatch},
    policy::{Policy, RetryCondition, RetryPolicy, RewritePolicy},
    revision::{Operation, RevisionContent},
    route::normalise,
};
use serde_json::{Map, Value, json};

use super::{
    Index, Read, effective,
    layout::Layout,
    native,
    places::{Place, RoutePlaces, is_rest},
    policies::{self, Reading},
    upstream::Destination,
};
use crate::entities::Entity;

/// What is read as one API.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'r, 'a> {
    pub(super) index: &'r Index<'a>,
    /// The service, or the route that has none.
    pub(super) entity: &'r Entity,
    pub(super) service: Option<&'r Entity>,
    pub(super) routes: &'r [&'r Entity],
}

/// A route with what holds for it.
struct Served<'r> {
    places: RoutePlaces<'r>,
    /// Policies by where they come from.
    policies: Vec<(String, Vec<Policy>)>,
}

impl<'r, 'a> Subject<'r, 'a> {
    pub(super) fn read(self, destination: Destination) -> Result<Read, String> {
        let mut notes = destination.notes.clone();
        let (mut served, mut beyond) = self.served(&destination.path, &mut notes);
        self.same_hosts(&mut served, &mut beyond, &mut notes);
        if served.is_empty() {
            let reasons: BTreeSet<&str> = beyond.iter().map(|(_, reason)| reason.as_str()).collect();
            let reasons: Vec<&str> = reasons.into_iter().collect();
            return Err(format!(
                "nothing of `{}` can be said in canonical words: {}; leave it to Kong and put it on the environment's \
                 ignore list, or write its routes as plain paths or as expressions like `~/orders/[^/]+$`",
                self.entity.title(),
                reasons.join("; ")
            ));
        }
        notes.extend(effective::for_some(self.index, self.service, self.routes));
        let mut content = self.content(&served, &destination, &mut beyond, &mut notes);
        content
            .policies
            .extend(self.native(&destination, &beyond, &mut notes));
        if self.service.is_some_and(|service| !service.is_enabled()) {
            notes.push("the service is disabled on Kong, so nobody is served".to_owned());
        }
        notes.sort();
        notes.dedup();
        let tags = self.entity.tags().map(str::to_owned).collect();
        Ok(Read {
            name: self.entity.title().to_owned(),
            content,
            tags,
            notes,
        })
    }

    /// The routes that can be read, and those that cannot with the reason.
    fn served(
        self,
        service_path: &str,
        notes: &mut Vec<String>,
    ) -> (Vec<Served<'r>>, Vec<(&'r Entity, String)>) {
        let (mut served, mut beyond) = (Vec::new(), Vec::new());
        for route in self.routes {
            let plugins = effective::plugins(self.index, self.service, route);
            let replaced_by = plugins
                .get("request-transformer")
                .and_then(|it| policies::path_of(it));
            match RoutePlaces::of(route, service_path, replaced_by) {
                Ok(places) => {
                    let policies = self.policies(&places, &plugins, notes);
                    served.push(Served { places, policies });
                }
                Err(reason) => beyond.push((*route, reason)),
            }
        }
        // Where expressions are only read roughly, requests may come to another route's policies.
        if served.iter().any(|it| !same_policies(it, &served[0])) {
            for rough in served.extract_if(.., |it| it.places.inexact) {
                let reason =
                    "its expression takes fewer paths than a template, and other routes have other policies";
                beyond.push((rough.places.route, reason.to_owned()));
            }
        }
        (served, beyond)
    }

    fn policies(
        self,
        places: &RoutePlaces<'_>,
        plugins: &BTreeMap<&'a str, &'a Entity>,
        notes: &mut Vec<String>,
    ) -> Vec<(String, Vec<Policy>)> {
        let reading = Reading {
            index: self.index,
            api: self.entity.title(),
            plugins,
            path_is_said: places.replaced,
        };
        let mut policies: Vec<_> = plugins
            .values()
            .map(|plugin| {
                (
                    plugin.id().to_owned(),
                    policies::of_plugin(plugin, reading, notes),
                )
            })
            .collect();
        let settings = native::settings(places.route, &places.conditions.protocols);
        if !settings.is_empty() {
            notes.push(format!(
                "route `{}`: {} kept as a `native` policy",
                places.route.title(),
                named(settings.keys())
            ));
            let config = Map::from_iter([("route".to_owned(), Value::Object(settings))]);
            policies.push((
                "settings".to_owned(),
                native::policy(config).into_iter().collect(),
            ));
        }
        policies
    }

    /// Host names are those of the API: routes with other ones than most are beyond it.
    fn same_hosts(
        self,
        served: &mut Vec<Served<'r>>,
        beyond: &mut Vec<(&'r Entity, String)>,
        notes: &mut Vec<String>,
    ) {
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
        let rough = served.iter().filter(|it| it.places.inexact);
        notes.extend(rough.map(|it| {
            let route = it.places.route.title();
            format!("route `{route}`: its expression is read as a template that is not quite the same")
        }));
    }

    fn content(
        self,
        served: &[Served<'r>],
        destination: &Destination,
        beyond: &mut Vec<(&'r Entity, String)>,
        notes: &mut Vec<String>,
    ) -> RevisionContent {
        let layout = Layout::of(served.iter().flat_map(|it| &it.places.places));
        let everywhere = Everywhere::of(served, &layout);
        let operations = self.operations(served, &layout, &everywhere, beyond, notes);
        let upstream = destination.upstream(&layout.upstream_path());
        let mut policies = everywhere.policies;
        policies.extend(destination.retries.and_then(retry));
        RevisionContent {
            display_name: self.entity.title().to_owned(),
            version: "v1".to_owned(),
            r#type: destination.api_type,
            direction: Direction::Ingress,
            definition: None,
            hostnames: served
                .first()
                .map(|it| it.places.conditions.hosts.clone())
                .unwrap_or_default(),
            base_path: layout.base_path(),
            upstreams: BTreeMap::from([("main".to_owned(), upstream)]),
            policies,
            operations,
        }
    }

    /// The operations; none if everything below the base path is served alike.
    fn operations(
        self,
        served: &[Served<'r>],
        layout: &Layout,
        everywhere: &Everywhere,
        beyond: &mut Vec<(&'r Entity, String)>,
        notes: &mut Vec<String>,
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
        notes.extend(literal_braces(&operations));
        if is_everything(&operations) {
            Vec::new()
        } else {
            operations
        }
    }

    /// What is kept in Kong's words for the API as a whole.
    fn native(
        self,
        destination: &Destination,
        beyond: &[(&Entity, String)],
        notes: &mut Vec<String>,
    ) -> Option<Policy> {
        let mut config = destination.native.clone();
        let mut routes = Vec::new();
        for (route, reason) in beyond {
            notes.push(format!(
                "route `{}` is kept as a `native` policy: {reason}",
                route.title()
            ));
            let plugins = self.index.route_plugins(route).iter().copied();
            routes.push(native::route(
                route,
                plugins.filter(|plugin| plugin.is_enabled()),
                notes,
            ));
        }
        if !routes.is_empty() {
            config.insert("routes".to_owned(), json!(routes));
        }
        (!config.is_empty()).then(|| native::policy(config)).flatten()
    }
}

/// The policies that hold for all routes.
struct Everywhere {
    sources: BTreeSet<String>,
    policies: Vec<Policy>,
}

impl Everywhere {
    /// Of several policies of type `rewrite` only the closest counts, so they stay with operations that have paths of
    /// their own at the upstream.
    fn of(served: &[Served<'_>], layout: &Layout) -> Self {
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

fn same_policies(one: &Served<'_>, other: &Served<'_>) -> bool {
    one.policies == other.policies
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
            query: BTreeMap::new(),
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

/// Kong sends again what could not be sent or was not answered in time, unless it might do harm.
fn retry(retries: u64) -> Option<Policy> {
    let attempts = u32::try_from(retries.min(10))
        .ok()
        .filter(|attempts| *attempts > 0)?;
    let policy = RetryPolicy {
        attempts,
        on: vec![RetryCondition::ConnectFailure, RetryCondition::Timeout],
        methods: ["DELETE", "GET", "HEAD", "OPTIONS", "PUT"]
            .map(str::to_owned)
            .to_vec(),
        backoff_ms: 0,
    };
    Some(Policy::Retry(policy).canonical())
}

/// People who write `{id}` in a path of Kong without an expression get just that.
fn literal_braces(operations: &[Operation]) -> Vec<String> {
    let braces = operations
        .iter()
        .map(|it| &it.r#match.path)
        .filter(|path| path.contains("%7B"));
    braces
        .map(|path| format!("path `{path}` has braces, which Kong takes literally"))
        .collect()
}

fn named<'n>(names: impl Iterator<Item = &'n String>) -> String {
    names
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
