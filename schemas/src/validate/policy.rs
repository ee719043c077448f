//! The rules of policies.

use std::collections::BTreeSet;

use super::{headers, metadata, note, url};
use crate::{
    issue::Issue,
    policy::{
        ApiKeyPolicy, CorsPolicy, CredentialLocation, JwtPolicy, Policy, RateLimitKey, RateLimitPolicy,
    },
    resource::{PolicySpec, PolicyTarget},
};

/// Everything that is wrong with a reusable set of policies.
pub(crate) fn policy_set(spec: &PolicySpec, at: &str) -> Vec<Issue> {
    let mut issues = policies(&spec.policies, &format!("{at}/policies"));
    not_empty(
        &mut issues,
        spec.targets.len(),
        &format!("{at}/targets"),
        "target",
    );
    not_empty(
        &mut issues,
        spec.policies.len(),
        &format!("{at}/policies"),
        "policy",
    );
    for (index, target) in spec.targets.iter().enumerate() {
        let PolicyTarget::Labels(wanted) = target else {
            continue;
        };
        let place = format!("{at}/targets/{index}/labels");
        not_empty(&mut issues, wanted.len(), &place, "label");
        issues.extend(metadata::labels(wanted, &place));
    }
    issues
}

/// Everything that is wrong with policies in their order.
pub(super) fn policies(policies: &[Policy], at: &str) -> Vec<Issue> {
    let mut issues = Vec::new();
    for (index, policy) in policies.iter().enumerate() {
        one(policy, &format!("{at}/{index}/with"), &mut issues);
    }
    issues
}

fn one(policy: &Policy, at: &str, issues: &mut Vec<Issue>) {
    match policy {
        Policy::AuthApiKey(policy) => api_key(policy, at, issues),
        Policy::AuthJwt(policy) => jwt(policy, at, issues),
        Policy::Cors(policy) => cors(policy, at, issues),
        Policy::Headers(policy) => {
            headers::changes(&policy.request, &format!("{at}/request"), issues);
            headers::changes(&policy.response, &format!("{at}/response"), issues);
        }
        Policy::RequestSize(_) => {}
        Policy::RateLimit(policy) => rate_limit(policy, at, issues),
    }
}

fn not_empty(issues: &mut Vec<Issue>, length: usize, at: &str, what: &str) {
    if length == 0 {
        issues.push(Issue::new(at, format!("needs at least one {what}")));
    }
}

fn api_key(policy: &ApiKeyPolicy, at: &str, issues: &mut Vec<Issue>) {
    not_empty(issues, policy.keys.len(), &format!("{at}/keys"), "key");
    let place = format!("{at}/name");
    match policy.r#in {
        CredentialLocation::Header => note(issues, place, headers::name(&policy.name)),
        CredentialLocation::Query if policy.name.is_empty() => {
            issues.push(Issue::new(place, "the query parameter needs a name"));
        }
        CredentialLocation::Query => {}
    }
    let mut seen = BTreeSet::new();
    for (index, key) in policy.keys.iter().enumerate() {
        if !seen.insert(&key.secret_ref) {
            issues.push(Issue::new(
                format!("{at}/keys/{index}/secretRef"),
                format!(
                    "secret `{}` is listed twice; a key must tell one consumer from another",
                    key.secret_ref
                ),
            ));
        }
    }
}

fn jwt(policy: &JwtPolicy, at: &str, issues: &mut Vec<Issue>) {
    if policy.issuer.is_empty() {
        issues.push(Issue::new(format!("{at}/issuer"), "the issuer cannot be empty"));
    }
    not_empty(
        issues,
        policy.audiences.len(),
        &format!("{at}/audiences"),
        "audience",
    );
    not_empty(
        issues,
        policy.algorithms.len(),
        &format!("{at}/algorithms"),
        "algorithm",
    );
    note(issues, format!("{at}/jwksUri"), url::key_url(&policy.jwks_uri));
    if policy.clock_skew_seconds > 600 {
        issues.push(Issue::new(
            format!("{at}/clockSkewSeconds"),
            "at most 600 seconds",
        ));
    }
    for (field, texts) in [
        ("audiences", &policy.audiences),
        ("requiredScopes", &policy.required_scopes),
    ] {
        for (index, text) in texts.iter().enumerate() {
            if text.is_empty() || (field == "requiredScopes" && text.contains(char::is_whitespace)) {
                issues.push(Issue::new(format!("{at}/{field}/{index}"), "expected one word"));
            }
        }
    }
}

fn cors(policy: &CorsPolicy, at: &str, issues: &mut Vec<Issue>) {
    not_empty(
        issues,
        policy.allow_origins.len(),
        &format!("{at}/allowOrigins"),
        "origin",
    );
    for (index, text) in policy.allow_origins.iter().enumerate() {
        note(issues, format!("{at}/allowOrigins/{index}"), allowed_origin(text));
    }
    if policy.allow_credentials && policy.allow_origins.iter().any(|origin| origin == "*") {
        issues.push(Issue::new(
            format!("{at}/allowCredentials"),
            "credentials cannot be allowed for origin `*`: any site could act for its visitors; list the origins",
        ));
    }
    for (index, text) in policy.allow_methods.iter().enumerate() {
        note(issues, format!("{at}/allowMethods/{index}"), method(text));
    }
    for (field, names) in [
        ("allowHeaders", &policy.allow_headers),
        ("exposeHeaders", &policy.expose_headers),
    ] {
        for (index, text) in names.iter().enumerate() {
            note(issues, format!("{at}/{field}/{index}"), headers::name(text));
        }
    }
}

/// An origin as in the Fetch standard, with `*` alone or as the first label.
fn allowed_origin(text: &str) -> Result<(), String> {
    let example = "for example `https://shop.example.com`, `https://*.example.com` or `*`";
    if text == "*" {
        return Ok(());
    }
    let plain = text.replacen("://*.", "://", 1);
    let uri = url::http_url(&plain)?;
    if plain.contains('*') {
        return Err(format!("`*` stands only for the first label, {example}"));
    }
    if uri.query().is_some() || plain.matches('/').count() != 2 {
        return Err(format!("an origin is scheme, host and port only, {example}"));
    }
    Ok(())
}

/// A method: an HTTP token in capitals.
pub(super) fn method(text: &str) -> Result<(), String> {
    let valid = http::Method::from_bytes(text.as_bytes()).is_ok();
    if !valid || text.is_empty() {
        return Err(format!("`{text}` is not an HTTP method"));
    }
    if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Err(format!(
            "methods are written in capitals: `{}`",
            text.to_ascii_uppercase()
        ));
    }
    Ok(())
}

fn rate_limit(policy: &RateLimitPolicy, at: &str, issues: &mut Vec<Issue>) {
    not_empty(issues, policy.limits.len(), &format!("{at}/limits"), "limit");
    for (index, limit) in policy.limits.iter().enumerate() {
        if limit.requests == 0 {
            issues.push(Issue::new(
                format!("{at}/limits/{index}/requests"),
                "at least 1; to refuse every request, undeploy the API",
            ));
        }
    }
    if let RateLimitKey::Header(header) = &policy.key {
        note(issues, format!("{at}/key/header"), headers::name(header));
    }
}
