//! The canonical form of policies: lists that are sets sorted, names that ignore case in lower case.

use std::collections::BTreeMap;

use super::{ApiKeyPolicy, CorsPolicy, CredentialLocation, HeaderChanges, HeadersPolicy, JwtPolicy, Policy};

impl Policy {
    /// The same policy in its one spelling.
    #[must_use]
    pub fn canonical(&self) -> Self {
        match self {
            Self::AuthApiKey(policy) => Self::AuthApiKey(api_key(policy)),
            Self::AuthJwt(policy) => Self::AuthJwt(jwt(policy)),
            Self::Cors(policy) => Self::Cors(cors(policy)),
            Self::Headers(policy) => Self::Headers(HeadersPolicy {
                request: changes(&policy.request),
                response: changes(&policy.response),
            }),
            Self::RequestSize(policy) => Self::RequestSize(policy.clone()),
            Self::RateLimit(policy) => {
                let mut policy = policy.clone();
                policy
                    .limits
                    .sort_unstable_by_key(|limit| (limit.per.seconds(), limit.requests));
                policy.limits.dedup();
                if let super::RateLimitKey::Header(name) = &mut policy.key {
                    name.make_ascii_lowercase();
                }
                Self::RateLimit(policy)
            }
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

fn jwt(policy: &JwtPolicy) -> JwtPolicy {
    let mut policy = policy.clone();
    policy.audiences = set(&policy.audiences);
    policy.required_scopes = set(&policy.required_scopes);
    policy
        .algorithms
        .sort_unstable_by_key(|algorithm| *algorithm as u8);
    policy.algorithms.dedup();
    policy
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

fn changes(changes: &HeaderChanges) -> HeaderChanges {
    let names = |pairs: &BTreeMap<String, String>| {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
            .collect()
    };
    HeaderChanges {
        remove: set(&lower(&changes.remove)),
        set: names(&changes.set),
        add: names(&changes.add),
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
