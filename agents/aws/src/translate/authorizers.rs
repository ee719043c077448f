//! Who may call: API keys, and authorizers that check tokens.

use gatehouse_connector_sdk::schemas::{
    descriptor::Fidelity,
    policy::{ApiKeyPolicy, CredentialLocation, JwtAlgorithm, JwtPolicy, OAuth2Policy, Policy},
};
use serde_json::{Map, Value, json};

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
    let digest = gatehouse_connector_sdk::schemas::canonical::Fingerprint::of_value(&definition).to_string();
    let digest: String = digest
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .rev()
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
    let (partition, region) = (settings.partition(), &settings.region);
    format!("arn:{partition}:apigateway:{region}:lambda:path/2015-03-31/functions/{function}/invocations")
}

/// How tokens are checked.
enum Way<'a> {
    /// By the HTTP API itself.
    Native,
    /// By a Cognito user pool, by its resource name.
    Cognito(String),
    /// By a Lambda function.
    Lambda(&'a LambdaAuthorizer),
}

fn way<'a>(scene: Scene<'a>, jwt: &JwtPolicy) -> Result<Way<'a>, String> {
    let lambda = scene
        .settings
        .jwt_authorizer
        .as_ref()
        .filter(|lambda| is_usable(scene.kind, lambda));
    let own = match scene.kind {
        Kind::Http => checked_natively(jwt).map(|()| Way::Native),
        Kind::Rest => cognito(scene.settings, jwt),
    };
    match (own, lambda) {
        (Ok(way), _) => Ok(way),
        (Err(_), Some(lambda)) => Ok(Way::Lambda(lambda)),
        (Err(reason), None) => Err(format!(
            "{reason}; name a Lambda function that checks tokens in the setting `jwtAuthorizer`"
        )),
    }
}

/// HTTP APIs know functions that get the whole request only.
fn is_usable(kind: Kind, lambda: &LambdaAuthorizer) -> bool {
    kind == Kind::Rest || lambda.r#type == "request"
}

/// Why an HTTP API cannot check such tokens.
fn checked_natively(jwt: &JwtPolicy) -> Result<(), String> {
    let issuer = jwt.issuer.strip_prefix("https://").unwrap_or_default();
    if issuer.is_empty() || issuer.contains(['?', '#']) {
        return Err(format!(
            "API Gateway takes an issuer that is an `https` URL, which `{}` is not",
            jwt.issuer
        ));
    }
    if !jwt.algorithms.iter().any(|algorithm| RSA.contains(algorithm)) {
        return Err("API Gateway checks RSA signatures (RS256, RS384, RS512) only".to_owned());
    }
    if !publishes(&jwt.issuer, &jwt.jwks_uri) {
        return Err(format!(
            "API Gateway takes keys from where the issuer's `/.well-known/openid-configuration` says, and `{}` is on another host than the issuer",
            jwt.jwks_uri
        ));
    }
    if jwt.audiences.len() > 50 {
        return Err("API Gateway takes at most 50 audiences".to_owned());
    }
    one_scope(jwt)
}

const RSA: [JwtAlgorithm; 3] = [JwtAlgorithm::RS256, JwtAlgorithm::RS384, JwtAlgorithm::RS512];

/// One of several scopes is enough for AWS, so that callers with one right would get what takes two.
fn one_scope(jwt: &JwtPolicy) -> Result<(), String> {
    match jwt.required_scopes.len() {
        0 | 1 => Ok(()),
        _ => Err("API Gateway lets in tokens with one of several scopes, not only those with all; require one scope".to_owned()),
    }
}

/// Whether keys at a URL are taken for those that an issuer's own configuration names: they are on its host. Google
/// alone is known to publish elsewhere.
fn publishes(issuer: &str, jwks_uri: &str) -> bool {
    let google = issuer == "https://accounts.google.com" && host(jwks_uri) == Some("www.googleapis.com");
    google || host(issuer) == host(jwks_uri)
}

fn host(url: &str) -> Option<&str> {
    url.strip_prefix("https://")?.split(['/', '?']).next()
}

fn cognito<'a>(settings: &AwsSettings, jwt: &JwtPolicy) -> Result<Way<'a>, String> {
    let pool = settings
        .cognito_user_pool_arns
        .iter()
        .find(|pool| issuer_of(pool).as_ref() == Some(&jwt.issuer));
    let Some(pool) = pool else {
        return Err(format!(
            "REST APIs check tokens of Cognito user pools, and none of the setting `cognitoUserPoolArns` is the issuer `{}`",
            jwt.issuer
        ));
    };
    if !jwt.algorithms.contains(&JwtAlgorithm::RS256) {
        return Err("Cognito signs tokens with RS256 only".to_owned());
    }
    one_scope(jwt).map(|()| Way::Cognito(pool.clone()))
}

/// The issuer that a user pool is: `arn:aws:cognito-idp:REGION:ACCOUNT:userpool/ID`.
fn issuer_of(pool: &str) -> Option<String> {
    let mut parts = pool.split(':').skip(1);
    let (partition, service, region) = (parts.next()?, parts.next()?, parts.next()?);
    let id = parts.nth(1)?.strip_prefix("userpool/")?;
    let suffix = if partition == "aws-cn" {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    (service == "cognito-idp").then(|| format!("https://cognito-idp.{region}.{suffix}/{id}"))
}

/// How faithfully keys are checked.
pub(super) fn of_keys(scene: Scene<'_>, keys: &ApiKeyPolicy, before: &[&Policy]) -> Fidelity {
    if let Err(unsupported) = only_rest(scene, "know no API keys") {
        return unsupported;
    }
    if keys.r#in != CredentialLocation::Header || !keys.name.eq_ignore_ascii_case(KEY_HEADER) {
        return unsupported("API Gateway looks for keys in the header `x-api-key` only");
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

/// How faithfully tokens are checked.
pub(super) fn of_jwt(scene: Scene<'_>, jwt: &JwtPolicy, before: &[&Policy]) -> Fidelity {
    if let Err(second) = only_one(before) {
        return second;
    }
    match way(scene, jwt) {
        Err(reason) => unsupported(reason),
        Ok(Way::Native) => with(&differences(jwt)),
        Ok(Way::Cognito(_)) => with(&[COGNITO]),
        Ok(Way::Lambda(lambda)) => with(&[format!(
            "the function `{}` decides, and checks what it was written to check",
            lambda.function_arn
        )]),
    }
}

const COGNITO: &str = "the Cognito authorizer takes tokens of every app client of the user pool, whatever `audiences` says, knows no tolerance of clocks, and takes access tokens only where a scope is required, and identity tokens only where none is";

fn differences(jwt: &JwtPolicy) -> Vec<String> {
    let mut differences = vec![
        "keys are those that the issuer's `/.well-known/openid-configuration` names, kept for two hours"
            .to_owned(),
        "a token without `aud` is let in if its `client_id` is one of `audiences`".to_owned(),
    ];
    let other: Vec<String> = jwt
        .algorithms
        .iter()
        .filter(|algorithm| !RSA.contains(algorithm))
        .map(|algorithm| format!("{algorithm:?}"))
        .collect();
    if !other.is_empty() {
        differences.push(format!("tokens signed with {} are refused", other.join(", ")));
    }
    if RSA.iter().any(|algorithm| !jwt.algorithms.contains(algorithm)) {
        differences.push("every RSA algorithm that the issuer's keys allow is taken".to_owned());
    }
    if jwt.clock_skew_seconds > 0 {
        differences.push("no difference of clocks is tolerated".to_owned());
    }
    differences
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
        Policy::Native(native) => ["authorizer", "authorization"]
            .iter()
            .any(|name| native.config.contains_key(*name)),
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
