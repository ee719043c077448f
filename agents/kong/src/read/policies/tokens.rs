//! Tokens that somebody else vouches for: `openid-connect`, where its configuration says no more than a policy.
//!
//! The plugin does many things beside. It is read where bearer tokens are all that it takes and nothing of the issuer is
//! discovered; fields that concern sessions, logins and caches then say nothing.

use gatehouse_connector_sdk::schemas::{
    observed::resource_name,
    policy::{JwtAlgorithm, JwtPolicy, OAuth2Policy, Policy},
};

use serde_json::{Value, json};

use super::{Reading, config::Config};
use crate::entities::Entity;

/// Beginnings of the names of fields that say nothing where bearer tokens are all that is taken.
const ELSEWHERE: [&str; 16] = [
    "authorization_",
    "cache_",
    "client_credentials_",
    "cluster_cache_",
    "discovery_",
    "id_token_",
    "login_",
    "logout_",
    "password_",
    "redis",
    "rediscovery_",
    "refresh_",
    "response_",
    "revocation_",
    "session_",
    "token_",
];

/// Fields that a policy says.
const SAID: [&str; 13] = [
    "audience_required",
    "auth_methods",
    "bearer_token_param_type",
    "client_id",
    "client_secret",
    "extra_jwks_uris",
    "introspection_endpoint",
    "issuer",
    "issuers_allowed",
    "leeway",
    "scopes_required",
    "scopes",
    "using_pseudo_issuer",
];

/// The other fields that are not empty where nobody says anything.
fn defaults() -> Value {
    json!({
        "audience_claim": ["aud"],
        "client_arg": "client_id",
        "consumer_by": ["username", "custom_id"],
        "credential_claim": ["sub"],
        "dpop_proof_lifetime": 300,
        "expose_error_code": true,
        "forbidden_destroy_session": true,
        "forbidden_error_message": "Forbidden",
        "groups_claim": ["groups"],
        "http_version": 1.1,
        "introspection_accept": "application/json",
        "introspection_check_active": true,
        "introspection_hint": "access_token",
        "introspection_token_param_name": "token",
        "jwt_session_claim": "sid",
        "keepalive": true,
        "proof_of_possession_auth_methods_validation": true,
        "proof_of_possession_dpop": "off",
        "proof_of_possession_mtls": "off",
        "roles_claim": ["roles"],
        "run_on_preflight": true,
        "scopes_claim": ["scope"],
        "timeout": 10000,
        "tls_client_auth_ssl_verify": true,
        "unauthorized_destroy_session": true,
        "unauthorized_error_message": "Unauthorized",
        "upstream_access_token_header": "authorization:bearer",
        "userinfo_accept": "application/json",
        "verify_claims": true,
        "verify_nonce": true,
        "verify_signature": true,
    })
}

/// What the plugin signs in with by keys of its issuer: all that are asymmetric.
const ALGORITHMS: [JwtAlgorithm; 9] = [
    JwtAlgorithm::RS256,
    JwtAlgorithm::RS384,
    JwtAlgorithm::RS512,
    JwtAlgorithm::PS256,
    JwtAlgorithm::PS384,
    JwtAlgorithm::PS512,
    JwtAlgorithm::ES256,
    JwtAlgorithm::ES384,
    JwtAlgorithm::EdDSA,
];

/// Signed or opaque tokens.
pub(super) fn tokens(plugin: &Entity, reading: Reading<'_, '_>) -> Result<Policy, String> {
    let config = Config::of(plugin);
    let elsewhere = config
        .fields()
        .filter(|field| ELSEWHERE.iter().any(|begin| field.starts_with(begin)));
    config.says_only(&elsewhere.chain(SAID).collect::<Vec<_>>(), &defaults())?;
    if !config.flag("using_pseudo_issuer", false) {
        return Err("what its issuer publishes is discovered, and not written there".to_owned());
    }
    if config.list("bearer_token_param_type") != ["header"] {
        return Err("it takes tokens elsewhere than in the header `authorization`".to_owned());
    }
    match config.list("auth_methods")[..] {
        ["bearer"] => signed(config),
        ["introspection"] => opaque(config, reading.api),
        _ => Err("it takes more than bearer tokens".to_owned()),
    }
}

fn signed(config: Config<'_>) -> Result<Policy, String> {
    let [issuer] = config.list("issuers_allowed")[..] else {
        return Err("it takes tokens of none or several issuers".to_owned());
    };
    let [jwks_uri] = config.list("extra_jwks_uris")[..] else {
        return Err("it has none or several places of keys".to_owned());
    };
    let audiences = audiences(config)?;
    if audiences.is_empty() {
        return Err("it does not ask for an audience".to_owned());
    }
    let leeway = u32::try_from(config.number("leeway").unwrap_or(0))
        .ok()
        .filter(|seconds| *seconds <= 600);
    Ok(Policy::AuthJwt(JwtPolicy {
        issuer: issuer.to_owned(),
        audiences,
        jwks_uri: jwks_uri.to_owned(),
        algorithms: ALGORITHMS.to_vec(),
        required_scopes: scopes(config)?,
        clock_skew_seconds: leeway.ok_or("`leeway` is beyond reach")?,
        also_trusted: Vec::new(),
    }))
}

fn opaque(config: Config<'_>, api: &str) -> Result<Policy, String> {
    let url = config
        .text("introspection_endpoint")
        .ok_or("where it asks about tokens is discovered")?;
    let [client_id] = config.list("client_id")[..] else {
        return Err("it asks about tokens as none or several clients".to_owned());
    };
    let kept = match config.flag("cache_introspection", true) {
        false => 0,
        true => config
            .number("cache_ttl_max")
            .filter(|seconds| *seconds <= 3_600)
            .ok_or("it keeps answers too long")?,
    };
    Ok(Policy::AuthOAuth2(OAuth2Policy {
        introspection_url: url.to_owned(),
        client_id: client_id.to_owned(),
        client_secret_ref: resource_name(&format!("{api}-client-secret"))
            .ok_or("no secret can be named after it")?,
        audiences: audiences(config)?,
        required_scopes: scopes(config)?,
        cache_seconds: u32::try_from(kept).unwrap_or(0),
    }))
}

/// Scopes in one text must all be there; several texts are alternatives.
fn scopes(config: Config<'_>) -> Result<Vec<String>, String> {
    match config.list("scopes_required")[..] {
        [] => Ok(Vec::new()),
        [all] => Ok(all.split_whitespace().map(str::to_owned).collect()),
        _ => Err("it asks for one of several scopes".to_owned()),
    }
}

/// Audiences in one text must all be there; several texts are alternatives.
fn audiences(config: Config<'_>) -> Result<Vec<String>, String> {
    let audiences = config.list("audience_required");
    if audiences.iter().any(|audience| audience.contains(' ')) {
        return Err("it asks for several audiences at once".to_owned());
    }
    Ok(audiences.into_iter().map(str::to_owned).collect())
}
