//! An API in Kong's words: everything that is made for one generation of it.

use std::collections::BTreeMap;

use gatehouse_connector_sdk::schemas::{
    desired::DesiredApi, identity::ExternalRef, revision::RevisionContent,
};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    Secrets,
    names::{Names, service_tags, tags},
    plugins::{self, Chain, IssuerKeys, Place},
    policies,
    routes::{self, Route, in_flavor},
    services::{self, Forward, Served, Variant},
};
use crate::{
    client::node::{Edition, Flavor},
    entities::{Collection, Entity},
    holding::STAGED,
};

/// One entity that we make.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// Where it belongs.
    pub(crate) collection: Collection,
    /// Its identity.
    pub(crate) id: String,
    /// What it says beside that.
    pub(crate) fields: Map<String, Value>,
}

impl Part {
    pub(super) fn new(collection: Collection, id: String, fields: Value) -> Self {
        Self {
            collection,
            id,
            fields: Entity::of(fields).0,
        }
    }

    /// As Kong is given it.
    pub(crate) fn entity(&self) -> Entity {
        let mut fields = self.fields.clone();
        fields.insert("id".to_owned(), json!(self.id));
        Entity(fields)
    }
}

/// Everything of one generation, in the order in which it is made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Form {
    /// The parts. Services are made switched off.
    pub(crate) parts: Vec<Part>,
}

impl Form {
    /// The identities of the services; the first one is that of the upstream `main`.
    pub(crate) fn services(&self) -> impl Iterator<Item = &str> {
        self.of(Collection::Services).map(|part| part.id.as_str())
    }

    /// The parts of a collection.
    pub(crate) fn of(&self, collection: Collection) -> impl Iterator<Item = &Part> {
        self.parts
            .iter()
            .filter(move |part| part.collection == collection)
    }

    /// Whether the proxy can be asked for it.
    pub(crate) fn is_probed(&self) -> bool {
        self.of(Collection::Routes).any(|part| is_probe(&part.entity()))
    }

    /// The plugins that it needs, by name.
    pub(crate) fn plugin_names(&self) -> impl Iterator<Item = &str> {
        self.of(Collection::Plugins)
            .filter_map(|part| part.fields.get("name")?.as_str())
    }
}

/// What a form is made for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Occasion<'a> {
    /// What must be.
    pub(crate) desired: &'a DesiredApi,
    /// The identities of its generation.
    pub(crate) names: &'a Names,
    /// The values of its secrets.
    pub(crate) secrets: &'a Secrets,
    /// Whose words it is put in.
    pub(crate) edition: Edition,
    /// The keys of issuers, where Kong cannot ask for them itself.
    pub(crate) keys: &'a IssuerKeys,
    /// In which words routes are written.
    pub(crate) flavor: Flavor,
    /// What the API is called by.
    pub(crate) reference: &'a ExternalRef,
    /// Whether the proxy is asked for it afterwards.
    pub(crate) is_probed: bool,
}

impl<'a> Occasion<'a> {
    /// All that is made for it.
    pub(crate) fn form(self) -> Form {
        let content = &self.desired.content;
        let methods = methods(content);
        let place = Place {
            desired: self.desired,
            secrets: self.secrets,
            edition: self.edition,
            keys: self.keys,
            methods: &methods,
        };
        let of_api = plugins::chain(&policies::of_api(content), place);
        let variants = services::variants(content, &of_api, place);
        let operations = variants.iter().flat_map(|(_, operations)| operations);
        let chains = [&of_api]
            .into_iter()
            .chain(operations.map(|served| &served.chain));
        let callers = chains
            .flat_map(|chain| &chain.callers)
            .flat_map(|callers| callers.parts(self.desired, self.names, self.secrets));
        let services = (0..).zip(&variants).flat_map(|(number, (variant, operations))| {
            self.service(variant, operations, &of_api, self.is_probed && number == 0)
        });
        Form {
            parts: distinct(callers.chain(services)),
        }
    }

    /// What the proxy is asked for before a generation is switched on: made last, and answered by a plugin, it tells that the
    /// proxy has the plugins of everything before it. Kong takes over routes a little before plugins, so that routes
    /// switched on together with new plugins would be open for a moment.
    /// Each attempt has one of its own: that of an earlier one tells nothing of what was made since.
    pub(crate) fn gate(self, id: &str) -> Vec<Part> {
        let id = id.to_owned();
        let fields =
            json!({"protocol": "http", "host": "gate.gatehouse.invalid", "port": 80, "enabled": true});
        let mut service = self.part(Collection::Services, id.clone(), Entity::of(fields).0);
        let mut tags = service_tags(&self.desired.mark, self.reference);
        // It is never the API itself.
        tags.push(STAGED.to_owned());
        service.fields.insert("tags".to_owned(), json!(tags));
        let mut parts = vec![service];
        parts.extend(self.route(&id, 0, probe(&id)));
        parts
    }

    /// A service, with its plugins before its routes, and those of a route right after it.
    fn service(
        self,
        variant: &Variant,
        operations: &[Served<'_>],
        of_api: &Chain,
        is_probed: bool,
    ) -> Vec<Part> {
        let content = &self.desired.content;
        let Some((url, upstream)) = self.upstream(&variant.upstream) else {
            return Vec::new();
        };
        let forward = Forward::new(content, &url);
        let id = self.names.of(&format!("service/{}", variant.key()));
        let fields = services::fields(&url, upstream, variant, &forward);
        let mut parts = vec![self.part(Collection::Services, id.clone(), fields)];
        let template = (forward.strips && !content.operations.is_empty()).then(|| forward.template());
        let plugins = of_api.plugins(template.as_deref());
        parts.extend(self.plugins("service", &id, &without_termination(&plugins)));
        let routes = match operations.is_empty() {
            true => vec![routes::everything(content, &plugins)],
            false => routes::routes(content, operations, &forward, &plugins),
        };
        let probe = is_probed.then(|| (0, probe(&id)));
        parts.extend(
            (1..)
                .zip(routes)
                .chain(probe)
                .flat_map(|(number, route)| self.route(&id, number, route)),
        );
        parts
    }

    fn upstream(&self, name: &str) -> Option<(Url, &'a gatehouse_connector_sdk::schemas::api::Upstream)> {
        let upstream = self.desired.content.upstreams.get(name)?;
        Some((Url::parse(&upstream.url).ok()?, upstream))
    }

    fn route(&self, service: &str, number: usize, route: Route) -> Vec<Part> {
        let id = self.names.of(&format!("route/{service}/{number}"));
        let mut fields = in_flavor(route.fields, self.flavor);
        fields.insert("service".to_owned(), json!({"id": service}));
        // Names are for people, and taken by one route only.
        let short = id.split('-').next().unwrap_or_default();
        fields.insert(
            "name".to_owned(),
            json!(format!("{}.{short}", self.desired.mark.api_name)),
        );
        let mut parts = vec![self.part(Collection::Routes, id.clone(), fields)];
        parts.extend(self.plugins("route", &id, &route.plugins));
        parts
    }

    fn plugins(&self, scope: &str, owner: &str, plugins: &BTreeMap<String, Value>) -> Vec<Part> {
        let part = |(name, plugin): (&String, &Value)| {
            let mut fields = Entity::of(plugin.clone()).0;
            fields.insert(scope.to_owned(), json!({"id": owner}));
            let id = self.names.of(&format!("plugin/{owner}/{name}"));
            self.part(Collection::Plugins, id, fields)
        };
        plugins.iter().map(part).collect()
    }

    fn part(&self, collection: Collection, id: String, mut fields: Map<String, Value>) -> Part {
        let tags = match collection {
            Collection::Services => service_tags(&self.desired.mark, self.reference),
            _ => tags(&self.desired.mark).to_vec(),
        };
        fields.insert("tags".to_owned(), json!(tags));
        Part {
            collection,
            id,
            fields,
        }
    }
}

/// Where the proxy is asked whether it knows a generation: below its own path, and answered by Kong itself.
pub(crate) fn probe_path(service: &str) -> String {
    format!("{PROBES}{service}")
}

const PROBES: &str = "/.gatehouse/";

/// Whether the proxy is asked by a route, in the words of any router.
pub(crate) fn is_probe(route: &Entity) -> bool {
    let is_asked = |expression: &str| expression.contains(&format!("\"{PROBES}"));
    route.list("paths").any(|path| path.starts_with(PROBES)) || route.text("expression").is_some_and(is_asked)
}

/// The header that shows whose answer it is, whatever the answer: security plugins of the API answer before the probe's
/// own does, and so may a route of somebody else that takes every path.
pub(crate) const PROBED: &str = "x-gatehouse-probed";

fn probe(service: &str) -> Route {
    let fields = json!({
        "paths": [probe_path(service)],
        "methods": ["GET"],
        "protocols": ["http", "https"],
        "strip_path": false,
        "regex_priority": 0,
    });
    let header = format!("{PROBED}:{service}");
    let own = [
        (
            "request-termination",
            json!({"status_code": 200, "message": "served"}),
        ),
        (
            "response-transformer",
            json!({"remove": {"headers": [PROBED]}, "add": {"headers": [header]}}),
        ),
    ];
    Route {
        fields: Entity::of(fields).0,
        plugins: own
            .map(|(name, config)| plugins::plugin(name, config))
            .into_iter()
            .collect(),
    }
}

fn without_termination(plugins: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let mut plugins = plugins.clone();
    plugins.remove("request-termination");
    plugins
}

/// The methods of the operations.
fn methods(content: &RevisionContent) -> Vec<String> {
    let methods = content
        .operations
        .iter()
        .map(|operation| operation.r#match.method.clone());
    let mut methods: Vec<String> = methods.filter(|method| method != "*").collect();
    methods.sort();
    methods.dedup();
    match methods.is_empty() {
        true => ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
            .map(str::to_owned)
            .to_vec(),
        false => methods,
    }
}

/// Callers that several places let in are made once.
fn distinct(parts: impl Iterator<Item = Part>) -> Vec<Part> {
    let mut seen = std::collections::BTreeSet::new();
    parts
        .filter(|part| seen.insert((part.collection, part.id.clone())))
        .collect()
}
