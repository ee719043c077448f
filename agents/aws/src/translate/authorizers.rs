//! Who may call: API keys, and authorizers that check tokens.

mod tokens;

use gatehouse_connector_sdk::schemas::{
    canonical::Fingerprint,
    descriptor::Fidelity,
    policy::{ApiKeyPolicy, CredentialLocation, JwtPolicy, OAuth2Policy, Policy},
};
use serde_json::{Map, Value, json};

pub(super) use self::tokens::of_jwt;
use self::tokens::{Way, is_usable, way};
use super::{
    Kind,
    judge::{only_rest, unsupported, with},
    native,
    scene::Scene,
};
use crate::config::{AwsSettings, LambdaAuthorizer};

/// The one header in which AWS looks for keys.
pub(super) const KEY_HEADER: &str = "x-api-key";
/// The security scheme of keys.
const KEY_SCHEME: &str = "apiKey";

/// The security schemes that a place asks for, by name, with what each is and the scopes asked for.
pub(super) fn schemes(scene: Scene<'_>, policies: &[&Policy]) -> Vec<Scheme> {
    policies
        .iter()
        .flat_map(|policy| schemes_of(scene, policy))
        .collect()
}

/// A security scheme at a place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scheme {
    pub(super) name: String,
    pub(super) definition: Value,
    pub(super) scopes: Vec<String>,
}

fn schemes_of(scene: Scene<'_>, policy: &Policy) -> Vec<Scheme> {
    match policy {
        Policy::AuthApiKey(_) => vec![key_scheme()],
        Policy::AuthJwt(jwt) => of_tokens(scene, jwt).into_iter().collect(),
        Policy::AuthOAuth2(oauth2) => {
            let lambda = scene.settings.oauth2_authorizer.iter();
            let ttl = |lambda: &LambdaAuthorizer| lambda.ttl_seconds.min(oauth2.cache_seconds);
            lambda
                .map(|lambda| named("lambda", lambda_scheme(scene, lambda, ttl(lambda)), Vec::new()))
                .collect()
        }
        Policy::Native(native) => {
            let asks_for_key = native.config.contains_key("apiKeyRequired");
            let own = native::scheme(policy);
            let own = own.map(|(name, definition, scopes)| Scheme {
                name,
                definition,
                scopes,
            });
            asks_for_key.then(key_scheme).into_iter().chain(own).collect()
        }
        _ => Vec::new(),
    }
}

fn of_tokens(scene: Scene<'_>, jwt: &JwtPolicy) -> Option<Scheme> {
    let (prefix, definition) = jwt_authorizer(scene, jwt)?;
    let scopes = jwt.required_scopes.clone();
    let scopes = if prefix == "lambda" { Vec::new() } else { scopes };
    Some(named(prefix, definition, scopes))
}

fn key_scheme() -> Scheme {
    Scheme {
        name: KEY_SCHEME.to_owned(),
        definition: json!({"type": "apiKey", "name": KEY_HEADER, "in": "header"}),
        scopes: Vec::new(),
    }
}

/// A scheme is called by what it is, so that equal ones are one authorizer on AWS.
fn named(prefix: &str, definition: Value, scopes: Vec<String>) -> Scheme {
    let digest = Fingerprint::of_value(&definition).to_string();
    let digest: String = digest
        .rsplit(':')
        .next()
        .unwrap_or_default()
        .chars()
        .take(8)
        .collect();
    Scheme {
        name: format!("{prefix}-{digest}"),
        definition,
        scopes,
    }
}

fn jwt_authorizer(scene: Scene<'_>, jwt: &JwtPolicy) -> Option<(&'static str, Value)> {
    match way(scene, jwt).ok()? {
        Way::Native => Some(("jwt", native_scheme(jwt))),
        Way::Cognito(pool) => Some(("cognito", cognito_scheme(&pool))),
        Way::Lambda(lambda) => Some(("lambda", lambda_scheme(scene, lambda, lambda.ttl_seconds))),
    }
}

fn native_scheme(jwt: &JwtPolicy) -> Value {
    json!({
        "type": "oauth2",
        "flows": {},
        "x-amazon-apigateway-authorizer": {
            "type": "jwt",
            "jwtConfiguration": {"issuer": jwt.issuer, "audience": jwt.audiences},
            "identitySource": "$request.header.Authorization",
        },
    })
}

fn cognito_scheme(pool: &str) -> Value {
    json!({
        "type": "apiKey",
        "name": "Authorization",
        "in": "header",
        "x-amazon-apigateway-authtype": "cognito_user_pools",
        "x-amazon-apigateway-authorizer": {"type": "cognito_user_pools", "providerARNs": [pool]},
    })
}

fn lambda_scheme(scene: Scene<'_>, lambda: &LambdaAuthorizer, ttl_seconds: u32) -> Value {
    let mut authorizer = Map::new();
    authorizer.insert("type".to_owned(), json!(lambda.r#type));
    authorizer.insert(
        "authorizerUri".to_owned(),
        json!(invocation_uri(scene.settings, &lambda.function_arn)),
    );
    authorizer.insert("authorizerResultTtlInSeconds".to_owned(), json!(ttl_seconds));
    if let Some(role) = &lambda.invoke_role_arn {
        authorizer.insert("authorizerCredentials".to_owned(), json!(role));
    }
    let source = match scene.kind {
        Kind::Rest => lambda.identity_source.clone(),
        Kind::Http => lambda.identity_source.replace("method.request.", "$request."),
    };
    authorizer.insert("identitySource".to_owned(), json!(source));
    let mut scheme = json!({"type": "apiKey", "name": "Authorization", "in": "header"});
    if scene.kind == Kind::Http {
        authorizer.insert("authorizerPayloadFormatVersion".to_owned(), json!("1.0"));
    } else {
        scheme["x-amazon-apigateway-authtype"] = json!("custom");
    }
    scheme["x-amazon-apigateway-authorizer"] = Value::Object(authorizer);
    scheme
}

fn invocation_uri(settings: &AwsSettings, function: &str) -> String {
    let (partition, region) = (settings.partition().name, &settings.region);
    format!("arn:{partition}:apigateway:{region}:lambda:path/2015-03-31/functions/{function}/invocations")
}

/// How faithfully keys are checked.
pub(super) fn of_keys(scene: Scene<'_>, keys: &ApiKeyPolicy, before: &[&Policy]) -> Fidelity {
    if let Err(unsupported) = only_rest(scene, "know no API keys") {
        return unsupported;
    }
    if keys.r#in != CredentialLocation::Header || !keys.name.eq_ignore_ascii_case(KEY_HEADER) {
        return unsupported("API Gateway looks for keys in the header `x-api-key` only");
    }
    if keys.keys.iter().any(|key| key.expires_at.is_some()) {
        return unsupported("keys of API Gateway do not expire; take the key out when its time has come");
    }
    if before.iter().any(|other| matches!(other, Policy::AuthApiKey(_))) {
        return unsupported("API Gateway checks one key of a request; keep one `auth.apiKey` at a place");
    }
    if scene.keys().is_some_and(|first| first.keys != keys.keys) {
        return unsupported(
            "a key of API Gateway opens all that a stage serves; use the same keys in every `auth.apiKey` of the API, or make it several APIs",
        );
    }
    // One that is not to be forwarded is hidden: the upstream gets another value in its place.
    Fidelity::Exact
}

/// How faithfully an authorization server is asked.
pub(super) fn of_oauth2(scene: Scene<'_>, oauth2: &OAuth2Policy, before: &[&Policy]) -> Fidelity {
    if let Err(second) = only_one(before) {
        return second;
    }
    let Some(lambda) = &scene.settings.oauth2_authorizer else {
        return unsupported(
            "API Gateway asks no authorization server; name a Lambda function that does in the setting `oauth2Authorizer`",
        );
    };
    if !is_usable(scene.kind, lambda) {
        return unsupported(
            "HTTP APIs know Lambda authorizers of type `request` only; change `oauth2Authorizer`, or set `kind` to `rest`",
        );
    }
    let function = &lambda.function_arn;
    let mut differences = vec![format!(
        "the function `{function}` decides, and asks whom and checks what it was written to"
    )];
    if lambda.ttl_seconds < oauth2.cache_seconds {
        differences.push(format!("its answers are kept for {} seconds", lambda.ttl_seconds));
    }
    with(&differences)
}

fn only_one(before: &[&Policy]) -> Result<(), Fidelity> {
    let is_authorizer = |policy: &&&Policy| match policy {
        Policy::AuthJwt(_) | Policy::AuthOAuth2(_) => true,
        Policy::Native(native) => native::asks(native),
        _ => false,
    };
    match before.iter().find(is_authorizer) {
        None => Ok(()),
        Some(other) => Err(unsupported(format!(
            "API Gateway has one authorizer at a method, and `{}` is there already",
            other.type_name()
        ))),
    }
}
