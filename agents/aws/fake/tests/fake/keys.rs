//! API keys and usage plans, and what they are worth to consumers.

use std::time::Duration;

use gatehouse_fake_aws::{Clock, FakeAwsOptions};
use serde_json::{Value, json};

use crate::client::Client;
use crate::deploy::deployed;
use crate::documents::{document, proxied};
use crate::upstream::Upstream;

const VALUE: &str = "a-key-of-20-characters";

fn with_key(upstream: &str) -> Value {
    let mut operation = proxied("GET", &format!("{upstream}/pets"), &[]);
    operation["security"] = json!([{"key": []}]);
    let mut document = document("Keys", &[("/pets", "get", operation)]);
    document["components"] =
        json!({"securitySchemes": {"key": {"type": "apiKey", "name": "x-api-key", "in": "header"}}});
    document
}

async fn key(client: &Client, value: &str) -> String {
    let given = json!({ "name": "consumer", "value": value, "enabled": true });
    client.call("POST", "/apikeys", given).await.id()
}

/// A usage plan of a stage, with a key in it.
async fn plan(client: &Client, given: Value, key: &str) -> String {
    let plan = client.call("POST", "/usageplans", given).await.id();
    let keys = format!("/usageplans/{plan}/keys");
    client
        .call("POST", &keys, json!({ "keyId": key, "keyType": "API_KEY" }))
        .await
        .ok();
    plan
}

#[tokio::test]
async fn a_key_of_a_plan_opens_its_stage() {
    let (client, upstream) = (Client::start().await, Upstream::start().await);
    let (api, _) = deployed(&client, &with_key(&upstream.url)).await;
    let path = format!("/{api}/prod/pets");
    let key = key(&client, VALUE).await;
    let refused = client.ask("GET", &path, &[("x-api-key", VALUE)]).await;
    assert_eq!(
        (refused.status, &refused.body["message"]),
        (403, &json!("Forbidden"))
    );
    let stages = json!([{"apiId": api, "stage": "prod"}]);
    plan(&client, json!({ "name": "plan", "apiStages": stages }), &key).await;
    assert_eq!(
        client.ask("GET", &path, &[("x-api-key", VALUE)]).await.status,
        200
    );
    assert_eq!(client.ask("GET", &path, &[]).await.status, 403);
    client
        .patch(&format!("/apikeys/{key}"), &[("replace", "/enabled", "false")])
        .await
        .ok();
    assert_eq!(
        client.ask("GET", &path, &[("x-api-key", VALUE)]).await.status,
        403
    );
}

#[tokio::test]
async fn a_plan_says_how_fast_and_how_often() {
    let clock = Clock::moved_by_hand(Duration::from_secs(1_700_000_000));
    let options = FakeAwsOptions {
        clock: clock.clone(),
        ..FakeAwsOptions::default()
    };
    let (client, upstream) = (Client::with(options).await, Upstream::start().await);
    let (api, _) = deployed(&client, &with_key(&upstream.url)).await;
    let key = key(&client, VALUE).await;
    let given = json!({
        "name": "plan", "apiStages": [{"apiId": api, "stage": "prod"}], "throttle": {"rateLimit": 1.0, "burstLimit": 2},
        "quota": {"limit": 4, "period": "DAY"},
    });
    plan(&client, given, &key).await;
    let path = format!("/{api}/prod/pets");
    let ask = async || {
        let answer = client.ask("GET", &path, &[("x-api-key", VALUE)]).await;
        (
            answer.status,
            answer.body["message"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let throttled = (429, "Too Many Requests".to_owned());
    assert_eq!([ask().await.0, ask().await.0], [200, 200]);
    assert_eq!(ask().await, throttled);
    clock.advance(Duration::from_secs(2));
    assert_eq!([ask().await.0, ask().await.0], [200, 200]);
    clock.advance(Duration::from_secs(2));
    assert_eq!(ask().await, (429, "Limit Exceeded".to_owned()));
    clock.advance(Duration::from_secs(24 * 60 * 60));
    assert_eq!(ask().await.0, 200);
}

#[tokio::test]
async fn values_are_shown_to_whoever_asks_for_them_alone() {
    let client = Client::start().await;
    let made = client
        .call("POST", "/apikeys", json!({ "name": "consumer" }))
        .await
        .ok();
    assert_eq!(made["value"].as_str().unwrap().len(), 40);
    assert_eq!(made["enabled"], false);
    let id = made["id"].as_str().unwrap();
    for (path, shown) in [
        ("", false),
        ("?includeValue=false", false),
        ("?includeValue=true", true),
    ] {
        let key = client.get(&format!("/apikeys/{id}{path}")).await.ok();
        assert_eq!(key.get("value").is_some(), shown, "{path}");
    }
    for (path, shown) in [
        ("", false),
        ("?includeValues=false", false),
        ("?includeValues=true", true),
    ] {
        let keys = client.get(&format!("/apikeys{path}")).await.ok();
        assert_eq!(keys["item"][0].get("value").is_some(), shown, "{path}");
    }
}

#[tokio::test]
async fn keys_that_cannot_be_are_refused() {
    let client = Client::start().await;
    let create = async |value: &str| client.call("POST", "/apikeys", json!({ "value": value })).await;
    let said = "API Key value should be at least 20 characters";
    assert_eq!(
        create("short").await.refusal(),
        (400, "BadRequestException", said)
    );
    assert_eq!(create(&"a".repeat(129)).await.status, 400);
    assert_eq!(create(&"a".repeat(128)).await.status, 201);
    let again = create(&"a".repeat(128)).await;
    assert_eq!(
        again.refusal(),
        (409, "ConflictException", "API Key already exists")
    );
    assert_eq!(
        client.get("/apikeys/none").await.refusal().2,
        "Invalid API Key identifier specified"
    );
}

#[tokio::test]
async fn a_key_is_in_one_plan_of_a_stage() {
    let (client, upstream) = (Client::start().await, Upstream::start().await);
    let (api, _) = deployed(&client, &with_key(&upstream.url)).await;
    let key = key(&client, VALUE).await;
    let stages = json!([{"apiId": api, "stage": "prod"}]);
    let first = plan(&client, json!({ "name": "first", "apiStages": stages }), &key).await;
    let second = client
        .call(
            "POST",
            "/usageplans",
            json!({ "name": "second", "apiStages": stages }),
        )
        .await
        .id();
    let add = json!({ "keyId": key, "keyType": "API_KEY" });
    let refused = client
        .call("POST", &format!("/usageplans/{second}/keys"), add.clone())
        .await;
    assert_eq!(refused.refusal().1, "ConflictException");
    let twice = client
        .call("POST", &format!("/usageplans/{first}/keys"), add)
        .await;
    assert_eq!(twice.refusal().1, "ConflictException");
    let keys = client.get(&format!("/usageplans/{first}/keys")).await.ok();
    assert_eq!(
        keys["item"][0],
        json!({ "id": key, "type": "API_KEY", "name": "consumer" })
    );
    let of_key = client.get(&format!("/usageplans?keyId={key}")).await.ok();
    assert_eq!(of_key["item"].as_array().unwrap().len(), 1);
    let path = format!("/usageplans/{first}/keys/{key}");
    client.get(&path).await.ok();
    assert_eq!(client.call("DELETE", &path, Value::Null).await.status, 202);
    assert_eq!(client.call("DELETE", &path, Value::Null).await.status, 404);
    assert_eq!(
        client
            .call("DELETE", &format!("/apikeys/{key}"), Value::Null)
            .await
            .status,
        202
    );
}

#[tokio::test]
async fn plans_and_stages_hold_each_other() {
    let (client, upstream) = (Client::start().await, Upstream::start().await);
    let (api, _) = deployed(&client, &with_key(&upstream.url)).await;
    let missing = json!({ "name": "plan", "apiStages": [{"apiId": api, "stage": "none"}] });
    let refused = client.call("POST", "/usageplans", missing).await;
    assert_eq!(refused.refusal().2, format!("API Stage not found: {api}:none"));
    let plan = client
        .call("POST", "/usageplans", json!({ "name": "plan" }))
        .await
        .id();
    let path = format!("/usageplans/{plan}");
    let stage = format!("{api}:prod");
    let changed = client
        .patch(
            &path,
            &[
                ("add", "/apiStages", &stage),
                (
                    "add",
                    &format!("/apiStages/{stage}/throttle/~1pets/GET/rateLimit"),
                    "2",
                ),
                (
                    "add",
                    &format!("/apiStages/{stage}/throttle/~1pets/GET/burstLimit"),
                    "3",
                ),
                ("replace", "/quota/limit", "5"),
                ("replace", "/quota/period", "MONTH"),
            ],
        )
        .await
        .ok();
    let throttle = json!({"/pets/GET": {"rateLimit": 2.0, "burstLimit": 3}});
    assert_eq!(
        changed["apiStages"],
        json!([{"apiId": api, "stage": "prod", "throttle": throttle}])
    );
    assert_eq!(client.call("DELETE", &path, Value::Null).await.status, 400);
    let of_stage = format!("/restapis/{api}/stages/prod");
    assert_eq!(client.call("DELETE", &of_stage, Value::Null).await.status, 400);
    assert_eq!(
        client
            .call("DELETE", &format!("/restapis/{api}"), Value::Null)
            .await
            .status,
        400
    );
    let changed = client
        .patch(
            &path,
            &[("remove", "/apiStages", &stage), ("remove", "/quota", "")],
        )
        .await
        .ok();
    assert!(changed.get("quota").is_none(), "{changed}");
    assert_eq!(client.call("DELETE", &path, Value::Null).await.status, 202);
    assert_eq!(client.call("DELETE", &path, Value::Null).await.status, 404);
    assert_eq!(client.call("DELETE", &of_stage, Value::Null).await.status, 202);
}
