//! Looking: present, absent, and everything that is neither; drift, field by field.

use gatehouse_connector_sdk::{connector::Connector, error::ErrorKind};
use gatehouse_schemas::{
    desired::DesiredApi,
    diff::diff,
    observed::{Observation, ObservedApi},
};
use serde_json::{Value, json};

use super::world::{World, desired_with, key_required, reference, size_limit};

fn api() -> DesiredApi {
    desired_with(
        1,
        1,
        json!({
            "policies": [key_required(), {"type": "cors", "with": {"allowOrigins": ["*"], "maxAgeSeconds": 9}}],
            "operations": [
                {"match": {"method": "POST", "path": "/"}},
                {"match": {"method": "GET", "path": "/{id}"}, "summary": "One order", "policies": [size_limit(7)]},
            ],
        }),
    )
}

async fn deployed() -> (World, DesiredApi) {
    let world = World::start().await;
    let desired = api();
    world.deploy(&desired).await.unwrap();
    (world, desired)
}

fn paths(desired: &DesiredApi, observed: &ObservedApi) -> Vec<String> {
    let changes = diff(&json!(desired.content), &json!(observed.content));
    changes.into_iter().map(|change| change.path).collect()
}

#[tokio::test]
async fn drift_shows_in_just_the_field_in_which_it_is() {
    for (edit, expected) in [
        (
            json!({"kind": "settings", "with": {"title": "Renamed"}}),
            "/displayName",
        ),
        (
            json!({"kind": "settings", "with": {"basePath": "/elsewhere"}}),
            "/basePath",
        ),
        (
            json!({"kind": "settings", "with": {"backends": {"main": {"url": "http://evil.example", "timeoutMs": 1000, "connectTimeoutMs": 500}}}}),
            "/upstreams/main/url",
        ),
        (
            json!({"kind": "removePolicies", "policyKind": "KEY_REQUIRED"}),
            "/policies",
        ),
        (
            json!({"kind": "removePolicies", "policyKind": "BODY_LIMIT"}),
            "/operations",
        ),
        (
            json!({"kind": "putRoute", "route": {"method": "DELETE", "path": "/{id}"}}),
            "/operations",
        ),
        (
            json!({"kind": "removeRoute", "method": "POST", "path": "/"}),
            "/operations",
        ),
    ] {
        let (world, desired) = deployed().await;
        world.edit("orders-1", edit.clone()).await;
        let observed = world.present(&desired).await;
        assert_ne!(observed.fingerprint, desired.fingerprint, "{edit}");
        let paths = paths(&desired, &observed);
        assert!(!paths.is_empty(), "{edit}");
        assert!(
            paths.iter().all(|path| path.starts_with(expected)),
            "{edit}: {paths:?}"
        );
        // Putting it right takes one deploy, whatever was changed.
        world.deploy(&desired).await.unwrap();
        let observed = world.present(&desired).await;
        assert_eq!(observed.fingerprint, desired.fingerprint, "{edit}");
    }
}

#[tokio::test]
async fn what_does_not_change_what_is_served_is_no_drift() {
    for edit in [
        json!({"kind": "rename", "name": "Another name"}),
        json!({"kind": "tags", "with": {"costs": "42"}}),
    ] {
        let (world, desired) = deployed().await;
        world.edit("orders-1", edit.clone()).await;
        let observed = world.present(&desired).await;
        assert_eq!(observed.fingerprint, desired.fingerprint, "{edit}");
    }
}

#[tokio::test]
async fn another_key_with_the_same_label_is_drift() {
    let (world, desired) = deployed().await;
    let objects = world.objects().await;
    let policies = objects[0]["draft"]["policies"].as_array().unwrap();
    let mut policy = policies
        .iter()
        .find(|it| it["kind"] == "KEY_REQUIRED")
        .unwrap()
        .clone();
    policy["config"]["keys"][0]["valueDigest"] = json!("sha256:other");
    world
        .edit("orders-1", json!({"kind": "putPolicy", "policy": policy}))
        .await;
    let observed = world.present(&desired).await;
    assert_ne!(observed.fingerprint, desired.fingerprint);
}

#[tokio::test]
async fn a_lost_mark_is_seen() {
    let (world, desired) = deployed().await;
    let id = world.objects().await[0]["id"].as_str().unwrap().to_owned();
    world.edit("orders-1", json!({"kind": "dropTags"})).await;
    let found = world
        .connector
        .observe(&world.context, &reference(&desired, Some(&id)))
        .await;
    let Ok(Observation::Present(observed)) = found else {
        panic!("{found:?}");
    };
    assert_eq!(observed.mark, None);
}

#[tokio::test]
async fn only_an_answer_that_it_is_not_there_makes_it_absent() {
    let (world, desired) = deployed().await;
    let id = world.objects().await[0]["id"].as_str().unwrap().to_owned();
    let status = |status: u16| json!({"kind": "status", "status": status});
    for (effect, expected) in [
        (status(403), ErrorKind::Forbidden),
        (status(401), ErrorKind::Unauthorized),
        (status(500), ErrorKind::Unavailable),
        (status(503), ErrorKind::Unavailable),
        (json!({"kind": "reset"}), ErrorKind::Unavailable),
        (json!({"kind": "truncated"}), ErrorKind::Unavailable),
        (json!({"kind": "empty"}), ErrorKind::Unavailable),
    ] {
        for reference in [reference(&desired, None), reference(&desired, Some(&id))] {
            world.fault(json!({"operation": "read", "effect": effect})).await;
            let error = world
                .connector
                .observe(&world.context, &reference)
                .await
                .unwrap_err();
            assert_eq!(error.kind(), expected, "{effect}");
            world.forget_faults().await;
        }
    }
    // A stale listing, or one that leaves it out: the export and the listing disagree.
    world
        .fault(json!({"operation": "GetExport", "effect": status(404), "times": 1}))
        .await;
    let found = world.observe(&desired).await.unwrap();
    assert!(matches!(found, Observation::Unknown { .. }), "{found:?}");
    world.edit("orders-1", json!({"kind": "delete"})).await;
    for reference in [reference(&desired, None), reference(&desired, Some(&id))] {
        let found = world.connector.observe(&world.context, &reference).await.unwrap();
        assert_eq!(found, Observation::Absent);
    }
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_no_answer() {
    let mut world = World::start().await;
    let desired = api();
    world.deploy(&desired).await.unwrap();
    world
        .fault(json!({"operation": "read", "effect": {"kind": "delay", "ms": 5000}}))
        .await;
    let mut settings = world.context.environment.settings.clone();
    settings.insert("requestTimeoutMs".to_owned(), json!(50));
    let old = &world.context.environment;
    world.context.environment = std::sync::Arc::new(gatehouse_connector_sdk::context::EnvironmentContext {
        id: old.id,
        name: old.name.clone(),
        mode: old.mode,
        settings,
        credentials: old.credentials.clone(),
        endpoints: Vec::new(),
    });
    let error = world.observe(&desired).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error.message().contains("got no answer from `http://"),
        "{}",
        error.message()
    );
}

#[tokio::test]
async fn looking_changes_nothing() {
    let (world, desired) = deployed().await;
    world.tell("reset-counters", json!({})).await;
    world.present(&desired).await;
    world.connector.check(&world.context).await.unwrap();
    world.page(Default::default()).await.unwrap();
    assert_eq!(world.writes().await, 0);
}

#[test]
fn the_settings_schema_stands_alone_and_is_strict() {
    let schema = crate::simulated_connector::SimulatedConnector::new(0)
        .descriptor()
        .settings_schema
        .clone();
    assert_eq!(schema["additionalProperties"], json!(false));
    assert_eq!(schema["required"], json!(["url", "account"]));
    assert!(!schema.to_string().contains("$ref"), "{schema}");
    assert_ne!(schema["title"], Value::Null);
}
