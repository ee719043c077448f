//! Policies as plugins.

mod headers;
mod limits;

use std::collections::BTreeMap;

use gatehouse_connector_sdk::schemas::{
    descriptor::Fidelity,
    desired::DesiredApi,
    policy::{
        ApiKeyPolicy, CachePolicy, CorsPolicy, CredentialLocation, JwtPolicy, NativePolicy, OAuth2Policy,
        Policy, RespondPolicy, RewritePolicy,
    },
};
use serde_json::{Map, Value, json};

use self::{headers::Transformer, limits::Counter};
use super::{
    consumers::{Callers, Secrets},
    paths::escaped,
    policies::unsupported,
    tokens::SigningKey,
};
use crate::client::node::Edition;

/// The keys that policies take tokens of, by [`issuer_of`].
pub(crate) type IssuerKeys = BTreeMap<String, Vec<SigningKey>>;

/// Whose keys a policy takes, and for what: another policy may take the same issuer's keys for other algorithms.
pub(crate) fn issuer_of(policy: &JwtPolicy) -> String {
    format!("{} {}", policy.jwks_uri, json!(policy.algorithms))
}

/// What becomes of the policies of one place.
#[derive(Debug, Default)]
pub(super) struct Chain {
    /// The plugins by name, each with its configuration; all but what the upstream is asked.
    plugins: BTreeMap<String, Value>,
    /// What changes of the request.
    request: Transformer,
    /// Those who may call.
    pub(super) callers: Vec<Callers>,
    /// How long the upstream may take, in milliseconds, if a policy says so.
    pub(super) response_ms: Option<u32>,
    /// How often Kong may send a request again.
    pub(super) retries: u32,
    /// The path below the upstream's own that a policy puts in place of the operation's.
    pub(super) path: Option<String>,
}

/// What the plugins of a place depend on beside its policies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) desired: &'a DesiredApi,
    pub(super) secrets: &'a Secrets,
    pub(super) edition: Edition,
    /// The keys of issuers.
    pub(super) keys: &'a IssuerKeys,
    /// The methods that answers to preflight requests name if a policy does not.
    pub(super) methods: &'a [String],
}

/// The plugins of the policies that hold at a place.
pub(super) fn chain(policies: &[&Policy], place: Place<'_>) -> Chain {
    let mut chain = Chain::default();
    let (mut response, mut counter) = (Transformer::default(), Counter::default());
    let mut filters = Vec::new();
    for policy in policies {
        match policy {
            Policy::AuthApiKey(policy) => chain.with_callers(place, Callers::with_keys(policy), key_auth(policy)),
            Policy::AuthBasic(policy) => {
                let config = json!({"realm": policy.realm, "hide_credentials": !policy.forward});
                chain.with_callers(place, Callers::with_passwords(policy), ("basic-auth", config));
            }
            Policy::AuthJwt(policy) => match place.edition {
                Edition::OpenSource => {
                    let keys = place.keys.get(&issuer_of(policy)).map(Vec::as_slice).unwrap_or_default();
                    chain.with_callers(place, Callers::with_tokens(keys), ("jwt", static_keys()));
                }
                Edition::Enterprise | Edition::Konnect => chain.add("openid-connect", signed_tokens(policy)),
            },
            Policy::AuthOAuth2(policy) => chain.add("openid-connect", active_tokens(policy, place.secrets)),
            Policy::IpFilter(policy) => filters.push(policy),
            Policy::RequestSize(policy) => chain.add(
                "request-size-limiting",
                json!({"allowed_payload_size": policy.max_bytes, "size_unit": "bytes", "require_content_length": false}),
            ),
            Policy::RateLimit(policy) => counter.rate(policy),
            Policy::Quota(policy) => counter.quota(policy),
            Policy::Cors(policy) => chain.add("cors", cors(policy, place.methods)),
            Policy::Headers(policy) => {
                chain.request.change(&policy.request);
                response.change(&policy.response);
            }
            Policy::Rewrite(policy) => chain.rewrite(policy),
            Policy::Respond(policy) => chain.add("request-termination", respond(policy)),
            Policy::Timeout(policy) => chain.response_ms = Some(policy.response_ms),
            Policy::Retry(policy) => chain.retries = policy.attempts,
            Policy::Cache(policy) => chain.add("proxy-cache", cache(policy)),
            Policy::Native(policy) => chain.with_fragments(policy),
            Policy::AuthMtls(_) | Policy::AuthConditions(_) | Policy::ExtAuthz(_) | Policy::ExtWasm(_) | Policy::RequestValidate(_) | Policy::Transform(_) | Policy::Log(_) => {}
        }
    }
    chain.add_some("ip-restriction", limits::addresses(&filters));
    chain.add_some("rate-limiting", counter.config());
    chain.add_some("response-transformer", response.config(None));
    chain
}

impl Chain {
    /// The plugins where the upstream is asked for a target, if it is not the caller's own path.
    pub(super) fn plugins(&self, target: Option<&str>) -> BTreeMap<String, Value> {
        let mut plugins = self.plugins.clone();
        plugins.extend(
            self.request
                .config(target)
                .map(|config| plugin("request-transformer", config)),
        );
        plugins
    }

    /// Whether a plugin is among them.
    pub(super) fn has(&self, name: &str) -> bool {
        self.plugins.contains_key(name)
    }

    fn add(&mut self, name: &str, config: Value) {
        self.plugins.extend([plugin(name, config)]);
    }

    fn add_some(&mut self, name: &str, config: Option<Value>) {
        if let Some(config) = config {
            self.add(name, config);
        }
    }

    /// An authentication plugin, which knows every credential of its kind, and the group of those that count here.
    fn with_callers(&mut self, place: Place<'_>, callers: Callers, (name, config): (&str, Value)) {
        self.add(name, config);
        self.add(
            "acl",
            json!({"allow": [callers.group(place.desired)], "hide_groups_header": true}),
        );
        self.callers.push(callers);
    }

    fn rewrite(&mut self, policy: &RewritePolicy) {
        self.request.query(&policy.query);
        if policy.path.is_some() {
            self.path.clone_from(&policy.path);
        }
    }

    fn with_fragments(&mut self, policy: &NativePolicy) {
        for plugin in fragments(policy) {
            if let Some(name) = plugin.get("name").and_then(Value::as_str) {
                self.plugins
                    .insert(name.to_owned(), Value::Object(plugin.clone()));
            }
        }
    }
}

/// A plugin by its name.
pub(super) fn plugin(name: &str, config: Value) -> (String, Value) {
    (name.to_owned(), json!({"name": name, "config": config}))
}

fn key_auth(policy: &ApiKeyPolicy) -> (&'static str, Value) {
    let is_header = policy.r#in == CredentialLocation::Header;
    let config = json!({
        "key_names": [policy.name],
        "key_in_header": is_header,
        "key_in_query": !is_header,
        "key_in_body": false,
        "hide_credentials": !policy.forward,
    });
    ("key-auth", config)
}

/// Kong finds the key that a token names, and takes no other algorithm than the one that the key is for.
fn static_keys() -> Value {
    json!({
        "key_claim_name": "kid",
        "claims_to_verify": ["exp"],
        "header_names": ["authorization"],
        "uri_param_names": [],
        "cookie_names": [],
    })
}

/// What `openid-connect` is told whatever the kind of token: bearer tokens alone, no sessions, nothing discovered.
fn bearer(issuer: &str, method: &str) -> Map<String, Value> {
    let config = json!({
        "issuer": issuer,
        "using_pseudo_issuer": true,
        "auth_methods": [method],
        "bearer_token_param_type": ["header"],
    });
    config.as_object().cloned().unwrap_or_default()
}

fn signed_tokens(policy: &JwtPolicy) -> Value {
    let mut config = bearer(&policy.issuer, "bearer");
    config.extend([
        ("issuers_allowed".to_owned(), json!([policy.issuer])),
        ("extra_jwks_uris".to_owned(), json!([policy.jwks_uri])),
        ("audience_required".to_owned(), json!(policy.audiences)),
        ("audience_claim".to_owned(), json!(["aud"])),
        ("leeway".to_owned(), json!(policy.clock_skew_seconds)),
        ("verify_claims".to_owned(), json!(true)),
    ]);
    with_scopes(config, &policy.required_scopes)
}

fn active_tokens(policy: &OAuth2Policy, secrets: &Secrets) -> Value {
    let mut config = bearer(&policy.introspection_url, "introspection");
    config.extend([
        (
            "introspection_endpoint".to_owned(),
            json!(policy.introspection_url),
        ),
        ("client_id".to_owned(), json!([policy.client_id])),
        (
            "client_secret".to_owned(),
            json!([secrets.text(&policy.client_secret_ref)]),
        ),
        ("cache_introspection".to_owned(), json!(policy.cache_seconds > 0)),
    ]);
    if policy.cache_seconds > 0 {
        config.insert("cache_ttl_max".to_owned(), json!(policy.cache_seconds));
    }
    if !policy.audiences.is_empty() {
        config.insert("audience_required".to_owned(), json!(policy.audiences));
    }
    with_scopes(config, &policy.required_scopes)
}

/// Scopes in one text must all be there; several texts are alternatives.
fn with_scopes(mut config: Map<String, Value>, scopes: &[String]) -> Value {
    if !scopes.is_empty() {
        config.insert("scopes_required".to_owned(), json!([scopes.join(" ")]));
    }
    Value::Object(config)
}

fn cors(policy: &CorsPolicy, methods: &[String]) -> Value {
    let methods = match policy.allow_methods.is_empty() {
        true => methods,
        false => &policy.allow_methods,
    };
    let mut config = json!({
        "origins": policy.allow_origins.iter().map(|origin| origin_pattern(origin)).collect::<Vec<_>>(),
        "methods": methods,
        "credentials": policy.allow_credentials,
        "preflight_continue": false,
    });
    let lists = [
        ("headers", &policy.allow_headers),
        ("exposed_headers", &policy.expose_headers),
    ];
    for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        config[name] = json!(list);
    }
    if let Some(seconds) = policy.max_age_seconds {
        config["max_age"] = json!(seconds);
    }
    config
}

/// Kong takes an origin for a regular expression as soon as it has other characters than letters, digits and `.:/-`, such
/// as the `_` of a host name: then every `.` of it would be any character.
fn origin_pattern(origin: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || ".:/-".contains(character);
    match origin.split_once("*.") {
        Some((scheme, domain)) => format!("^{}[^/]+\\.{}$", escaped(scheme), escaped(domain)),
        None if origin == "*" || origin.chars().all(is_plain) => origin.to_owned(),
        None => format!("^{}$", escaped(origin)),
    }
}

fn respond(policy: &RespondPolicy) -> Value {
    let mut config = json!({"status_code": policy.status});
    // Kong takes no empty body, and a content type only with one.
    if let Some(body) = policy.body.as_deref().filter(|body| !body.is_empty()) {
        let headers = policy.headers.iter();
        let kind = headers
            .clone()
            .find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        config["body"] = json!(body);
        config["content_type"] = json!(kind.map_or("text/plain", |(_, kind)| kind));
    }
    config
}

fn cache(policy: &CachePolicy) -> Value {
    let mut config = json!({
        "strategy": "memory",
        "cache_ttl": policy.ttl_seconds,
        "request_method": ["GET", "HEAD"],
        "response_code": [200],
        // Any type of content, which Kong otherwise limits to text and JSON.
        "content_type": ["*/*"],
        "cache_control": false,
    });
    if let Some(query) = &policy.vary_query {
        config["vary_query_params"] = json!(query);
    }
    if !policy.vary_headers.is_empty() {
        config["vary_headers"] = json!(policy.vary_headers);
    }
    config
}

/// The plugins of a fragment: `{"plugins": [{"name": …, "config": …}]}`.
fn fragments(policy: &NativePolicy) -> impl Iterator<Item = &Map<String, Value>> {
    let plugins = policy.config.get("plugins").and_then(Value::as_array);
    plugins.into_iter().flatten().filter_map(Value::as_object)
}

/// A fragment is taken as it stands if it holds plugins alone, each with a name.
pub(super) fn native_fidelity(policy: &NativePolicy) -> Fidelity {
    let plugins = fragments(policy);
    let is_named = |plugin: &Map<String, Value>| plugin.get("name").is_some_and(Value::is_string);
    let listed = policy
        .config
        .get("plugins")
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    match policy.config.keys().find(|key| *key != "plugins") {
        Some(_) => unsupported(
            "a fragment for Kong has `plugins` and nothing else; what else was imported is only to be read",
        ),
        None if listed == 0 || plugins.filter(|plugin| is_named(plugin)).count() != listed => {
            unsupported("a fragment for Kong is `plugins`, a list in which each has a `name` and a `config`")
        }
        None => Fidelity::Exact,
    }
}
