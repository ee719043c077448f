//! A document becomes a REST API: in place of what is there, or merged into it.

use serde_json::{Value, json};

use super::{Document, authorizers, methods, models, paths};
use crate::control::AwsError;
use crate::place::{Definition, Entity, change_object, entity, text};
use crate::rest;

/// What becomes of the definition that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Merge,
    Overwrite,
}

/// Where the API is, and what it may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) region: &'a str,
    pub(crate) account: &'a str,
    pub(crate) resources: usize,
}

/// What a document has become.
#[derive(Debug)]
pub(crate) struct Imported {
    pub(crate) definition: Definition,
    pub(crate) warnings: Vec<String>,
}

/// What is found on the way.
#[derive(Debug)]
pub(crate) struct Import<'a> {
    pub(crate) document: &'a Document,
    pub(crate) target: Target<'a>,
    pub(crate) definition: Definition,
    pub(crate) warnings: Vec<String>,
    pub(crate) errors: Vec<String>,
}

/// Applies a document to a definition. Nothing of it is taken if anything in it is wrong.
pub(crate) fn import(
    document: &Document,
    base: &Definition,
    mode: Mode,
    target: Target<'_>,
) -> Result<Imported, AwsError> {
    let definition = match mode {
        Mode::Merge => base.clone(),
        Mode::Overwrite => emptied(base),
    };
    let mut import = Import {
        document,
        target,
        definition,
        warnings: Vec::new(),
        errors: Vec::new(),
    };
    import.api(mode);
    models::import(&mut import);
    import.validators();
    import.gateway_responses();
    authorizers::import(&mut import);
    import.methods();
    import.finished()
}

/// What stays of an API that is overwritten: what no document says anything of.
fn emptied(base: &Definition) -> Definition {
    let mut api = base.api.clone();
    for name in [
        "description",
        "version",
        "policy",
        "binaryMediaTypes",
        "minimumCompressionSize",
    ] {
        api.remove(name);
    }
    api.insert("apiKeySource".to_owned(), Value::from("HEADER"));
    let root = text(&api, "rootResourceId").to_owned();
    let resource = entity(json!({ "id": root, "path": "/" }));
    Definition {
        api,
        resources: [(root, resource)].into(),
        ..Definition::default()
    }
}

impl Import<'_> {
    fn api(&mut self, mode: Mode) {
        let api = &mut self.definition.api;
        let document = self.document;
        if let Some(name) = document.info("title") {
            api.insert("name".to_owned(), Value::from(name));
        }
        for name in ["description", "version"] {
            if let Some(said) = document.info(name) {
                api.insert(name.to_owned(), Value::from(said));
            }
        }
        if let Some(source) = document
            .get("x-amazon-apigateway-api-key-source")
            .and_then(Value::as_str)
        {
            api.insert("apiKeySource".to_owned(), Value::from(source.to_uppercase()));
        }
        if let Some(size) = document
            .get("x-amazon-apigateway-minimum-compression-size")
            .filter(|size| size.is_i64())
        {
            api.insert("minimumCompressionSize".to_owned(), size.clone());
        }
        binary_media_types(api, document, mode);
        endpoint_configuration(api, document, mode);
        self.policy();
    }

    fn policy(&mut self) {
        let Some(policy) = self.document.get("x-amazon-apigateway-policy") else {
            return;
        };
        let id = text(&self.definition.api, "id");
        let stored = rest::expanded_policy(policy, self.target.region, self.target.account, id);
        if rest::policy_document(&stored).is_some_and(|document| document.get("Statement").is_some()) {
            self.definition
                .api
                .insert("policy".to_owned(), Value::from(stored));
        } else {
            self.errors.push("Invalid policy document. Please check the policy syntax and ensure that Principals are valid.".to_owned());
        }
    }

    fn validators(&mut self) {
        let document = self.document;
        for (name, said) in document.members("x-amazon-apigateway-request-validators") {
            let flag = |member: &str| said.get(member).and_then(Value::as_bool).unwrap_or(false);
            let mut known = self.definition.request_validators.iter();
            let known = known.find(|(_, one)| text(one, "name") == name);
            let id = known.map_or_else(|| crate::place::new_id(6), |(id, _)| id.clone());
            let validator = json!({
                "id": id, "name": name, "validateRequestBody": flag("validateRequestBody"),
                "validateRequestParameters": flag("validateRequestParameters"),
            });
            self.definition.request_validators.insert(id, entity(validator));
        }
    }

    fn gateway_responses(&mut self) {
        let document = self.document;
        for (kind, said) in document.members("x-amazon-apigateway-gateway-responses") {
            let mut response = entity(json!({
                "responseType": kind, "defaultResponse": false,
                "responseParameters": said.get("responseParameters").cloned().unwrap_or_else(|| json!({})),
                "responseTemplates": said.get("responseTemplates").cloned()
                    .unwrap_or_else(|| json!({"application/json": "{\"message\":$context.error.messageString}"})),
            }));
            if let Some(status) = said.get("statusCode") {
                response.insert("statusCode".to_owned(), Value::from(plain(status)));
            }
            self.definition.gateway_responses.insert(kind.clone(), response);
        }
    }

    fn methods(&mut self) {
        let document = self.document;
        for (path, item) in document.members("paths") {
            let item = document.resolved(item);
            let Some(resource) = paths::resource(self, path) else {
                continue;
            };
            for (name, operation) in document.methods(item) {
                if let Some(method) = methods::method(self, path, item, name, operation) {
                    self.put_method(&resource, name, method);
                }
            }
        }
    }

    fn put_method(&mut self, resource: &str, name: &str, mut method: Entity) {
        if let Some(Value::Object(integration)) = method.get_mut("methodIntegration") {
            integration.insert("cacheNamespace".to_owned(), Value::from(resource));
        }
        if let Some(resource) = self.definition.resources.get_mut(resource) {
            change_object(resource, "resourceMethods", |methods| {
                methods.insert(name.to_owned(), Value::Object(method));
            });
        }
    }

    fn finished(self) -> Result<Imported, AwsError> {
        if self.definition.resources.len() > self.target.resources {
            return Err(AwsError::limit_exceeded(
                "Maximum number of Resources for this API has been reached.  Please contact AWS if you need additional \
                 Resources.",
            ));
        }
        if !self.errors.is_empty() {
            let all = self.errors.join("\n\t");
            return Err(AwsError::bad_request(format!(
                "Errors found during import:\n\t{all}"
            )));
        }
        Ok(Imported {
            definition: self.definition,
            warnings: self.warnings,
        })
    }
}

/// Merging appends, overwriting replaces.
fn binary_media_types(api: &mut Entity, document: &Document, mode: Mode) {
    let Some(Value::Array(types)) = document.get("x-amazon-apigateway-binary-media-types") else {
        return;
    };
    let mut all = match (mode, api.remove("binaryMediaTypes")) {
        (Mode::Merge, Some(Value::Array(before))) => before,
        _ => Vec::new(),
    };
    for kind in types {
        if !all.contains(kind) {
            all.push(kind.clone());
        }
    }
    if !all.is_empty() {
        api.insert("binaryMediaTypes".to_owned(), Value::Array(all));
    }
}

/// What a document that overwrites does not say is forgotten.
fn endpoint_configuration(api: &mut Entity, document: &Document, mode: Mode) {
    if mode == Mode::Overwrite {
        api.insert("disableExecuteApiEndpoint".to_owned(), Value::from(false));
        change_object(api, "endpointConfiguration", |configuration| {
            configuration.remove("vpcEndpointIds");
        });
    }
    let at_root = document.get("x-amazon-apigateway-endpoint-configuration");
    let of_server = document
        .get("servers")
        .and_then(|servers| servers.get(0)?.get("x-amazon-apigateway-endpoint-configuration"));
    let Some(said) = at_root.or(of_server) else {
        return;
    };
    if let Some(disabled) = said.get("disableExecuteApiEndpoint").filter(|it| it.is_boolean()) {
        api.insert("disableExecuteApiEndpoint".to_owned(), disabled.clone());
    }
    if let Some(ids) = said.get("vpcEndpointIds").filter(|it| it.is_array()) {
        change_object(api, "endpointConfiguration", |configuration| {
            configuration.insert("vpcEndpointIds".to_owned(), ids.clone());
        });
    }
}

/// A number or a text, as a text.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
