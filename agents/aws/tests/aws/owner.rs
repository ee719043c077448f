//! Somebody else who works in the account: makes APIs, changes them, removes them, all by AWS's official clients.

mod clearing;
mod everything;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_apigateway::{
    Client as RestClient,
    types::{Integration, Method, Op, PatchOperation, PutMode, Resource},
};
use aws_sdk_apigatewayv2::Client as HttpClient;
use aws_smithy_types::Blob;
use gatehouse_connector_sdk::schemas::{identity::ExternalRef, revision::RevisionContent};
use serde_json::{Value, json};

use crate::under_test::{STAGE, document};

/// An access key of the fake to which everything is allowed.
pub(crate) const KEY: &str = "AKIAOWNEROWNER000000";

/// The tag of everything that a test makes in an account that is not made for it, the connector's own things included. Nothing
/// without it is touched.
pub(crate) const OF_TESTS: &str = "gatehouse-conformance-test";
/// The tag of what the owner makes.
const THEIRS: &str = "theirs";
/// What is changed becomes this name, or this tag.
pub(crate) const EDITED: &str = "edited";

/// The owner of an account.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    pub(crate) rest: RestClient,
    pub(crate) http: HttpClient,
    region: String,
    makes_http_apis: bool,
    /// Whether others have things in the account, too.
    is_shared: bool,
}

impl Owner {
    /// With an access key, at an endpoint.
    pub(crate) fn new(endpoint: &str, region: &str, key: &str, secret: &str) -> Self {
        let credentials = Credentials::new(key, secret, None, None, "owner");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .endpoint_url(endpoint)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        Self::of(&config)
    }

    /// With what the clients of AWS are made of.
    pub(crate) fn of(config: &SdkConfig) -> Self {
        Self {
            rest: RestClient::new(config),
            http: HttpClient::new(config),
            region: config.region().expect("a region").to_string(),
            makes_http_apis: false,
            is_shared: false,
        }
    }

    /// The same, who makes HTTP APIs.
    pub(crate) fn making_http_apis(self, makes_http_apis: bool) -> Self {
        Self {
            makes_http_apis,
            ..self
        }
    }

    /// Makes an API with the stage.
    pub(crate) async fn make(&self, name: &str, content: &RevisionContent) -> ExternalRef {
        let document = document(name, content);
        match self.makes_http_apis {
            true => self.make_http(document).await,
            false => self.make_rest(name, &document).await,
        }
    }

    async fn make_rest(&self, name: &str, document: &Value) -> ExternalRef {
        let made = self
            .rest
            .create_rest_api()
            .name(name)
            .tags(THEIRS, "yes")
            .tags(OF_TESTS, "yes")
            .send()
            .await
            .unwrap();
        let id = made.id.unwrap();
        let put = self.rest.put_rest_api().rest_api_id(&id).mode(PutMode::Overwrite);
        put.body(Blob::new(document.to_string())).send().await.unwrap();
        let deployment = self
            .rest
            .create_deployment()
            .rest_api_id(&id)
            .send()
            .await
            .unwrap();
        let stage = self.rest.create_stage().rest_api_id(&id).stage_name(STAGE);
        stage.deployment_id(deployment.id.unwrap()).send().await.unwrap();
        ExternalRef(format!("restapis/{id}"))
    }

    async fn make_http(&self, mut document: Value) -> ExternalRef {
        let tag = |name: &str| json!({"name": name, "x-amazon-apigateway-tag-value": "yes"});
        document["tags"] = json!([tag(THEIRS), tag(OF_TESTS)]);
        let made = self
            .http
            .import_api()
            .body(document.to_string())
            .send()
            .await
            .unwrap();
        let id = made.api_id.unwrap();
        let deployment = self.http.create_deployment().api_id(&id).send().await.unwrap();
        let stage = self.http.create_stage().api_id(&id).stage_name(STAGE);
        stage
            .deployment_id(deployment.deployment_id.unwrap())
            .send()
            .await
            .unwrap();
        ExternalRef(format!("apis/{id}"))
    }

    /// Changes where requests go, and serves that.
    pub(crate) async fn change(&self, api: &ExternalRef) {
        let (kind, id) = api.0.split_once('/').unwrap();
        match kind {
            "apis" => self.change_http(id).await,
            _ => self.change_rest(id).await,
        }
    }

    async fn change_rest(&self, id: &str) {
        let resources = self.rest.get_resources().rest_api_id(id).limit(500);
        let resources = resources.embed("methods").send().await.unwrap();
        let (resource, method) = proxied(resources.items()).expect("it has an integration");
        let update = self.rest.update_integration().rest_api_id(id);
        let update = update.resource_id(resource).http_method(method);
        let elsewhere = patch("/uri", "http://127.0.0.1:10010/elsewhere");
        update.patch_operations(elsewhere).send().await.unwrap();
        let deployment = self
            .rest
            .create_deployment()
            .rest_api_id(id)
            .send()
            .await
            .unwrap();
        let switch = patch("/deploymentId", &deployment.id.unwrap());
        let update = self.rest.update_stage().rest_api_id(id).stage_name(STAGE);
        update.patch_operations(switch).send().await.unwrap();
    }

    async fn change_http(&self, id: &str) {
        let integrations = self.http.get_integrations().api_id(id).send().await.unwrap();
        let integration = integrations.items().first().expect("it has an integration");
        let update = self.http.update_integration().api_id(id);
        let update = update.integration_id(integration.integration_id().unwrap());
        update
            .integration_uri("http://127.0.0.1:10010/elsewhere")
            .send()
            .await
            .unwrap();
        let deployment = self.http.create_deployment().api_id(id).send().await.unwrap();
        let update = self.http.update_stage().api_id(id).stage_name(STAGE);
        let _ = update
            .deployment_id(deployment.deployment_id.unwrap())
            .send()
            .await;
    }

    pub(crate) async fn rename(&self, api: &ExternalRef, name: &str) {
        match api.0.split_once('/').unwrap() {
            ("apis", id) => drop(self.http.update_api().api_id(id).name(name).send().await.unwrap()),
            (_, id) => {
                let update = self.rest.update_rest_api().rest_api_id(id);
                update
                    .patch_operations(patch("/name", name))
                    .send()
                    .await
                    .unwrap();
            }
        }
    }

    /// Puts a tag in place of [`THEIRS`]; whether the server shows it. Some keep tags that are put later elsewhere, or take none.
    pub(crate) async fn tag(&self, api: &ExternalRef, tag: &str) -> bool {
        let partition = match self.region.get(..6) {
            Some("us-gov") => "aws-us-gov",
            Some(region) if region.starts_with("cn-") => "aws-cn",
            _ => "aws",
        };
        let arn = format!("arn:{partition}:apigateway:{}::/{}", self.region, api.0);
        match api.0.split_once('/').unwrap() {
            ("apis", id) => {
                let old = self.http.untag_resource().resource_arn(&arn);
                let _ = old.tag_keys(THEIRS).send().await;
                let new = self.http.tag_resource().resource_arn(&arn);
                let _ = new.tags(tag, "").send().await;
                let found = self.http.get_api().api_id(id).send().await.unwrap();
                found.tags().is_some_and(|tags| tags.contains_key(tag))
            }
            (_, id) => {
                let old = self.rest.untag_resource().resource_arn(&arn);
                let _ = old.tag_keys(THEIRS).send().await;
                let new = self.rest.tag_resource().resource_arn(&arn);
                let _ = new.tags(tag, "").send().await;
                let found = self.rest.get_rest_api().rest_api_id(id).send().await.unwrap();
                found.tags().is_some_and(|tags| tags.contains_key(tag))
            }
        }
    }

    pub(crate) async fn remove(&self, api: &ExternalRef) {
        match api.0.split_once('/').unwrap() {
            ("apis", id) => drop(self.http.delete_api().api_id(id).send().await.unwrap()),
            (_, id) => drop(self.rest.delete_rest_api().rest_api_id(id).send().await.unwrap()),
        }
    }

    pub(crate) async fn remove_stage(&self, api: &ExternalRef) {
        match api.0.split_once('/').unwrap() {
            ("apis", id) => drop(
                self.http
                    .delete_stage()
                    .api_id(id)
                    .stage_name(STAGE)
                    .send()
                    .await
                    .unwrap(),
            ),
            (_, id) => drop(
                self.rest
                    .delete_stage()
                    .rest_api_id(id)
                    .stage_name(STAGE)
                    .send()
                    .await
                    .unwrap(),
            ),
        }
    }
}

/// A method that is passed on: its resource and its name.
fn proxied(resources: &[Resource]) -> Option<(String, String)> {
    let is_proxied = |method: &Method| {
        let uri = method.method_integration().and_then(Integration::uri);
        uri.is_some_and(|uri| uri.starts_with("http"))
    };
    resources.iter().find_map(|resource| {
        let mut methods = resource.resource_methods()?.iter();
        let (name, _) = methods.find(|(_, method)| is_proxied(method))?;
        Some((resource.id()?.to_owned(), name.clone()))
    })
}

fn patch(path: &str, value: &str) -> PatchOperation {
    PatchOperation::builder()
        .op(Op::Replace)
        .path(path)
        .value(value)
        .build()
}
