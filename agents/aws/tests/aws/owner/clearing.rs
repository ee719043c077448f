//! Working in an account that is not made for the test: what others have there stays, and is not counted.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

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

impl Owner {
    /// Removes what a former test left, and remembers everything else as others'.
    pub(crate) async fn among_others(self) -> Self {
        let mut others = BTreeSet::new();
        self.look_at_plans_and_keys(&mut others).await;
        self.look_at_rest_apis(&mut others).await;
        if self.makes_http_apis {
            self.look_at_http_apis(&mut others).await;
        }
        Self {
            others: Arc::new(others),
            ..self
        }
    }

    /// Whether a REST API can be made of an OpenAPI document here; why not, in the server's words.
    pub(crate) async fn takes_definitions(&self) -> Result<(), String> {
        let name = "gatehouse-conformance-probe";
        let made = self.rest.create_rest_api().name(name).tags(OF_TESTS, "yes");
        let id = made.send().await.unwrap().id.unwrap();
        let mock = json!({"type": "mock", "requestTemplates": {"application/json": "{\"statusCode\": 200}"}});
        let get =
            json!({"responses": {"200": {"description": "It"}}, "x-amazon-apigateway-integration": mock});
        let info = json!({"title": name, "version": "1"});
        let document = json!({"openapi": "3.0.1", "info": info, "paths": {"/": {"get": get}}});
        let put = self.rest.put_rest_api().rest_api_id(&id).mode(PutMode::Overwrite);
        let put = put.body(Blob::new(document.to_string())).send().await;
        let removal = self.rest.delete_rest_api().rest_api_id(&id);
        removal.send().await.unwrap();
        let status = |error: &SdkError<_, HttpResponse>| error.raw_response().map(|it| it.status().as_u16());
        match put {
            Err(error) if matches!(status(&error), Some(404 | 405 | 501)) => {
                Err(DisplayErrorContext(error).to_string())
            }
            put => {
                put.unwrap();
                Ok(())
            }
        }
    }

    async fn look_at_rest_apis(&self, others: &mut BTreeSet<String>) {
        let call = || self.rest.get_rest_apis().limit(500);
        for api in every!(call(), set_position, position, GetRestApisOutput) {
            let id = api.id.unwrap();
            if !is_of_tests(api.tags.as_ref()) {
                others.insert(format!("restapis/{id}"));
                continue;
            }
            let removal = self.rest.delete_rest_api().rest_api_id(id);
            removal.send().await.unwrap();
        }
    }

    async fn look_at_http_apis(&self, others: &mut BTreeSet<String>) {
        let call = || self.http.get_apis().max_results("500");
        for api in every!(call(), set_next_token, next_token, GetApisOutput) {
            let id = api.api_id.unwrap();
            if !is_of_tests(api.tags.as_ref()) {
                others.insert(format!("apis/{id}"));
                continue;
            }
            self.http.delete_api().api_id(id).send().await.unwrap();
        }
    }

    async fn look_at_plans_and_keys(&self, others: &mut BTreeSet<String>) {
        let call = || self.rest.get_usage_plans().limit(500);
        for plan in every!(call(), set_position, position, GetUsagePlansOutput) {
            match is_of_tests(plan.tags.as_ref()) {
                true => self.remove_plan(&plan).await,
                false => drop(others.insert(format!("usageplans/{}", plan.id.unwrap()))),
            }
        }
        let call = || self.rest.get_api_keys().limit(500);
        for key in every!(call(), set_position, position, GetApiKeysOutput) {
            let id = key.id.unwrap();
            if !is_of_tests(key.tags.as_ref()) {
                others.insert(format!("apikeys/{id}"));
                continue;
            }
            self.rest.delete_api_key().api_key(id).send().await.unwrap();
        }
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

fn is_of_tests(tags: Option<&HashMap<String, String>>) -> bool {
    tags.is_some_and(|tags| tags.contains_key(OF_TESTS))
}
