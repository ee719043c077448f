//! Faults that are planned, in the process and over HTTP.

use std::time::Duration;

use gatehouse_fake_aws::Fault;
use serde_json::{Value, json};

use crate::client::Client;

async fn names(client: &Client) -> Vec<String> {
    let page = client.get("/restapis").await.ok();
    let names = page["item"].as_array().unwrap().iter();
    names
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn an_answer_that_is_planned_has_no_effect() {
    let client = Client::start().await;
    client
        .aws
        .fail_operation("CreateRestApi", Fault::too_many_requests(Some(7)));
    client
        .aws
        .fail_next("POST", "/restapis", Fault::concurrent_modification());
    let refused = client.call("POST", "/restapis", json!({ "name": "a" })).await;
    assert_eq!(
        refused.refusal(),
        (429, "TooManyRequestsException", "Too Many Requests")
    );
    assert_eq!(refused.headers["retry-after"], "7");
    let refused = client.call("POST", "/restapis", json!({ "name": "a" })).await;
    let said = "Unable to complete operation due to concurrent modification. Please try again later.";
    assert_eq!(refused.refusal(), (409, "ConflictException", said));
    assert!(names(&client).await.is_empty());
    assert_eq!(client.aws.pending_faults(), 0);
}

#[tokio::test]
async fn a_connection_ends_before_the_effect_or_after_it() {
    let client = Client::start().await;
    let given = json!({ "name": "a" });
    client.aws.fail_operation("CreateRestApi", Fault::Drop);
    assert!(client.try_call("POST", "/restapis", &given).await.is_none());
    assert!(names(&client).await.is_empty());
    client.aws.fail_operation("CreateRestApi", Fault::LoseReply);
    assert!(client.try_call("POST", "/restapis", &given).await.is_none());
    assert_eq!(names(&client).await, ["a"]);
}

#[tokio::test]
async fn somebody_else_changes_something_just_before_a_call() {
    let client = Client::start().await;
    let api = client
        .call("POST", "/restapis", json!({ "name": "a" }))
        .await
        .id();
    let path = format!("/restapis/{api}");
    let changed = path.clone();
    let change = move |call: &gatehouse_fake_aws::Caller<'_>| {
        let patch = json!({ "patchOperations": [{"op": "replace", "path": "/name", "value": "b"}] });
        assert_eq!(call("eu-central-1", "PATCH", &changed, &patch).0, 200);
    };
    client
        .aws
        .fail_next("GET", "/restapis/*", Fault::Before(Box::new(change)));
    assert_eq!(client.get(&path).await.ok()["name"], "b");
}

#[tokio::test]
async fn a_slow_answer_comes_in_the_end_and_a_silent_one_never() {
    let client = Client::start().await;
    client
        .aws
        .fail_operation("GetRestApis", Fault::Slow(Duration::from_millis(20)));
    assert!(names(&client).await.is_empty());
    client.aws.fail_operation("GetRestApis", Fault::Silence);
    let silent = client.try_call("GET", "/restapis", &Value::Null);
    assert!(
        tokio::time::timeout(Duration::from_millis(100), silent)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn calls_are_noted_by_the_names_of_their_operations() {
    let client = Client::start().await;
    let api = client
        .call("POST", "/restapis", json!({ "name": "a" }))
        .await
        .id();
    client.get(&format!("/restapis/{api}")).await;
    client.get("/nothing/of/this/kind").await;
    let noted: Vec<_> = client
        .aws
        .calls()
        .into_iter()
        .map(|call| (call.operation, call.status))
        .collect();
    let expected = [
        ("CreateRestApi", Some(201)),
        ("GetRestApi", Some(200)),
        ("", Some(404)),
    ];
    assert_eq!(noted, expected.map(|(name, status)| (name.to_owned(), status)));
}

#[tokio::test]
async fn another_process_plans_and_looks_over_http() {
    let client = Client::start().await;
    let planned = json!({
        "operation": "CreateRestApi",
        "answer": {"status": 503, "error": "ServiceUnavailableException", "message": "later"},
    });
    assert_eq!(client.raw("POST", "/_fake/faults", planned).await.0, 204);
    let refused = client.call("POST", "/restapis", json!({ "name": "a" })).await;
    assert_eq!(refused.refusal(), (503, "ServiceUnavailableException", "later"));
    let (_, noted) = client.raw("GET", "/_fake/calls", Value::Null).await;
    assert_eq!(noted["calls"][0]["operation"], "CreateRestApi");
    assert_eq!(noted["calls"][0]["accessKey"], "AKIAIOSFODNN7EXAMPLE");
    assert_eq!(client.raw("DELETE", "/_fake/calls", Value::Null).await.0, 204);
    assert!(client.aws.calls().is_empty());
    assert_eq!(
        client
            .raw("POST", "/_fake/faults", json!({ "operation": "GetStage" }))
            .await
            .0,
        400
    );
    assert_eq!(
        client.raw("GET", "/_fake/faults", Value::Null).await.1["pending"],
        0
    );
}
