//! Everything that an account has, as its owner sees it.

use std::collections::{BTreeMap, BTreeSet};

use super::Owner;

impl Owner {
    /// Everything there is but what others have, with something that changes whenever it does.
    pub(crate) async fn everything(&self) -> BTreeMap<String, String> {
        let others = self.others().await;
        let mut all = self.rest_apis(&others).await;
        all.extend(self.plans_and_keys().await);
        if self.makes_http_apis {
            all.extend(self.http_apis(&others).await);
        }
        all.retain(|name, _| !others.contains(name));
        all
    }

    async fn rest_apis(&self, others: &BTreeSet<String>) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        let apis = self.rest.get_rest_apis().limit(500).send().await.unwrap();
        for api in apis.items() {
            let id = api.id().unwrap();
            if others.contains(&format!("restapis/{id}")) {
                continue;
            }
            let resources = self.rest.get_resources().rest_api_id(id).limit(500);
            let resources = resources.embed("methods").send().await.unwrap();
            all.insert(
                format!("restapis/{id}"),
                sorted(&format!("{api:?} {:?}", resources.items())),
            );
            let stages = self.rest.get_stages().rest_api_id(id).send().await.unwrap();
            for stage in stages.item() {
                let name = format!("restapis/{id}/stages/{}", stage.stage_name().unwrap());
                all.insert(name, sorted(&format!("{stage:?}")));
            }
            let deployments = self.rest.get_deployments().rest_api_id(id).limit(500);
            for deployment in deployments.send().await.unwrap().items() {
                let name = format!("restapis/{id}/deployments/{}", deployment.id().unwrap());
                all.insert(name, sorted(&format!("{deployment:?}")));
            }
        }
        all
    }

    async fn plans_and_keys(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        let plans = self.rest.get_usage_plans().limit(500).send().await.unwrap();
        for plan in plans.items() {
            let name = format!("usageplans/{}", plan.id().unwrap());
            all.insert(name, sorted(&format!("{plan:?}")));
        }
        let keys = self.rest.get_api_keys().limit(500).send().await.unwrap();
        for key in keys.items() {
            let name = format!("apikeys/{}", key.id().unwrap());
            all.insert(name, sorted(&format!("{key:?}")));
        }
        all
    }

    async fn http_apis(&self, others: &BTreeSet<String>) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        let apis = self.http.get_apis().max_results("500").send().await.unwrap();
        for api in apis.items() {
            let id = api.api_id().unwrap();
            if others.contains(&format!("apis/{id}")) {
                continue;
            }
            let routes = self.http.get_routes().api_id(id).max_results("500");
            let routes = routes.send().await.unwrap();
            all.insert(
                format!("apis/{id}"),
                sorted(&format!("{api:?} {:?}", routes.items())),
            );
            let stages = self.http.get_stages().api_id(id).send().await.unwrap();
            for stage in stages.items() {
                let name = format!("apis/{id}/stages/{}", stage.stage_name().unwrap());
                all.insert(name, sorted(&format!("{stage:?}")));
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
