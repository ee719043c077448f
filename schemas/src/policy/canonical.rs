//! The canonical form of policies: lists that are sets sorted, names that ignore case in lower case.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    ApiKeyPolicy, BasicPolicy, BodyTransform, CachePolicy, ConditionsPolicy, CorsPolicy, CredentialLocation,
    DefinitionPart, ExtAuthzPolicy, ExtWasmPolicy, HeaderChanges, HeadersPolicy, IpFilterPolicy, JwtPolicy,
    LogPolicy, MtlsPolicy, NativePolicy, Network, OAuth2Policy, Policy, QueryChanges, QuotaPolicy,
    RateLimitKey, RateLimitPolicy, RequestValidatePolicy, RespondPolicy, RetryPolicy, RewritePolicy,
    TransformPolicy,
};
use crate::canonical;

impl Policy {
    /// The same policy in its one spelling.
    #[must_use]
    pub fn canonical(&self) -> Self {
        match self {
            Self::AuthApiKey(policy) => Self::AuthApiKey(api_key(policy)),
            Self::AuthJwt(policy) => Self::AuthJwt(jwt(policy)),
            Self::AuthBasic(policy) => Self::AuthBasic(basic(policy)),
            Self::AuthOAuth2(policy) => Self::AuthOAuth2(oauth2(policy)),
            Self::AuthMtls(policy) => Self::AuthMtls(mtls(policy)),
            Self::AuthConditions(policy) => Self::AuthConditions(ConditionsPolicy {
                require: set(&policy.require),
                deny: set(&policy.deny),
            }),
            Self::ExtAuthz(policy) => Self::ExtAuthz(ext_authz(policy)),
            Self::ExtWasm(policy) => Self::ExtWasm(ext_wasm(policy)),
            Self::IpFilter(policy) => Self::IpFilter(ip_filter(policy)),
            Self::RequestValidate(policy) => Self::RequestValidate(request_validate(policy)),
            Self::RequestSize(policy) => Self::RequestSize(policy.clone()),
            Self::RateLimit(policy) => Self::RateLimit(rate_limit(policy)),
            Self::Quota(policy) => Self::Quota(QuotaPolicy {
                key: key(&policy.key),
                ..policy.clone()
            }),
            Self::Cors(policy) => Self::Cors(cors(policy)),
            Self::Headers(policy) => Self::Headers(HeadersPolicy {
                request: changes(&policy.request),
                response: changes(&policy.response),
            }),
            Self::Rewrite(policy) => Self::Rewrite(rewrite(policy)),
            Self::Transform(policy) => Self::Transform(TransformPolicy {
                request: policy.request.as_ref().map(body_transform),
                response: policy.response.as_ref().map(body_transform),
            }),
            Self::Respond(policy) => Self::Respond(RespondPolicy {
                headers: names(&policy.headers),
                ..policy.clone()
            }),
            Self::Timeout(policy) => Self::Timeout(policy.clone()),
            Self::Retry(policy) => Self::Retry(retry(policy)),
            Self::Cache(policy) => Self::Cache(cache(policy)),
            Self::Log(policy) => Self::Log(LogPolicy {
                request_headers: set(&lower(&policy.request_headers)),
                response_headers: set(&lower(&policy.response_headers)),
                ..policy.clone()
            }),
            Self::Native(policy) => Self::Native(NativePolicy {
                config: object(&policy.config),
                ..policy.clone()
            }),
        }
    }
}

fn api_key(policy: &ApiKeyPolicy) -> ApiKeyPolicy {
    let mut policy = policy.clone();
    if policy.r#in == CredentialLocation::Header {
        policy.name.make_ascii_lowercase();
    }
    policy
        .keys
        .sort_by(|a, b| (&a.consumer, &a.secret_ref).cmp(&(&b.consumer, &b.secret_ref)));
    policy
}

fn basic(policy: &BasicPolicy) -> BasicPolicy {
    let mut policy = policy.clone();
    policy.users.sort_by(|a, b| a.username.cmp(&b.username));
    policy
}

fn jwt(policy: &JwtPolicy) -> JwtPolicy {
    let mut policy = policy.clone();
    policy.audiences = set(&policy.audiences);
    policy.required_scopes = set(&policy.required_scopes);
    policy
        .algorithms
        .sort_unstable_by_key(|algorithm| *algorithm as u8);
    policy.algorithms.dedup();
    for issuer in &mut policy.also_trusted {
        issuer.audiences = set(&issuer.audiences);
    }
    policy.also_trusted.sort_unstable();
    policy.also_trusted.dedup();
    policy
}

fn oauth2(policy: &OAuth2Policy) -> OAuth2Policy {
    OAuth2Policy {
        audiences: set(&policy.audiences),
        required_scopes: set(&policy.required_scopes),
        ..policy.clone()
    }
}

/// A set of certificates in PEM. One is the same however its text is broken into lines.
pub(crate) fn certificates(texts: &[String]) -> Vec<String> {
    let lines = |text: &String| {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.collect::<Vec<_>>().join("\n")
    };
    set(&texts.iter().map(lines).collect::<Vec<_>>())
}

fn mtls(policy: &MtlsPolicy) -> MtlsPolicy {
    MtlsPolicy {
        authorities: certificates(&policy.authorities),
        allowed_names: set(&policy.allowed_names),
    }
}

fn ext_authz(policy: &ExtAuthzPolicy) -> ExtAuthzPolicy {
    ExtAuthzPolicy {
        request_headers: set(&lower(&policy.request_headers)),
        upstream_headers: set(&lower(&policy.upstream_headers)),
        consumer_header: policy
            .consumer_header
            .as_ref()
            .map(|name| name.to_ascii_lowercase()),
        ..policy.clone()
    }
}

fn ext_wasm(policy: &ExtWasmPolicy) -> ExtWasmPolicy {
    ExtWasmPolicy {
        sha256: policy.sha256.to_ascii_lowercase(),
        config: object(&policy.config),
        ..policy.clone()
    }
}

fn ip_filter(policy: &IpFilterPolicy) -> IpFilterPolicy {
    let networks = |texts: &[String]| {
        let spelled = |text: &String| {
            text.parse::<Network>()
                .map_or_else(|_| text.clone(), |network| network.to_string())
        };
        set(&texts.iter().map(spelled).collect::<Vec<_>>())
    };
    IpFilterPolicy {
        allow: networks(&policy.allow),
        deny: networks(&policy.deny),
    }
}

fn request_validate(policy: &RequestValidatePolicy) -> RequestValidatePolicy {
    RequestValidatePolicy {
        required_headers: set(&lower(&policy.required_headers)),
        required_query: set(&policy.required_query),
        content_types: set(&lower(&policy.content_types)),
        body_schema: policy.body_schema.as_ref().map(object),
        definition: parts(&policy.definition),
        expanded: policy.expanded.clone(),
    }
}

/// What looks into a body looks at its type, too.
fn parts(written: &[DefinitionPart]) -> Vec<DefinitionPart> {
    let mut parts = written.to_vec();
    parts.sort_unstable();
    parts.dedup();
    if parts.contains(&DefinitionPart::Body) {
        parts.retain(|part| *part != DefinitionPart::ContentType);
    }
    parts
}

fn rate_limit(policy: &RateLimitPolicy) -> RateLimitPolicy {
    let mut limits = policy.limits.clone();
    limits.sort_unstable_by_key(|limit| (limit.per.seconds(), limit.requests));
    limits.dedup();
    RateLimitPolicy {
        limits,
        key: key(&policy.key),
    }
}

fn key(key: &RateLimitKey) -> RateLimitKey {
    match key {
        RateLimitKey::Header(name) => RateLimitKey::Header(name.to_ascii_lowercase()),
        other => other.clone(),
    }
}

fn cors(policy: &CorsPolicy) -> CorsPolicy {
    CorsPolicy {
        allow_origins: set(&lower(&policy.allow_origins)),
        allow_methods: set(&policy.allow_methods),
        allow_headers: set(&lower(&policy.allow_headers)),
        expose_headers: set(&lower(&policy.expose_headers)),
        ..policy.clone()
    }
}

fn rewrite(policy: &RewritePolicy) -> RewritePolicy {
    RewritePolicy {
        query: QueryChanges {
            remove: set(&policy.query.remove),
            set: policy.query.set.clone(),
        },
        ..policy.clone()
    }
}

/// What is removed one after the other stays in its order.
fn body_transform(change: &BodyTransform) -> BodyTransform {
    BodyTransform {
        set: change
            .set
            .iter()
            .map(|(place, value)| (place.clone(), canonical::canonical(value)))
            .collect(),
        template: change.template.as_ref().map(canonical::canonical),
        ..change.clone()
    }
}

fn retry(policy: &RetryPolicy) -> RetryPolicy {
    let mut policy = policy.clone();
    policy.on.sort_unstable();
    policy.on.dedup();
    policy.statuses.sort_unstable();
    policy.statuses.dedup();
    policy.methods = set(&policy.methods);
    policy
}

fn cache(policy: &CachePolicy) -> CachePolicy {
    CachePolicy {
        vary_query: policy.vary_query.as_deref().map(set),
        vary_headers: set(&lower(&policy.vary_headers)),
        ..policy.clone()
    }
}

fn changes(changes: &HeaderChanges) -> HeaderChanges {
    HeaderChanges {
        remove: set(&lower(&changes.remove)),
        set: names(&changes.set),
        add: names(&changes.add),
    }
}

fn names(pairs: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
        .collect()
}

fn object(fields: &Map<String, Value>) -> Map<String, Value> {
    match canonical::canonical(&Value::Object(fields.clone())) {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn lower(texts: &[String]) -> Vec<String> {
    texts.iter().map(|text| text.to_ascii_lowercase()).collect()
}

fn set(texts: &[String]) -> Vec<String> {
    let mut texts = texts.to_vec();
    texts.sort_unstable();
    texts.dedup();
    texts
}
