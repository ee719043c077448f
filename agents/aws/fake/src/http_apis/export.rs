//! An HTTP API as a document.

use serde_json::{Map, Value, json};

use crate::control::suffix;
use crate::place::{Entity, HttpDefinition, change_object, entity, text};

/// The document of a definition.
pub(super) fn export(
    definition: &HttpDefinition,
    stage: Option<&str>,
    region: &str,
    extensions: bool,
) -> Value {
    let api = &definition.api;
    let mut info = entity(json!({ "title": text(api, "name") }));
    let version = Some(text(api, "version")).filter(|version| !version.is_empty());
    info.insert(
        "version".to_owned(),
        Value::from(version.unwrap_or_else(|| text(api, "createdDate"))),
    );
    if let Some(description) = api.get("description") {
        info.insert("description".to_owned(), description.clone());
    }
    let mut document =
        entity(json!({ "openapi": "3.0.1", "info": info, "servers": servers(api, stage, region) }));
    document.insert("paths".to_owned(), paths(definition, extensions));
    let schemes: Entity = definition
        .authorizers
        .values()
        .map(|one| scheme(one, extensions))
        .collect();
    if !schemes.is_empty() {
        document.insert("components".to_owned(), json!({ "securitySchemes": schemes }));
    }
    if extensions {
        if let Some(cors) = api.get("corsConfiguration") {
            document.insert("x-amazon-apigateway-cors".to_owned(), cors.clone());
        }
        document.insert(
            "x-amazon-apigateway-importexport-version".to_owned(),
            Value::from("1.0"),
        );
    }
    Value::Object(document)
}

fn servers(api: &Entity, stage: Option<&str>, region: &str) -> Value {
    let suffix = suffix(region);
    let host = format!("https://{}.execute-api.{region}.{suffix}", text(api, "apiId"));
    match stage {
        None | Some("$default") => json!([{ "url": host }]),
        Some(stage) => json!([{
            "url": format!("{host}/{{basePath}}"), "variables": {"basePath": {"default": stage}},
        }]),
    }
}

fn paths(definition: &HttpDefinition, extensions: bool) -> Value {
    let mut paths = Map::new();
    for route in definition.routes.values() {
        let (method, path) = text(route, "routeKey")
            .split_once(' ')
            .unwrap_or(("ANY", "/$default"));
        let word = match method {
            "ANY" => "x-amazon-apigateway-any-method".to_owned(),
            method => method.to_lowercase(),
        };
        let mut operation = operation(definition, route, extensions);
        if text(route, "routeKey") == "$default" {
            operation.insert("isDefaultRoute".to_owned(), Value::from(true));
        }
        let variables: Vec<Value> = variables(path);
        if !variables.is_empty() {
            operation.insert("parameters".to_owned(), Value::Array(variables));
        }
        change_object(&mut paths, path, |item| {
            item.insert(word, Value::Object(operation));
        });
    }
    Value::Object(paths)
}

fn variables(path: &str) -> Vec<Value> {
    let names = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let described = names.map(|name| {
        let name = name.trim_end_matches('+');
        json!({ "name": name, "in": "path", "required": true, "schema": {"type": "string"} })
    });
    described.collect()
}

fn operation(definition: &HttpDefinition, route: &Entity, extensions: bool) -> Entity {
    let mut operation = entity(json!({
        "responses": {"default": {"description": format!("Default response for {}", text(route, "routeKey"))}},
    }));
    if let Some(name) = route.get("operationName") {
        operation.insert("operationId".to_owned(), name.clone());
    }
    if let Some(authorizer) = definition.authorizers.get(text(route, "authorizerId")) {
        let scopes = route
            .get("authorizationScopes")
            .cloned()
            .unwrap_or_else(|| json!([]));
        operation.insert(
            "security".to_owned(),
            json!([{ text(authorizer, "name"): scopes }]),
        );
    }
    let target = text(route, "target")
        .strip_prefix("integrations/")
        .unwrap_or_default();
    if let Some(integration) = definition.integrations.get(target).filter(|_| extensions) {
        operation.insert(
            "x-amazon-apigateway-integration".to_owned(),
            exported(integration),
        );
    }
    operation
}

fn exported(integration: &Entity) -> Value {
    let renamed = [
        ("integrationMethod", "httpMethod"),
        ("integrationUri", "uri"),
        ("connectionType", "connectionType"),
        ("connectionId", "connectionId"),
        ("credentialsArn", "credentials"),
        ("payloadFormatVersion", "payloadFormatVersion"),
        ("requestParameters", "requestParameters"),
        ("responseParameters", "responseParameters"),
        ("timeoutInMillis", "timeoutInMillis"),
        ("tlsConfig", "tlsConfig"),
    ];
    let mut said = entity(json!({ "type": text(integration, "integrationType").to_lowercase() }));
    for (from, to) in renamed {
        if let Some(value) = integration.get(from) {
            said.insert(to.to_owned(), value.clone());
        }
    }
    Value::Object(said)
}

fn scheme(authorizer: &Entity, extensions: bool) -> (String, Value) {
    let is_jwt = text(authorizer, "authorizerType") == "JWT";
    let mut scheme = entity(match is_jwt {
        true => json!({ "type": "oauth2", "flows": {} }),
        false => json!({ "type": "apiKey", "name": "Authorization", "in": "header" }),
    });
    if extensions {
        let mut said = authorizer.clone();
        for name in ["authorizerId", "name", "authorizerType"] {
            said.remove(name);
        }
        if let Some(credentials) = said.remove("authorizerCredentialsArn") {
            said.insert("authorizerCredentials".to_owned(), credentials);
        }
        let sources = said.remove("identitySource");
        let sources = sources.as_ref().and_then(Value::as_array).into_iter().flatten();
        let joined: Vec<&str> = sources.filter_map(Value::as_str).collect();
        said.insert("identitySource".to_owned(), Value::from(joined.join(",")));
        let kind = text(authorizer, "authorizerType").to_lowercase();
        said.insert("type".to_owned(), Value::from(kind));
        scheme.insert("x-amazon-apigateway-authorizer".to_owned(), Value::Object(said));
    }
    (text(authorizer, "name").to_owned(), Value::Object(scheme))
}
