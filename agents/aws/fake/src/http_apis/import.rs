//! A document becomes an HTTP API.

use serde_json::{Value, json};

use super::parts::{is_route_key, usual_integration};
use crate::openapi::Document;
use crate::place::{Entity, HttpDefinition, entity, new_id, text};

/// What a document has become.
#[derive(Debug, Default)]
pub(super) struct Imported {
    pub(super) definition: HttpDefinition,
    pub(super) tags: Entity,
    pub(super) warnings: Vec<String>,
    pub(super) errors: Vec<String>,
}

/// Makes routes, integrations and authorizers of a document. What is said of the API itself is kept where it says nothing.
pub(super) fn import(document: &Document, api: &Entity) -> Imported {
    let mut imported = Imported::default();
    imported.definition.api = about(document, api);
    imported.tags = tags(document);
    imported.authorizers(document);
    for (path, item) in document.members("paths") {
        let item = document.resolved(item);
        for (method, operation) in document.methods(item) {
            let key = match (method, path.as_str()) {
                ("ANY", "/$default") => "$default".to_owned(),
                _ => format!("{method} {path}"),
            };
            imported.route(document, &key, operation);
        }
    }
    imported
}

fn about(document: &Document, api: &Entity) -> Entity {
    let mut about = api.clone();
    for name in ["description", "version", "corsConfiguration"] {
        about.remove(name);
    }
    for (from, to) in [
        ("title", "name"),
        ("description", "description"),
        ("version", "version"),
    ] {
        if let Some(said) = document.info(from) {
            about.insert(to.to_owned(), Value::from(said));
        }
    }
    if let Some(cors) = document.get("x-amazon-apigateway-cors") {
        about.insert("corsConfiguration".to_owned(), cors.clone());
    }
    let servers = document.get("servers").and_then(|servers| servers.get(0));
    let endpoint = servers.and_then(|server| server.get("x-amazon-apigateway-endpoint-configuration"));
    if let Some(disabled) = endpoint.and_then(|endpoint| endpoint.get("disableExecuteApiEndpoint")) {
        about.insert("disableExecuteApiEndpoint".to_owned(), disabled.clone());
    }
    about
}

/// Tags of the document that have a value are those of the API.
fn tags(document: &Document) -> Entity {
    let all = document
        .get("tags")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let valued = all.filter_map(|tag| {
        let value = tag.get("x-amazon-apigateway-tag-value")?.as_str()?;
        Some((tag.get("name")?.as_str()?.to_owned(), Value::from(value)))
    });
    valued.collect()
}

impl Imported {
    fn authorizers(&mut self, document: &Document) {
        for (name, scheme) in document.security_schemes() {
            let Some(said) = scheme.get("x-amazon-apigateway-authorizer") else {
                continue;
            };
            let id = new_id(6);
            match authorizer(&name, said) {
                Ok(mut made) => {
                    made.insert("authorizerId".to_owned(), Value::from(id.as_str()));
                    self.definition.authorizers.insert(id, made);
                }
                Err(why) => self
                    .errors
                    .push(format!("Unable to create Authorizer '{name}': {why}")),
            }
        }
    }

    fn route(&mut self, document: &Document, key: &str, operation: &Value) {
        if !is_route_key(key) {
            self.errors.push(format!(
                "Unable to create Route '{key}': the route key is not formatted properly"
            ));
            return;
        }
        let id = new_id(7);
        let mut route = entity(json!({
            "routeId": id, "routeKey": key, "apiKeyRequired": false, "authorizationType": "NONE",
        }));
        if let Some(name) = operation.get("operationId").filter(|name| name.is_string()) {
            route.insert("operationName".to_owned(), name.clone());
        }
        self.secure(document, key, operation, &mut route);
        if let Some(said) = operation.get("x-amazon-apigateway-integration") {
            match integration(document.resolved(said)) {
                Ok(made) => {
                    let target = text(&made, "integrationId").to_owned();
                    route.insert("target".to_owned(), Value::from(format!("integrations/{target}")));
                    self.definition.integrations.insert(target, made);
                }
                Err(why) => self
                    .errors
                    .push(format!("Unable to create Integration for '{key}': {why}")),
            }
        } else {
            self.warnings.push(format!("No Integration found for '{key}'"));
        }
        self.definition.routes.insert(id, route);
    }

    /// The requirements of an operation, or those of the document when it has none of its own.
    fn secure(&mut self, document: &Document, key: &str, operation: &Value, route: &mut Entity) {
        let schemes = document.security_schemes();
        let requirements = operation.get("security").or_else(|| document.get("security"));
        let all = requirements.and_then(Value::as_array).into_iter().flatten();
        for (name, scopes) in all.filter_map(Value::as_object).flatten() {
            if schemes
                .get(name)
                .is_some_and(|scheme| scheme["x-amazon-apigateway-authtype"] == "awsSigv4")
            {
                route.insert("authorizationType".to_owned(), Value::from("AWS_IAM"));
                continue;
            }
            let mut known = self.definition.authorizers.values();
            let Some(found) = known.find(|one| text(one, "name") == name) else {
                self.warnings.push(format!(
                    "The security scheme '{name}' of '{key}' has no authorizer and is ignored"
                ));
                continue;
            };
            let kind = if text(found, "authorizerType") == "JWT" {
                "JWT"
            } else {
                "CUSTOM"
            };
            route.insert("authorizationType".to_owned(), Value::from(kind));
            route.insert("authorizerId".to_owned(), found["authorizerId"].clone());
            if scopes.as_array().is_some_and(|scopes| !scopes.is_empty()) {
                route.insert("authorizationScopes".to_owned(), scopes.clone());
            }
        }
    }
}

fn authorizer(name: &str, said: &Value) -> Result<Entity, String> {
    let kind = said
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_uppercase();
    let mut made = entity(json!({ "name": name, "authorizerType": kind }));
    let source = match said.get("identitySource") {
        Some(Value::String(source)) => source.split(',').map(|one| Value::from(one.trim())).collect(),
        Some(Value::Array(sources)) => sources.clone(),
        _ => vec![Value::from("$request.header.Authorization")],
    };
    made.insert("identitySource".to_owned(), Value::Array(source));
    let renamed = [
        ("authorizerUri", "authorizerUri"),
        ("authorizerCredentials", "authorizerCredentialsArn"),
        ("authorizerPayloadFormatVersion", "authorizerPayloadFormatVersion"),
        ("authorizerResultTtlInSeconds", "authorizerResultTtlInSeconds"),
        ("enableSimpleResponses", "enableSimpleResponses"),
        ("identityValidationExpression", "identityValidationExpression"),
        ("jwtConfiguration", "jwtConfiguration"),
    ];
    for (from, to) in renamed {
        if let Some(value) = said.get(from) {
            made.insert(to.to_owned(), value.clone());
        }
    }
    let issuer = said.pointer("/jwtConfiguration/issuer").and_then(Value::as_str);
    match kind.as_str() {
        "JWT" if issuer.is_none_or(str::is_empty) => Err("JwtConfiguration needs an issuer".to_owned()),
        "JWT" => Ok(made),
        "REQUEST" if text(&made, "authorizerUri").is_empty() => Err("AuthorizerUri is required".to_owned()),
        "REQUEST" => Ok(made),
        _ => Err(format!("Invalid authorizer type specified: {kind}")),
    }
}

fn integration(said: &Value) -> Result<Entity, String> {
    let word = |name: &str| said.get(name).and_then(Value::as_str);
    let kind = word("type").unwrap_or_default().to_uppercase();
    if !["HTTP_PROXY", "AWS_PROXY"].contains(&kind.as_str()) {
        return Err(
            "Invalid integration type specified for HTTP protocol. Must be one of: [HTTP_PROXY, AWS_PROXY]"
                .to_owned(),
        );
    }
    let mut made = entity(usual_integration());
    made.insert("integrationId".to_owned(), Value::from(new_id(7)));
    made.insert("integrationType".to_owned(), Value::from(kind.as_str()));
    for (from, to) in [
        ("httpMethod", "integrationMethod"),
        ("uri", "integrationUri"),
        ("connectionId", "connectionId"),
        ("credentials", "credentialsArn"),
        ("payloadFormatVersion", "payloadFormatVersion"),
        ("requestParameters", "requestParameters"),
        ("responseParameters", "responseParameters"),
        ("timeoutInMillis", "timeoutInMillis"),
        ("tlsConfig", "tlsConfig"),
    ] {
        if let Some(value) = said.get(from).filter(|value| !value.is_null()) {
            made.insert(to.to_owned(), value.clone());
        }
    }
    if let Some(connection) = word("connectionType") {
        made.insert(
            "connectionType".to_owned(),
            Value::from(connection.to_uppercase()),
        );
    }
    check(&made, &kind)?;
    Ok(made)
}

fn check(made: &Entity, kind: &str) -> Result<(), String> {
    let uri = text(made, "integrationUri");
    if kind == "HTTP_PROXY" && text(made, "integrationMethod").is_empty() {
        return Err("HttpMethod must be specified for HTTP_PROXY integrations".to_owned());
    }
    let private = text(made, "connectionType") == "VPC_LINK";
    if kind == "HTTP_PROXY" && !private && !uri.starts_with("http") && !uri.starts_with("${stageVariables.") {
        return Err("Invalid HTTP endpoint specified for URI".to_owned());
    }
    match made.get("timeoutInMillis").and_then(Value::as_i64) {
        Some(50..=30_000) => Ok(()),
        _ => Err("Timeout should be between 50 ms and 30000 ms".to_owned()),
    }
}
