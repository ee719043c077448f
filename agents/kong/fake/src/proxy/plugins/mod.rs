//! Plugins: which instances take part in a request, in which order, and what each does.
//!
//! Order and precedence are Kong's: plugins run by their `PRIORITY`; of the instances of one plugin only the most specific
//! one runs, by the order in `kong/runloop/plugins_iterator.lua`. Plugins that are not in this directory have no effect.

mod acl;
mod basic_auth;
mod cors;
mod credentials;
mod ip_restriction;
mod jwt;
mod key_auth;
mod proxy_cache;
mod rate_limiting;
mod request_size_limiting;
mod request_termination;
mod request_transformer;
mod response_transformer;
mod steps;
mod template;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::ControlFlow;
use std::sync::Arc;

use axum::body::Bytes;
use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::Value;

use super::answer::Answer;
use super::exchange::Exchange;
use super::memory::Memory;
use super::router::reference;
use crate::configuration::{Configuration, Entity};

/// What a plugin does to a request and to its answer.
pub(crate) trait Plugin: Debug + Send + Sync {
    /// Before the upstream is asked: `Break` is the answer in its place.
    fn access(&self, exchange: &mut Exchange, memory: &Memory) -> ControlFlow<Answer>;

    /// When there is an answer, from the upstream or from Kong itself.
    fn answer(&self, _exchange: &Exchange, _answer: &mut Answer) {}

    /// Whether the answer's body is wanted for [`Plugin::store`].
    fn stores(&self, _exchange: &Exchange, _answer: &Answer) -> bool {
        false
    }

    /// Keeps an answer.
    fn store(&self, _exchange: &Exchange, _answer: &Answer, _body: Bytes, _memory: &Memory) {}
}

/// Reads a plugin's settings and gives what runs with them.
type Compile = fn(&Entity) -> serde_json::Result<Arc<dyn Plugin>>;

/// The plugins with an effect, with the priority that Kong 3.9.3 reports at `GET /`.
const KNOWN: &[(&str, i32, Compile)] = &[
    ("cors", 2000, compile::<cors::Cors>),
    ("jwt", 1450, compile::<jwt::Jwt>),
    ("key-auth", 1250, compile::<key_auth::KeyAuth>),
    ("basic-auth", 1100, compile::<basic_auth::BasicAuth>),
    ("ip-restriction", 990, compile::<ip_restriction::IpRestriction>),
    (
        "request-size-limiting",
        951,
        compile::<request_size_limiting::RequestSizeLimiting>,
    ),
    ("acl", 950, compile::<acl::Acl>),
    ("rate-limiting", 910, rate_limiting::compile),
    (
        "request-transformer",
        801,
        compile::<request_transformer::RequestTransformer>,
    ),
    (
        "response-transformer",
        800,
        compile::<response_transformer::ResponseTransformer>,
    ),
    ("proxy-cache", 100, compile::<proxy_cache::ProxyCache>),
    (
        "request-termination",
        2,
        compile::<request_termination::RequestTermination>,
    ),
];

fn compile<P: Plugin + DeserializeOwned + 'static>(plugin: &Entity) -> serde_json::Result<Arc<dyn Plugin>> {
    let config = plugin.get("config").cloned().unwrap_or_default();
    Ok(Arc::new(serde_json::from_value::<P>(config)?))
}

/// A plugin whose settings cannot be read: nobody passes, as in a Kong whose plugin fails.
#[derive(Debug)]
struct Broken;

impl Plugin for Broken {
    fn access(&self, exchange: &mut Exchange, _memory: &Memory) -> ControlFlow<Answer> {
        ControlFlow::Break(Answer::error(
            500,
            "An unexpected error occurred",
            &exchange.request_id,
        ))
    }
}

/// One configured plugin with its scope.
#[derive(Debug)]
struct Instance {
    route: Option<String>,
    service: Option<String>,
    consumer: Option<String>,
    plugin: Arc<dyn Plugin>,
}

/// All plugins of a configuration, by priority.
#[derive(Debug, Default)]
pub(crate) struct Plugins {
    ordered: Vec<Vec<Instance>>,
}

impl Plugins {
    /// Reads the enabled plugins of a configuration.
    pub(crate) fn compile(configuration: &Configuration) -> Self {
        let mut by_priority: BTreeMap<i32, Vec<Instance>> = BTreeMap::new();
        for (_, plugin) in configuration.all("plugins") {
            let name = plugin.get("name").and_then(Value::as_str).unwrap_or_default();
            let known = KNOWN.iter().find(|(known, _, _)| *known == name);
            let takes_part = plugin.get("enabled") != Some(&Value::Bool(false))
                && reference(plugin, "consumer_group").is_none();
            if let (Some((_, priority, compile)), true) = (known, takes_part) {
                by_priority
                    .entry(-priority)
                    .or_default()
                    .push(instance(plugin, *compile));
            }
        }
        Self {
            ordered: by_priority.into_values().collect(),
        }
    }

    /// Runs the plugins of a request; the ones that take part in its answer, and the answer when one gave it.
    ///
    /// Whose plugins apply is asked anew for every one of them, since those that authenticate say who the consumer is.
    pub(crate) fn access(
        &self,
        exchange: &mut Exchange,
        memory: &Memory,
    ) -> (Vec<Arc<dyn Plugin>>, Option<Answer>) {
        let mut taking_part = Vec::new();
        let mut given = None;
        for instances in &self.ordered {
            let Some(plugin) = most_specific(instances, exchange) else {
                continue;
            };
            taking_part.push(Arc::clone(&plugin));
            if given.is_none() {
                given = plugin.access(exchange, memory).break_value();
            }
        }
        (taking_part, given)
    }
}

fn instance(plugin: &Entity, compile: Compile) -> Instance {
    let scope = |name| reference(plugin, name).map(str::to_owned);
    Instance {
        route: scope("route"),
        service: scope("service"),
        consumer: scope("consumer"),
        plugin: compile(plugin).unwrap_or_else(|_| Arc::new(Broken)),
    }
}

/// Kong's order: route+service+consumer, route+consumer, service+consumer, route+service, consumer, route, service, all.
fn most_specific(instances: &[Instance], exchange: &Exchange) -> Option<Arc<dyn Plugin>> {
    let route = Exchange::id(Some(&exchange.route));
    let service = Exchange::id(exchange.service.as_ref());
    let consumer = Exchange::id(exchange.consumer.as_ref());
    let fits = |scope: &Option<String>, current: Option<&str>| scope.is_none() || scope.as_deref() == current;
    let fitting = instances.iter().filter(|instance| {
        fits(&instance.route, route) && fits(&instance.service, service) && fits(&instance.consumer, consumer)
    });
    fitting
        .max_by_key(|instance| rank(instance))
        .map(|instance| Arc::clone(&instance.plugin))
}

fn rank(instance: &Instance) -> u8 {
    match (
        instance.route.is_some(),
        instance.service.is_some(),
        instance.consumer.is_some(),
    ) {
        (true, true, true) => 7,
        (true, false, true) => 6,
        (false, true, true) => 5,
        (true, true, false) => 4,
        (false, false, true) => 3,
        (true, false, false) => 2,
        (false, true, false) => 1,
        (false, false, false) => 0,
    }
}

/// Takes null and an empty object, which is how Kong's Lua writes some empty arrays, for the default.
fn or_default<'de, D: Deserializer<'de>, T: Default + DeserializeOwned>(
    deserializer: D,
) -> Result<T, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(T::default()),
        Value::Object(fields) if fields.is_empty() => Ok(T::default()),
        value => serde_json::from_value(value).map_err(serde::de::Error::custom),
    }
}

/// Bytes in hexadecimal digits.
fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
