//! Somebody else who works in the account: makes APIs, changes them, removes them, all by AWS's official clients.

use std::collections::BTreeMap;

use aws_sdk_apigateway::{
    Client as RestClient,
    types::{Op, PatchOperation, PutMode},
};
use aws_sdk_apigatewayv2::Client as HttpClient;
use aws_smithy_types::Blob;
use gatehouse_connector_sdk::schemas::{identity::ExternalRef, revision::RevisionContent};
use serde_json::{Value, json};

use crate::under_test::{REGION, STAGE, document};

/// An access key to which everything is allowed.
pub(crate) const KEY: &str = "AKIAOWNEROWNER000000";

/// The owner of an account.
#[derive(Debug, Clone)]
pub(crate) struct Owner {
    pub(crate) rest: RestClient,
    pub(crate) http: HttpClient,
    makes_http_apis: bool,
}

impl Owner {
    pub(crate) fn new(endpoint: &str, _key: &str, secret: &str, makes_http_apis: bool) -> Self {
        let credentials = aws_credential_types::Credentials::new(KEY, secret, None, None, "owner");
        let rest = aws_sdk_apigateway::Config::builder()
            .behavior_version(aws_sdk_apigateway::config::BehaviorVersion::latest())
            .region(aws_sdk_apigateway::config::Region::new(REGION))
            .endpoint_url(endpoint)
            .credentials_provider(credentials.clone())
            .build();
        let http = aws_sdk_apigatewayv2::Config::builder()
            .behavior_version(aws_sdk_apigatewayv2::config::BehaviorVersion::latest())
            .region(aws_sdk_apigatewayv2::config::Region::new(REGION))
            .endpoint_url(endpoint)
            .credentials_provider(credentials)
            .build();
        Self {
            rest: RestClient::from_conf(rest),
            http: HttpClient::from_conf(http),
            makes_http_apis,
        }
    }

    /// Makes an API with the stage, tagged `owner=theirs`.
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
            .tags("theirs", "yes")
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
        document["tags"] = json!([{"name": "theirs", "x-amazon-apigateway-tag-value": "yes"}]);
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
        let export = self
            .rest
            .get_export()
            .rest_api_id(id)
            .stage_name(STAGE)
            .export_type("oas30");
        let exported = export.parameters("extensions", "apigateway").send().await;
        let exported = exported
            .expect("it has the stage")
            .body
            .expect("a document")
            .into_inner();
        let mut document: Value = serde_json::from_slice(&exported).expect("JSON");
        for method in document["paths"].as_object_mut().unwrap().values_mut() {
            for operation in method.as_object_mut().unwrap().values_mut() {
                operation["x-amazon-apigateway-integration"]["uri"] =
                    json!("http://127.0.0.1:10010/elsewhere");
            }
        }
        let put = self.rest.put_rest_api().rest_api_id(id).mode(PutMode::Overwrite);
        put.body(Blob::new(document.to_string())).send().await.unwrap();
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

    /// Leaves one tag, which is its own value.
    pub(crate) async fn tag(&self, api: &ExternalRef, tag: &str) {
        let arn = format!("arn:aws:apigateway:{REGION}::/{}", api.0);
        match api.0.split_once('/').unwrap() {
            ("apis", _) => {
                let old = self.http.untag_resource().resource_arn(&arn);
                old.tag_keys("theirs").send().await.unwrap();
                self.http
                    .tag_resource()
                    .resource_arn(&arn)
                    .tags(tag, "")
                    .send()
                    .await
                    .unwrap();
            }
            _ => {
                let old = self.rest.untag_resource().resource_arn(&arn);
                old.tag_keys("theirs").send().await.unwrap();
                self.rest
                    .tag_resource()
                    .resource_arn(&arn)
                    .tags(tag, "")
                    .send()
                    .await
                    .unwrap();
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

    /// Everything there is, with something that changes whenever it does.
    pub(crate) async fn everything(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for api in self.rest.get_rest_apis().limit(500).send().await.unwrap().items() {
            let id = api.id().unwrap();
            let stages = self.rest.get_stages().rest_api_id(id).send().await.unwrap();
            let resources = self
                .rest
                .get_resources()
                .rest_api_id(id)
                .limit(500)
                .embed("methods")
                .send()
                .await
                .unwrap();
            let deployments = self
                .rest
                .get_deployments()
                .rest_api_id(id)
                .limit(500)
                .send()
                .await
                .unwrap();
            all.insert(
                format!("restapis/{id}"),
                sorted(&format!("{api:?} {:?}", resources.items())),
            );
            for stage in stages.item() {
                let name = stage.stage_name().unwrap();
                all.insert(
                    format!("restapis/{id}/stages/{name}"),
                    sorted(&format!("{stage:?}")),
                );
            }
            for deployment in deployments.items() {
                let deployment_id = deployment.id().unwrap();
                all.insert(
                    format!("restapis/{id}/deployments/{deployment_id}"),
                    sorted(&format!("{deployment:?}")),
                );
            }
        }
        for plan in self
            .rest
            .get_usage_plans()
            .limit(500)
            .send()
            .await
            .unwrap()
            .items()
        {
            all.insert(
                format!("usageplans/{}", plan.id().unwrap()),
                sorted(&format!("{plan:?}")),
            );
        }
        for key in self.rest.get_api_keys().limit(500).send().await.unwrap().items() {
            all.insert(
                format!("apikeys/{}", key.id().unwrap()),
                sorted(&format!("{key:?}")),
            );
        }
        if !self.makes_http_apis {
            return all;
        }
        for api in self
            .http
            .get_apis()
            .max_results("500")
            .send()
            .await
            .unwrap()
            .items()
        {
            let id = api.api_id().unwrap();
            let routes = self
                .http
                .get_routes()
                .api_id(id)
                .max_results("500")
                .send()
                .await
                .unwrap();
            let stages = self.http.get_stages().api_id(id).send().await.unwrap();
            all.insert(
                format!("apis/{id}"),
                sorted(&format!("{api:?} {:?}", routes.items())),
            );
            for stage in stages.items() {
                let name = stage.stage_name().unwrap();
                all.insert(format!("apis/{id}/stages/{name}"), sorted(&format!("{stage:?}")));
            }
        }
        all
    }
}

/// Maps come in no order.
fn sorted(text: &str) -> String {
    let mut parts: Vec<&str> = text.split([',', ' ', '{', '}', '(', ')', '[', ']']).collect();
    parts.sort_unstable();
    parts.retain(|part| !part.is_empty());
    parts.join(" ")
}

fn patch(path: &str, value: &str) -> PatchOperation {
    PatchOperation::builder()
        .op(Op::Replace)
        .path(path)
        .value(value)
        .build()
}
