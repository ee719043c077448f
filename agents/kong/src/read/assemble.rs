//! Routes, plugins and destination, put together to an API.

mod operations;
mod served;

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_connector_sdk::schemas::{
    api::Direction,
    policy::{Policy, RetryCondition, RetryPolicy},
    revision::{Operation, RevisionContent},
};
use serde_json::{Map, Value, json};

use self::{operations::Everywhere, served::Served};
use super::{
    Index, Read, effective,
    layout::Layout,
    native,
    places::RoutePlaces,
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

/// What plugins say, by which they are and whether the path they write is said elsewhere: most routes have the same.
type Known<'a> = BTreeMap<(Vec<&'a str>, bool), Vec<(String, Vec<Policy>)>>;

impl<'r, 'a> Subject<'r, 'a> {
    pub(super) fn read(self, destination: Destination) -> Result<Read, String> {
        let mut notes = destination.notes.clone();
        let (served, mut beyond) = self.served(&destination.path, &mut notes);
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
        let layout = Layout::of(served.iter().flat_map(|it| &it.places.places));
        let everywhere = Everywhere::of(&served, &layout);
        let operations = operations::operations(&served, &layout, &everywhere, &mut beyond);
        notes.extend(served::remarks(&served));
        let mut content = self.content(&served, &layout, &destination, operations);
        content.policies.extend(everywhere.policies.iter().cloned());
        content.policies.extend(destination.retries.and_then(retry));
        content
            .policies
            .extend(self.native(&destination, (&beyond, &everywhere), &mut notes));
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
        let mut known = Known::new();
        for route in self.routes {
            let plugins = effective::plugins(self.index, self.service, route);
            let replaced_by = plugins
                .get("request-transformer")
                .and_then(|it| policies::path_of(it));
            match RoutePlaces::of(route, service_path, replaced_by) {
                Ok(places) => {
                    let policies = self.policies(&places, &plugins, &mut known, notes);
                    served.push(Served { places, policies });
                }
                Err(reason) => beyond.push((*route, reason)),
            }
        }
        served::without_rough(&mut served, &mut beyond);
        served::with_same_hosts(&mut served, &mut beyond);
        (served, beyond)
    }

    fn policies(
        self,
        places: &RoutePlaces<'_>,
        plugins: &BTreeMap<&'a str, &'a Entity>,
        known: &mut Known<'a>,
        notes: &mut Vec<String>,
    ) -> Vec<(String, Vec<Policy>)> {
        let reading = Reading {
            index: self.index,
            api: self.entity.title(),
            plugins,
            path_is_said: places.replaced,
        };
        let same = (
            plugins.values().map(|plugin| plugin.id()).collect(),
            places.replaced,
        );
        let of_plugins = known.entry(same).or_insert_with(|| {
            let with_source = |plugin: &Entity| {
                let policies = policies::of_plugin(plugin, reading, notes);
                (plugin.id().to_owned(), policies)
            };
            plugins.values().copied().map(with_source).collect()
        });
        let mut policies = of_plugins.clone();
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

    fn content(
        self,
        served: &[Served<'r>],
        layout: &Layout,
        destination: &Destination,
        operations: Vec<Operation>,
    ) -> RevisionContent {
        let upstream = destination.upstream(&layout.upstream_path());
        let hosts = served.first().map(|it| it.places.conditions.hosts.clone());
        RevisionContent {
            display_name: self.entity.title().to_owned(),
            version: "v1".to_owned(),
            r#type: destination.api_type,
            direction: Direction::Ingress,
            definition: None,
            hostnames: hosts.unwrap_or_default(),
            base_path: layout.base_path(),
            upstreams: BTreeMap::from([("main".to_owned(), upstream)]),
            policies: Vec::new(),
            operations,
        }
    }

    /// What is kept in Kong's words for the API as a whole: routes with the plugins that do not act on the others, too.
    fn native(
        self,
        destination: &Destination,
        (beyond, everywhere): (&[(&Entity, String)], &Everywhere),
        notes: &mut Vec<String>,
    ) -> Option<Policy> {
        let mut config = destination.native.clone();
        let mut routes = Vec::new();
        for (route, reason) in beyond {
            notes.push(format!(
                "route `{}` is kept as a `native` policy: {reason}",
                route.title()
            ));
            let plugins = effective::plugins(self.index, self.service, route).into_values();
            let own: Vec<&Entity> = plugins
                .filter(|plugin| !everywhere.sources.contains(plugin.id()))
                .collect();
            if own.iter().any(|plugin| policies::is_guard(plugin)) {
                notes.push(format!(
                    "route `{}` has checks of its own; elsewhere than on Kong, what it takes may come to other routes of \
                     the service, without them",
                    route.title()
                ));
            }
            routes.push(native::route(route, own.into_iter(), notes));
        }
        if !routes.is_empty() {
            config.insert("routes".to_owned(), json!(routes));
        }
        (!config.is_empty()).then(|| native::policy(config)).flatten()
    }
}

/// Kong sends again what could not be sent or was not answered in time, unless it might do harm.
fn retry(retries: u64) -> Option<Policy> {
    let attempts = u32::try_from(retries.min(10))
        .ok()
        .filter(|attempts| *attempts > 0)?;
    let policy = RetryPolicy {
        attempts,
        on: vec![RetryCondition::ConnectFailure, RetryCondition::Timeout],
        statuses: Vec::new(),
        methods: ["DELETE", "GET", "HEAD", "OPTIONS", "PUT"]
            .map(str::to_owned)
            .to_vec(),
        backoff_ms: 0,
        per_try_timeout_ms: None,
    };
    Some(Policy::Retry(policy).canonical())
}

fn named<'n>(names: impl Iterator<Item = &'n String>) -> String {
    names
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
