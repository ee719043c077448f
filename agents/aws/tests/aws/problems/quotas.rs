//! An AWS that is too busy, fails, or works on the API for somebody else.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use expect_test::{Expect, expect};
use gatehouse_connector_sdk::{
    error::{ErrorKind, Result, Retry},
    scheduler::Quotas,
    schemas::quota::VendorCalls,
};
use gatehouse_fake_aws::Fault;

use super::scene::Scene;

/// Every refusal for calling too fast, in the place of the agent's scheduler.
#[derive(Debug, Default)]
struct Refusals(Mutex<Vec<(String, Option<Duration>)>>);

#[async_trait]
impl Quotas for Refusals {
    async fn acquire(&self, _operation: &str) -> Result<()> {
        Ok(())
    }

    fn throttled(&self, operation: &str, retry_after: Option<Duration>) {
        self.0.lock().unwrap().push((operation.to_owned(), retry_after));
    }

    fn succeeded(&self, _operation: &str) {}

    fn eta_ms(&self, _calls: &VendorCalls) -> u64 {
        0
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_throttled_is_called_again_when_aws_says() {
    for mut scene in Scene::of_each_kind().await {
        let deployed = scene.deploy(&scene.revision(1)).await;
        scene.aws.forget_calls();
        scene.deploy(&scene.revision(2)).await;
        let operations = scene.calls();
        let refusals = Arc::new(Refusals::default());
        scene.operator.context.quotas = refusals.clone();
        for (number, operation) in operations.iter().enumerate() {
            let pause = (number % 2 == 0).then_some(7);
            scene
                .aws
                .fail_operation(operation, Fault::too_many_requests(pause));
        }
        scene.deploy(&scene.revision(3)).await;
        assert_eq!(scene.served(&deployed).await, "200 /revision-3/items");
        assert_eq!(scene.aws.pending_faults(), 0);
        let told = refusals.0.lock().unwrap().clone();
        assert_eq!(told.len(), operations.len(), "{told:?}");
        for (number, operation) in operations.iter().enumerate() {
            let pause = (number % 2 == 0).then_some(Duration::from_secs(7));
            assert!(
                told.contains(&(operation.clone(), pause)),
                "{operation} {pause:?}: {told:?}"
            );
        }
    }
}

/// A deploy that meets a refusal: what people read, that the former revision is served, and that the next deploy mends it.
async fn check(
    scene: &Scene,
    operation: &str,
    fault: Fault,
    (kind, retry): (ErrorKind, Retry),
    expected: &Expect,
) {
    let deployed = scene.deploy(&scene.revision(1)).await;
    let second = scene.revision(2);
    let request = scene.planned(&second).await;
    scene.aws.fail_operation(operation, fault);
    let error = scene.carry_out(&request).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (kind, retry), "{error}");
    expected.assert_eq(&scene.text(&error));
    assert_eq!(scene.served(&deployed).await, "200 /revision-1/items");
    scene.deploy(&second).await;
    assert_eq!(scene.served(&deployed).await, "200 /revision-2/items");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_changes_at_once_are_a_conflict_that_is_tried_again() {
    let again = (ErrorKind::Conflict, Retry::Backoff);
    let put = expect![
        "AWS refused PutRestApi of `orders` in environment `under-test` (eu-central-1) with 409 ConflictException: Unable to complete operation due to concurrent modification. Please try again later; somebody else changes it at the same time; it is tried again"
    ];
    check(
        &Scene::rest().await,
        "PutRestApi",
        Fault::concurrent_modification(),
        again,
        &put,
    )
    .await;
    let taken = expect![
        "AWS refused CreateDeployment of `orders` in environment `under-test` (eu-central-1) with 409 ConflictException: Unable to complete operation due to concurrent modification. Please try again later; somebody else changes it at the same time; it is tried again"
    ];
    check(
        &Scene::rest().await,
        "CreateDeployment",
        Fault::concurrent_modification(),
        again,
        &taken,
    )
    .await;
    let switched = expect![
        "AWS refused UpdateStage of `orders` in environment `under-test` (eu-central-1) with 409 ConflictException: Unable to complete operation due to concurrent modification. Please try again later; somebody else changes it at the same time; it is tried again"
    ];
    check(
        &Scene::rest().await,
        "UpdateStage",
        Fault::concurrent_modification(),
        again,
        &switched,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aws_that_fails_is_unavailable() {
    let expected = expect![
        "AWS refused UpdateStage of `orders` in environment `under-test` (eu-central-1) with 503 ServiceUnavailableException: Service Unavailable; it is tried again"
    ];
    let again = (ErrorKind::Unavailable, Retry::Backoff);
    check(
        &Scene::rest().await,
        "UpdateStage",
        Fault::service_unavailable(),
        again,
        &expected,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_never_comes_is_told_after_the_time_that_is_set() {
    let expected = expect![
        "API Gateway in `eu-central-1` did not answer in time for CreateDeployment of `orders` in environment `under-test`; see that the region is right and the agent reaches its endpoint (`spec.settings.region`, `endpointUrl`)"
    ];
    let again = (ErrorKind::Unavailable, Retry::Backoff);
    let scene = Scene::of(
        super::scene::options(),
        &serde_json::json!({"kind": "rest", "timeoutMs": 300}),
    )
    .await;
    check(&scene, "CreateDeployment", Fault::Silence, again, &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_the_account_is_told_with_who_raises_it() {
    let limit = Fault::Answer {
        status: 429,
        error: "LimitExceededException".to_owned(),
        message: "Maximum number of REST APIs for this account has been reached".to_owned(),
        retry_after: None,
    };
    let scene = Scene::rest().await;
    let request = scene.planned(&scene.revision(1)).await;
    scene.aws.fail_operation("CreateRestApi", limit);
    let error = scene.carry_out(&request).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Invalid, Retry::Never));
    expect!["AWS refused CreateRestApi of `orders` in environment `under-test` (eu-central-1) with 429 LimitExceededException: Maximum number of REST APIs for this account has been reached; ask AWS (Service Quotas) for more of it, or deploy less"].assert_eq(&scene.text(&error));
    let deployed = scene.deploy(&scene.revision(1)).await;
    assert_eq!(scene.served(&deployed).await, "200 /revision-1/items");
}
