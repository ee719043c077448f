//! What happens with a request that is let in: it goes to the upstream, or API Gateway answers itself.

mod kept;
mod mock;
mod streamed;

use std::collections::BTreeMap;

use gatehouse_connector_sdk::schemas::{
    descriptor::Fidelity,
    policy::{Policy, RespondPolicy, RewritePolicy},
};
use serde_json::{Map, Value, json};

pub(super) use self::{kept::of_cache, streamed::of_timeout};
use super::{
    Kind, MAIN,
    authorizers::KEY_HEADER,
    headers,
    judge::{approximated, only_rest, unsupported},
    paths::Place,
    scene::Scene,
};

/// A place with the policies that hold there.
#[derive(Debug, Clone)]
pub(super) struct Spot<'a> {
    pub(super) scene: Scene<'a>,
    pub(super) place: &'a Place<'a>,
    pub(super) policies: Vec<&'a Policy>,
}

impl Spot<'_> {
    /// The integration.
    pub(super) fn integration(&self) -> Value {
        let respond = self.policies.iter().find_map(|policy| match policy {
            Policy::Respond(respond) => Some(respond),
            _ => None,
        });
        match respond {
            Some(respond) => mock::integration(respond),
            None => self.proxy(),
        }
    }

    /// The answers that the method must be told of.
    pub(super) fn responses(&self) -> Value {
        let respond = self.policies.iter().find_map(|policy| match policy {
            Policy::Respond(respond) => Some(respond),
            _ => None,
        });
        match respond {
            Some(respond) => mock::responses(respond),
            None => json!({"200": {"description": "What the upstream answers"}}),
        }
    }

    fn proxy(&self) -> Value {
        let uri = self.uri();
        let mut integration = Map::new();
        let mut add = |name: &str, value: Value| integration.insert(name.to_owned(), value);
        add("type", json!("http_proxy"));
        add("httpMethod", json!(self.place.method));
        add("timeoutInMillis", json!(self.timeout_ms()));
        if self.streams() {
            add("responseTransferMode", json!("STREAM"));
        }
        let mut mappings = self.mappings(&uri);
        add("uri", json!(uri));
        if self.scene.kind == Kind::Rest {
            add("passthroughBehavior", json!("when_no_match"));
            self.hide_key(&mut mappings);
        } else {
            add("payloadFormatVersion", json!("1.0"));
            let changes = headers::response(&self.policies);
            if !changes.is_empty() {
                add("responseParameters", Value::Object(changes));
            }
        }
        match &self.scene.settings.vpc_link_id {
            Some(link) => {
                add("connectionType", json!("VPC_LINK"));
                add("connectionId", json!(link));
            }
            None => {
                add("connectionType", json!("INTERNET"));
            }
        }
        if !mappings.is_empty() {
            add("requestParameters", Value::Object(mappings));
        }
        let keys = self.cache_keys();
        if self.is_cached() && !keys.is_empty() {
            add("cacheKeyParameters", json!(keys));
        }
        Value::Object(integration)
    }

    fn upstream(&self) -> &str {
        let operation = self.place.operation;
        operation
            .and_then(|operation| operation.upstream.as_deref())
            .unwrap_or(MAIN)
    }

    fn uri(&self) -> String {
        let upstream = self.scene.content.upstreams.get(self.upstream());
        let url = upstream
            .map(|upstream| upstream.url.trim_end_matches('/'))
            .unwrap_or_default();
        let rewritten = self.rewrites().find_map(|rewrite| rewrite.path.as_deref());
        match rewritten {
            Some(path) => format!("{url}{}", renamed(path, &self.place.parameters)),
            None => format!("{url}{}", self.place.target),
        }
    }

    fn rewrites(&self) -> impl Iterator<Item = &RewritePolicy> {
        self.policies.iter().filter_map(|policy| match policy {
            Policy::Rewrite(rewrite) => Some(rewrite),
            _ => None,
        })
    }

    /// How path, query and headers of the request become the upstream's.
    fn mappings(&self, uri: &str) -> Map<String, Value> {
        let mut mappings = headers::request(self.scene.kind, &self.policies);
        for rewrite in self.rewrites() {
            mappings.extend(query(self.scene.kind, rewrite));
        }
        if self.scene.kind == Kind::Rest {
            let used = self
                .place
                .names()
                .filter(|name| uri.contains(&format!("{{{name}}}")));
            let path = |name: &str| {
                (
                    format!("integration.request.path.{name}"),
                    json!(format!("method.request.path.{name}")),
                )
            };
            mappings.extend(used.map(path));
        }
        mappings
    }

    /// Keys do not travel on: a REST API takes no header away, but it writes over it.
    fn hide_key(&self, mappings: &mut Map<String, Value>) {
        let is_hidden = |policy: &&Policy| matches!(policy, Policy::AuthApiKey(keys) if !keys.forward);
        if self.policies.iter().any(is_hidden) {
            let header = format!("integration.request.header.{KEY_HEADER}");
            mappings.entry(header).or_insert_with(|| json!("'hidden'"));
        }
    }
}

/// A target with its parameters by the names that they have on AWS.
fn renamed(target: &str, parameters: &BTreeMap<String, Option<String>>) -> String {
    let mut pieces = target.split('{');
    let mut renamed = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, after) = piece.split_once('}').unwrap_or((piece, ""));
        if let Some(name) = parameters.get(name).cloned().flatten() {
            renamed.push_str(&format!("{{{name}}}"));
        }
        renamed.push_str(after);
    }
    renamed
}

fn query(kind: Kind, rewrite: &RewritePolicy) -> Map<String, Value> {
    let query = &rewrite.query;
    let set = query.set.iter().map(|(name, value)| match kind {
        Kind::Rest => (
            format!("integration.request.querystring.{name}"),
            json!(format!("'{value}'")),
        ),
        Kind::Http => (format!("overwrite:querystring.{name}"), json!(value)),
    });
    let removed = query
        .remove
        .iter()
        .filter(|name| kind == Kind::Http && !query.set.contains_key(*name));
    let removed = removed.map(|name| (format!("remove:querystring.{name}"), json!("''")));
    set.chain(removed).collect()
}

/// Whether a parameter has a name that mappings can hold.
fn is_plain(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

/// How faithfully the target is changed.
pub(super) fn of_rewrite(scene: Scene<'_>, rewrite: &RewritePolicy) -> Fidelity {
    let query = &rewrite.query;
    if rewrite.host.is_some() {
        return unsupported("API Gateway asks upstreams for the host of their URL");
    }
    if rewrite.path.as_deref().is_some_and(|path| path.contains('$')) {
        return unsupported("API Gateway takes `$` in a path for a variable");
    }
    if let Some(name) = query.set.keys().chain(&query.remove).find(|name| !is_plain(name)) {
        return unsupported(format!(
            "API Gateway does not know the name of the query parameter `{name}`"
        ));
    }
    if let Some(reason) = query
        .set
        .values()
        .find_map(|value| headers::unwritable(scene.kind, value))
    {
        return unsupported(reason);
    }
    let removed = query.remove.iter().find(|name| !query.set.contains_key(*name));
    match removed.filter(|_| scene.kind == Kind::Rest) {
        Some(name) => unsupported(format!(
            "a REST API takes no query parameter away (`{name}`); set it to a fixed value instead"
        )),
        None => Fidelity::Exact,
    }
}

/// How faithfully API Gateway answers itself.
pub(super) fn of_respond(scene: Scene<'_>, respond: &RespondPolicy) -> Fidelity {
    if let Err(unsupported) = only_rest(scene, "give no answers of their own") {
        return unsupported;
    }
    if respond.example.is_some() {
        return unsupported("API Gateway does not know the definition's examples; write `status` and `body`");
    }
    if respond.redirect.is_some() {
        return unsupported("API Gateway's own answers are the same for all paths");
    }
    match mock::unwritable(respond) {
        Some(reason) => unsupported(reason),
        None => approximated("a request whose body is of an unusual type is answered 415"),
    }
}
