//! Working in an account that is not made for the test: what others have there stays, and is not counted.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_apigateway::{
    operation::{
        get_api_keys::GetApiKeysOutput, get_rest_apis::GetRestApisOutput,
        get_usage_plans::GetUsagePlansOutput,
    },
    types::{Op, PatchOperation, PutMode, UsagePlan},
};
use aws_sdk_apigatewayv2::operation::get_apis::GetApisOutput;
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::{Blob, error::display::DisplayErrorContext};
use gatehouse_connector_sdk::schemas::identity::ExternalRef;
use serde_json::json;

use super::{OF_TESTS, Owner};

/// What there is of one kind, page by page.
macro_rules! every {
    ($call:expr, $set_position:ident, $position:ident, $output:ty) => {{
        let (mut all, mut position) = (Vec::new(), None);
        loop {
            let page: $output = $call.$set_position(position).send().await.unwrap();
            all.extend(page.items.unwrap_or_default());
            position = page.$position.filter(|position| !position.is_empty());
            if position.is_none() {
                break all;
            }
        }
    }};
}

/// The mark of the environment that the suite's own samples are deployed to, which is nobody's in earnest.
const ENVIRONMENT_OF_SAMPLES: (&str, &str) =
    ("gatehouse:environment", "00000000-0000-0000-0000-00006a7e0001");

/// Something that the account has: `restapis/a1b2c3`, `usageplans/d4e5f6`.
struct Held {
    name: String,
    is_of_tests: bool,
}

impl Owner {
    /// In an account that others have things in, from which what a former test left is removed.
    pub(crate) async fn among_others(self) -> Self {
        let shared = Self {
            is_shared: true,
            ..self
        };
        shared.remove_plans().await;
        for held in shared.held().await.into_iter().filter(|held| held.is_of_tests) {
            shared.remove_held(&held.name).await;
        }
        shared
    }

    /// What others have: everything that has not the tag of tests.
    pub(crate) async fn others(&self) -> BTreeSet<String> {
        if !self.is_shared {
            return BTreeSet::new();
        }
        let held = self.held().await.into_iter();
        held.filter(|held| !held.is_of_tests)
            .map(|held| held.name)
            .collect()
    }

    async fn held(&self) -> Vec<Held> {
        let mut held = Vec::new();
        let mut add = |kind: &str, id: Option<String>, tags: Option<HashMap<String, String>>| {
            held.push(Held {
                name: format!("{kind}/{}", id.unwrap_or_default()),
                is_of_tests: is_of_tests(tags.as_ref()),
            });
        };
        let call = || self.rest.get_rest_apis().limit(500);
        for api in every!(call(), set_position, position, GetRestApisOutput) {
            add("restapis", api.id, api.tags);
        }
        // Discoveries list them in any case, where there are any.
        let knows_http_apis = self.http.get_apis().max_results("1").send().await.is_ok();
        if self.makes_http_apis || knows_http_apis {
            let call = || self.http.get_apis().max_results("500");
            for api in every!(call(), set_next_token, next_token, GetApisOutput) {
                add("apis", api.api_id, api.tags);
            }
        }
        for plan in self.plans().await {
            add("usageplans", plan.id, plan.tags);
        }
        let call = || self.rest.get_api_keys().limit(500);
        for key in every!(call(), set_position, position, GetApiKeysOutput) {
            add("apikeys", key.id, key.tags);
        }
        held
    }

    async fn plans(&self) -> Vec<UsagePlan> {
        let call = || self.rest.get_usage_plans().limit(500);
        every!(call(), set_position, position, GetUsagePlansOutput)
    }

    async fn remove_held(&self, name: &str) {
        match name.split_once('/').unwrap() {
            ("apikeys", id) => drop(self.rest.delete_api_key().api_key(id).send().await.unwrap()),
            ("restapis" | "apis", _) => self.remove(&ExternalRef(name.to_owned())).await,
            _ => {}
        }
    }

    async fn remove_plans(&self) {
        let plans = self.plans().await.into_iter();
        for plan in plans.filter(|plan| is_of_tests(plan.tags())) {
            self.remove_plan(&plan).await;
        }
    }

    /// Whether an API can be made of an OpenAPI document here; why not, in the server's words.
    pub(crate) async fn takes_definitions(&self) -> Result<(), String> {
        let name = "gatehouse-conformance-probe";
        let proxy = json!({"type": "http_proxy", "httpMethod": "GET", "uri": "https://example.com", "payloadFormatVersion": "1.0"});
        let get =
            json!({"responses": {"200": {"description": "It"}}, "x-amazon-apigateway-integration": proxy});
        let info = json!({"title": name, "version": "1"});
        let mut document = json!({"openapi": "3.0.1", "info": info, "paths": {"/": {"get": get}}});
        if self.makes_http_apis {
            document["tags"] = json!([{"name": OF_TESTS, "x-amazon-apigateway-tag-value": "yes"}]);
            let made = self.http.import_api().body(document.to_string()).send().await;
            let id = unless_unknown(made)?.api_id.unwrap();
            self.remove(&ExternalRef(format!("apis/{id}"))).await;
            return Ok(());
        }
        let made = self.rest.create_rest_api().name(name).tags(OF_TESTS, "yes");
        let id = made.send().await.unwrap().id.unwrap();
        let put = self.rest.put_rest_api().rest_api_id(&id).mode(PutMode::Overwrite);
        let put = put.body(Blob::new(document.to_string())).send().await;
        self.remove(&ExternalRef(format!("restapis/{id}"))).await;
        unless_unknown(put).map(drop)
    }

    async fn remove_plan(&self, plan: &UsagePlan) {
        let id = plan.id().unwrap();
        for stage in plan.api_stages() {
            let covered = format!("{}:{}", stage.api_id().unwrap(), stage.stage().unwrap());
            let patch = PatchOperation::builder().op(Op::Remove).path("/apiStages");
            let update = self.rest.update_usage_plan().usage_plan_id(id);
            // A stage that went with its API is not found, which is as well.
            let _ = update.patch_operations(patch.value(covered).build()).send().await;
        }
        let removal = self.rest.delete_usage_plan().usage_plan_id(id);
        removal.send().await.unwrap();
    }
}

/// What a call gave; why not, where the server does not know the operation.
fn unless_unknown<T, E>(result: Result<T, SdkError<E, HttpResponse>>) -> Result<T, String>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let status = |error: &SdkError<E, HttpResponse>| error.raw_response().map(|it| it.status().as_u16());
    match result {
        Err(error) if matches!(status(&error), Some(404 | 405 | 501)) => {
            Err(DisplayErrorContext(error).to_string())
        }
        result => Ok(result.unwrap()),
    }
}

fn is_of_tests(tags: Option<&HashMap<String, String>>) -> bool {
    let (name, environment) = ENVIRONMENT_OF_SAMPLES;
    tags.is_some_and(|tags| {
        tags.contains_key(OF_TESTS) || tags.get(name).is_some_and(|value| value == environment)
    })
}
