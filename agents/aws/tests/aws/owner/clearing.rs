//! Making room in an account that is not made for the test.

use std::collections::HashMap;

use aws_sdk_apigateway::types::{Op, PatchOperation};

use super::{EDITED, Owner, THEIRS};

impl Owner {
    /// Removes what a former test left, and stops at an account that has anything else: nothing of it is touched.
    pub(crate) async fn make_room(&self) {
        let apis = self.rest.get_rest_apis().limit(500).send().await.unwrap();
        let others = apis.items().iter().filter(|api| !is_left_over(api.tags()));
        let others: Vec<String> = others
            .map(|api| format!("`{}`", api.name().unwrap_or_default()))
            .collect();
        assert!(
            others.is_empty(),
            "the account has REST APIs of others in region {} ({}); nothing was touched; choose a region without any, by AWS_REGION",
            self.region,
            others.join(", ")
        );
        self.remove_plans_and_keys().await;
        for api in apis.items() {
            let removal = self.rest.delete_rest_api().rest_api_id(api.id().unwrap());
            removal.send().await.unwrap();
        }
    }

    async fn remove_plans_and_keys(&self) {
        let plans = self.rest.get_usage_plans().limit(500).send().await.unwrap();
        for plan in plans.items().iter().filter(|plan| is_left_over(plan.tags())) {
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
        let keys = self.rest.get_api_keys().limit(500).send().await.unwrap();
        for key in keys.items().iter().filter(|key| is_left_over(key.tags())) {
            let removal = self.rest.delete_api_key().api_key(key.id().unwrap());
            removal.send().await.unwrap();
        }
    }
}

fn is_left_over(tags: Option<&HashMap<String, String>>) -> bool {
    let mut names = tags.into_iter().flat_map(HashMap::keys);
    names.any(|name| [THEIRS, EDITED].contains(&name.as_str()) || name.starts_with("gatehouse:"))
}
