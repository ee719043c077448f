//! What operations refer to: models, and what lets callers in.

use serde_json::{Value, json};

use super::Export;
use crate::openapi::models;
use crate::place::{Entity, change_object, entity, object, text};

/// Adds them to the document.
pub(super) fn components(asked: &Export<'_>, document: &mut Entity) {
    let place = if asked.swagger {
        "#/definitions/"
    } else {
        "#/components/schemas/"
    };
    let schemas = asked.definition.models.iter();
    let schemas: Entity = schemas
        .map(|(name, model)| (name.clone(), models::schema(text(model, "schema"), place)))
        .collect();
    let schemes = security_schemes(asked);
    if asked.swagger {
        for (name, value) in [("definitions", schemas), ("securityDefinitions", schemes)] {
            if !value.is_empty() {
                document.insert(name.to_owned(), Value::Object(value));
            }
        }
        return;
    }
    change_object(document, "components", |components| {
        for (name, value) in [("schemas", schemas), ("securitySchemes", schemes)] {
            if !value.is_empty() {
                components.insert(name.to_owned(), Value::Object(value));
            }
        }
    });
}

fn security_schemes(asked: &Export<'_>) -> Entity {
    let mut schemes = Entity::new();
    let methods = || {
        asked
            .definition
            .resources
            .values()
            .flat_map(|resource| object(resource, "resourceMethods").into_iter().flatten())
    };
    let key = |name: &str| entity(json!({ "type": "apiKey", "name": name, "in": "header" }));
    if methods().any(|(_, method)| method["apiKeyRequired"] == true) {
        schemes.insert("api_key".to_owned(), Value::Object(key("x-api-key")));
    }
    if methods().any(|(_, method)| method["authorizationType"] == "AWS_IAM") {
        let mut scheme = key("Authorization");
        scheme.insert("x-amazon-apigateway-authtype".to_owned(), Value::from("awsSigv4"));
        schemes.insert("sigv4".to_owned(), Value::Object(scheme));
    }
    for authorizer in asked.definition.authorizers.values() {
        let source = text(authorizer, "identitySource");
        let header = source
            .strip_prefix("method.request.header.")
            .filter(|name| !name.contains(','));
        let mut scheme = key(header.unwrap_or("Unused"));
        if asked.authorizers {
            scheme.insert(
                "x-amazon-apigateway-authtype".to_owned(),
                authorizer["authType"].clone(),
            );
            scheme.insert(
                "x-amazon-apigateway-authorizer".to_owned(),
                exported_authorizer(authorizer),
            );
        }
        schemes.insert(text(authorizer, "name").to_owned(), Value::Object(scheme));
    }
    schemes
}

fn exported_authorizer(authorizer: &Entity) -> Value {
    let mut said = authorizer.clone();
    for name in ["id", "name", "authType"] {
        said.remove(name);
    }
    if text(authorizer, "type") != "REQUEST" {
        said.remove("identitySource");
    }
    let lower = text(authorizer, "type").to_lowercase();
    said.insert("type".to_owned(), Value::from(lower));
    Value::Object(said)
}
