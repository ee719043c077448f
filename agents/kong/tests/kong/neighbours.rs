//! A Kong that others use, too: other environments, and routes of somebody else.

use std::sync::Arc;

use gatehouse_connector_conformance::TestGateway as _;
use gatehouse_connector_sdk::schemas::{desired::DesiredApi, identity::EnvironmentId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    apis::{Operator, content, desired, operator_of},
    under_test::{Kind, KongUnderTest},
};

const URL: &str = "http://upstream.internal:9000";
const KINDS: [Kind; 3] = [Kind::Database, Kind::WithoutDatabase, Kind::Expressions];

/// The same API with the same names, in another environment of the same Kong.
fn elsewhere(kong: &KongUnderTest, desired: &DesiredApi) -> (Operator, DesiredApi) {
    let id = EnvironmentId(Uuid::from_u128(8));
    let mut operator = operator_of(kong);
    let environment = Arc::get_mut(&mut operator.context.environment);
    environment.expect("nobody else has it").id = id;
    let mut desired = desired.clone();
    desired.mark.environment_id = id;
    desired.content.base_path = "/production".to_owned();
    (operator, desired)
}

async fn groups(kong: &KongUnderTest) -> Vec<Value> {
    let plugins = kong.admin.list("plugins").await;
    let lists = plugins.iter().filter(|plugin| plugin["name"] == "acl");
    lists.map(|plugin| plugin["config"]["allow"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_environments_have_an_api_of_one_name_and_callers_of_their_own() {
    for kind in KINDS {
        let kong = KongUnderTest::start(&kind).await;
        let user = json!([{"consumer": "shop", "secretRef": "shop-key"}]);
        let policies = json!([{"type": "auth.apiKey", "with": {"keys": user}}]);
        let staging = desired(1, &content(URL, &policies));
        let (operator, mut production) = elsewhere(&kong, &staging);
        // Kong takes a key once.
        let other = json!([{"type": "auth.apiKey", "with": {"keys": [{"consumer": "shop", "secretRef": "other-key"}]}}]);
        production.content.policies = serde_json::from_value(other).unwrap();
        operator_of(&kong).deploy(&staging).await.unwrap();
        operator.deploy(&production).await.unwrap();
        operator.deploy(&production).await.unwrap();
        let groups = groups(&kong).await;
        assert_eq!(groups.len(), 2, "{kind:?}");
        assert_ne!(groups[0], groups[1], "{kind:?}");
        let services = kong.admin.list("services").await;
        let mut names: Vec<&str> = services
            .iter()
            .filter_map(|service| service["name"].as_str())
            .collect();
        names.sort_unstable();
        assert_eq!(names[0], "orders", "{kind:?}");
        assert!(names[1].starts_with("orders."), "{kind:?}: {names:?}");
        operator.undeploy(&production, None).await.unwrap();
        operator_of(&kong).undeploy(&staging, None).await.unwrap();
        assert!(kong.holds().await.is_empty(), "{kind:?}");
    }
}

/// Such a route answers for generations that the proxy does not know yet, and for those that it has forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn a_route_of_somebody_else_that_takes_every_path_is_not_taken_for_ours() {
    for kind in [Kind::Database, Kind::WithoutDatabase] {
        let kong = KongUnderTest::start(&kind).await;
        let plugin = json!({"id": "7f4d0d7e-6f0c-4f4e-9b55-0d5f3f0d7c13", "name": "request-termination",
            "route": {"id": "7f4d0d7e-6f0c-4f4e-9b55-0d5f3f0d7c12"}, "config": {"status_code": 200}});
        let route = json!({"id": "7f4d0d7e-6f0c-4f4e-9b55-0d5f3f0d7c12", "paths": ["/"]});
        kong.admin
            .make_all(vec![vec![("routes", route), ("plugins", plugin)]])
            .await;
        let operator = operator_of(&kong);
        operator
            .deploy(&desired(1, &content(URL, &json!([]))))
            .await
            .unwrap();
        let limited = json!([{"type": "request.size", "with": {"maxBytes": 10}}]);
        operator
            .deploy(&desired(2, &content(URL, &limited)))
            .await
            .unwrap();
    }
}
