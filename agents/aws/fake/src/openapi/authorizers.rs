//! Authorizers of a document, and what security a method has by them.

use serde_json::{Value, json};

use super::import::Import;
use crate::place::{Entity, entity, new_id, text};

const AUTHORIZER: &str = "x-amazon-apigateway-authorizer";
const AUTHTYPE: &str = "x-amazon-apigateway-authtype";

/// Takes in the security schemes that name an authorizer.
pub(super) fn import(import: &mut Import<'_>) {
    for (name, scheme) in import.document.security_schemes() {
        let Some(said) = scheme.get(AUTHORIZER) else {
            continue;
        };
        match authorizer(&name, &scheme, said) {
            Ok(mut made) => {
                let known = named(import, &name).map(|one| text(one, "id").to_owned());
                let id = known.unwrap_or_else(|| new_id(6));
                made.insert("id".to_owned(), Value::from(id.as_str()));
                import.definition.authorizers.insert(id, made);
            }
            Err(why) => import
                .errors
                .push(format!("Unable to create authorizer '{name}': {why}")),
        }
    }
}

fn named<'a>(import: &'a Import<'_>, name: &str) -> Option<&'a Entity> {
    let mut all = import.definition.authorizers.values();
    all.find(|one| text(one, "name") == name)
}

fn authorizer(name: &str, scheme: &Value, said: &Value) -> Result<Entity, String> {
    let kind = said.get("type").and_then(Value::as_str).unwrap_or_default();
    let authtype = scheme.get(AUTHTYPE).and_then(Value::as_str);
    let header = scheme
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or("Authorization");
    let source = format!("method.request.header.{header}");
    let mut made = entity(json!({ "name": name, "type": kind.to_uppercase() }));
    match kind.to_lowercase().as_str() {
        "token" | "request" => {
            check_uri(said)?;
            made.insert("authType".to_owned(), Value::from(authtype.unwrap_or("custom")));
            made.insert("authorizerResultTtlInSeconds".to_owned(), Value::from(300));
        }
        "cognito_user_pools" => {
            check_providers(said)?;
            made.insert(
                "authType".to_owned(),
                Value::from(authtype.unwrap_or("cognito_user_pools")),
            );
        }
        _ => return Err(format!("Invalid authorizer type specified: {kind}")),
    }
    if kind.to_lowercase() != "request" {
        made.insert("identitySource".to_owned(), Value::from(source));
    }
    let copied = [
        "authorizerUri",
        "authorizerCredentials",
        "identitySource",
        "identityValidationExpression",
        "authorizerResultTtlInSeconds",
        "providerARNs",
    ];
    for member in copied {
        if let Some(value) = said.get(member).filter(|value| !value.is_null()) {
            made.insert(member.to_owned(), value.clone());
        }
    }
    check_source(&made)?;
    Ok(made)
}

fn check_uri(said: &Value) -> Result<(), String> {
    let uri = said
        .get("authorizerUri")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let parts: Vec<&str> = uri.split(':').collect();
    let is_function = parts.first() == Some(&"arn")
        && parts.get(2) == Some(&"apigateway")
        && uri.contains(":lambda:path/")
        && uri.contains("/functions/arn:")
        && uri.ends_with("/invocations");
    if is_function {
        Ok(())
    } else {
        Err(format!(
            "Invalid Authorizer URI: {uri}. Authorizer URI should be a valid API Gateway ARN that represents a Lambda function invocation."
        ))
    }
}

fn check_providers(said: &Value) -> Result<(), String> {
    let providers = said.get("providerARNs").and_then(Value::as_array);
    let is_pool = |arn: &Value| {
        arn.as_str()
            .is_some_and(|arn| arn.contains(":cognito-idp:") && arn.contains(":userpool/"))
    };
    match providers {
        Some(all) if !all.is_empty() && all.iter().all(is_pool) => Ok(()),
        _ => Err("Invalid Cognito ProviderARN specified for authorizer.".to_owned()),
    }
}

/// A REQUEST authorizer whose answers are kept needs something to keep them by.
fn check_source(made: &Entity) -> Result<(), String> {
    let ttl = made
        .get("authorizerResultTtlInSeconds")
        .and_then(Value::as_i64)
        .unwrap_or(300);
    if !(0..=3600).contains(&ttl) {
        return Err("Authorizer result TTL must be between 0 and 3600 seconds".to_owned());
    }
    let needs_source = text(made, "type") == "REQUEST" && ttl > 0;
    if needs_source && text(made, "identitySource").is_empty() {
        return Err("Identity source is required when caching is enabled".to_owned());
    }
    Ok(())
}

/// Gives a method what its security requirements ask for.
pub(super) fn secure(import: &mut Import<'_>, at: &str, operation: &Value, method: &mut Entity) {
    let schemes = import.document.security_schemes();
    let requirements = operation.get("security").and_then(Value::as_array);
    for requirement in requirements.into_iter().flatten().filter_map(Value::as_object) {
        for (name, scopes) in requirement {
            let Some(scheme) = schemes.get(name) else {
                import.errors.push(format!(
                    "Unable to put method {at}: the security scheme '{name}' is not defined"
                ));
                continue;
            };
            if !secure_by(import, name, scheme, scopes, method) {
                import.warnings.push(format!(
                    "The security scheme '{name}' of method {at} has no authorizer and is ignored"
                ));
            }
        }
    }
}

/// Whether a security scheme means anything to API Gateway, which the method then has.
fn secure_by(import: &Import<'_>, name: &str, scheme: &Value, scopes: &Value, method: &mut Entity) -> bool {
    if scheme.get(AUTHTYPE).and_then(Value::as_str) == Some("awsSigv4") {
        method.insert("authorizationType".to_owned(), Value::from("AWS_IAM"));
        return true;
    }
    if let Some(authorizer) = named(import, name) {
        let pool = text(authorizer, "type") == "COGNITO_USER_POOLS";
        let kind = if pool { "COGNITO_USER_POOLS" } else { "CUSTOM" };
        method.insert("authorizationType".to_owned(), Value::from(kind));
        method.insert("authorizerId".to_owned(), authorizer["id"].clone());
        if pool && scopes.as_array().is_some_and(|scopes| !scopes.is_empty()) {
            method.insert("authorizationScopes".to_owned(), scopes.clone());
        }
        return true;
    }
    let header = scheme.get("name").and_then(Value::as_str).unwrap_or_default();
    let is_key =
        scheme["type"] == "apiKey" && scheme["in"] == "header" && header.eq_ignore_ascii_case("x-api-key");
    if is_key {
        method.insert("apiKeyRequired".to_owned(), Value::from(true));
    }
    is_key
}
