//! Updates that were not finished, and what is left of them when the revision before is put back.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use gatehouse_connector_conformance::TestGateway as _;
use gatehouse_connector_sdk::{
    error::{Error, ErrorKind, Result},
    journal::{Journal, Step, StepIntent, StepState},
    schemas::{desired::DesiredApi, identity::Generation},
};
use serde_json::json;

use crate::{
    apis::{Operator, content, desired, operator_of},
    under_test::{Kind, KongUnderTest},
};

const URL: &str = "http://upstream.internal:9000";

/// Records steps, and lets so many of them be taken.
#[derive(Debug, Default)]
struct Notebook {
    steps: Mutex<Vec<Step>>,
    lets: Option<u32>,
}

#[async_trait]
impl Journal for Notebook {
    fn recorded(&self) -> Vec<Step> {
        self.steps.lock().unwrap().clone()
    }

    async fn intend(&self, step: StepIntent) -> Result<()> {
        if self.lets.is_some_and(|lets| step.number > lets) {
            return Err(Error::new(ErrorKind::Conflict, "the agent stops"));
        }
        let StepIntent {
            number,
            of,
            description,
            object,
        } = step;
        self.steps.lock().unwrap().push(Step {
            generation: Generation(1),
            number,
            of,
            description,
            object,
            state: StepState::Intended,
        });
        Ok(())
    }

    async fn done(&self, _number: u32) -> Result<()> {
        Ok(())
    }
}

fn with_journal(kong: &KongUnderTest, journal: Notebook) -> Operator {
    let mut operator = operator_of(kong);
    operator.context.journal = Arc::new(journal);
    operator
}

/// A revision with callers, a gate and two services.
fn update() -> DesiredApi {
    let keys = json!([{"consumer": "shop", "secretRef": "shop-key"}]);
    let mut content = content(URL, &json!([{"type": "auth.apiKey", "with": {"keys": keys}}]));
    content["operations"][0]["policies"] = json!([{"type": "timeout", "with": {"responseMs": 900}}]);
    desired(2, &content)
}

/// How many entities of each collection there are.
fn counts(holds: &BTreeMap<String, String>) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for collection in holds.keys().filter_map(|entity| entity.split('/').next()) {
        *counts.entry(collection).or_default() += 1;
    }
    counts
}

/// Takes so many steps of the update and puts the first revision back; whether there were more steps.
async fn put_back_after(steps: u32, kong: &KongUnderTest, first: &DesiredApi) -> bool {
    let before = kong.holds().await;
    let stopped = with_journal(
        kong,
        Notebook {
            lets: Some(steps),
            ..Notebook::default()
        },
    );
    let was_stopped = stopped.deploy(&update()).await.is_err();
    let recorded = stopped.context.journal.recorded();
    let again = with_journal(
        kong,
        Notebook {
            steps: Mutex::new(recorded),
            lets: None,
        },
    );
    let deployed = again.deploy(first).await.unwrap();
    assert_eq!(deployed.observed, first.fingerprint, "after {steps} steps");
    let after = kong.holds().await;
    assert_eq!(counts(&after), counts(&before), "after {steps} steps");
    assert!(
        !after.values().any(|entity| entity.contains("gatehouse-staged")),
        "after {steps} steps: {after:#?}"
    );
    was_stopped
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_an_update_that_is_put_back_wherever_it_stopped() {
    let kong = KongUnderTest::start(&Kind::Database).await;
    let first = desired(1, &content(URL, &json!([])));
    operator_of(&kong).deploy(&first).await.unwrap();
    let mut steps = 0;
    while put_back_after(steps, &kong, &first).await {
        steps += 1;
    }
    assert!(steps > 10, "it has {steps} steps");
}

/// A configuration that was exported from a database in the middle of an update may be loaded without one.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_database_what_an_update_left_goes_and_the_rest_stays_as_it_is() {
    let kong = KongUnderTest::start(&Kind::WithoutDatabase).await;
    let operator = operator_of(&kong);
    let first = desired(1, &content(URL, &json!([])));
    operator.deploy(&first).await.unwrap();
    let before = kong.holds().await;
    let tags = [
        "gatehouse",
        "gatehouse-environment:00000000-0000-0000-0000-000000000007",
        "gatehouse-api:00000000-0000-0000-0000-00000000002a",
    ];
    let staged: Vec<&str> = tags.into_iter().chain(["gatehouse-staged"]).collect();
    let id = |last: u8| format!("7f4d0d7e-6f0c-4f4e-9b55-0d5f3f0d7c{last:02}");
    let service = json!({"id": id(1), "name": "orders.7f4d0d7e", "host": "upstream.internal", "enabled": false, "tags": staged});
    let route = json!({"id": id(2), "service": {"id": id(1)}, "paths": ["/orders/v1"], "tags": tags});
    let plugin = json!({"id": id(3), "name": "cors", "route": {"id": id(2)}, "tags": tags});
    let consumer = json!({"id": id(4), "username": "gatehouse.shop", "tags": tags[..2]});
    let group = json!({"id": id(5), "group": "gatehouse-orders", "consumer": {"id": id(4)}, "tags": tags});
    let of_service = vec![("services", service), ("routes", route), ("plugins", plugin)];
    let of_callers = vec![("consumers", consumer), ("acls", group)];
    for left in [of_service, of_callers] {
        kong.admin.make_all(vec![left]).await;
        assert_ne!(kong.holds().await, before);
        let deployed = operator.deploy(&first).await.unwrap();
        assert_eq!(deployed.observed, first.fingerprint);
        assert_eq!(kong.holds().await, before);
    }
}
