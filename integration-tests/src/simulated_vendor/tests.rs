//! How the vendor treats its customers.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Addresses, SimulatedVendor};

struct World {
    vendor: SimulatedVendor,
    http: reqwest::Client,
}

impl World {
    async fn start() -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let addresses = Addresses {
            api: any,
            simulation: any,
        };
        Self::begin(SimulatedVendor::start(addresses, None).await.unwrap()).await
    }

    async fn begin(vendor: SimulatedVendor) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let world = Self { vendor, http };
        world.tell("keys", json!({"key": "k", "account": "a"})).await;
        world
    }

    async fn tell(&self, what: &str, body: Value) -> Value {
        let url = format!("http://{}/simulation/{what}", self.vendor.addresses().simulation);
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        answer.json().await.unwrap()
    }

    async fn look(&self, what: &str) -> Value {
        let url = format!("http://{}/simulation/{what}", self.vendor.addresses().simulation);
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    async fn try_call(
        &self,
        method: Method,
        path: &str,
        body: Value,
    ) -> reqwest::Result<(StatusCode, Value)> {
        let url = format!("http://{}/v1{path}", self.vendor.addresses().api);
        let mut request = self.http.request(method, url).bearer_auth("k");
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let bytes = answer.bytes().await?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let (status, body) = self.try_call(method, path, body).await.unwrap();
        (status.as_u16(), body)
    }

    async fn create(&self, tags: Value) -> String {
        let (status, created) = self
            .call(Method::POST, "/apis", json!({"name": "orders", "tags": tags}))
            .await;
        assert_eq!(status, 201, "{created}");
        created["id"].as_str().unwrap().to_owned()
    }

    /// A snapshot of the draft, served at `live`.
    async fn serve(&self, id: &str, tags: Value) -> String {
        let body = json!({"name": "one", "tags": tags});
        let (_, deployment) = self
            .call(Method::POST, &format!("/apis/{id}/deployments"), body)
            .await;
        let deployment = deployment["id"].as_str().unwrap().to_owned();
        let body = json!({"deploymentId": deployment});
        let (status, _) = self
            .call(Method::PUT, &format!("/apis/{id}/stages/live"), body)
            .await;
        assert_eq!(status, 200);
        deployment
    }
}

#[tokio::test]
async fn only_what_a_stage_points_at_is_served() {
    let world = World::start().await;
    let id = world.create(json!({})).await;
    let routes = json!({"routes": [{"method": "GET", "path": "/a"}]});
    world
        .call(Method::PUT, &format!("/apis/{id}/routes"), routes)
        .await;
    let deployment = world.serve(&id, json!({})).await;
    let routes = json!({"routes": [{"method": "GET", "path": "/b"}]});
    world
        .call(Method::PUT, &format!("/apis/{id}/routes"), routes)
        .await;
    let (_, export) = world
        .call(
            Method::GET,
            &format!("/apis/{id}/export?include=draft"),
            Value::Null,
        )
        .await;
    assert_eq!(export["served"]["routes"][0]["path"], "/a");
    assert_eq!(export["draft"]["routes"][0]["path"], "/b");

    // What is served cannot be removed.
    let (status, refused) = world
        .call(
            Method::DELETE,
            &format!("/apis/{id}/deployments/{deployment}"),
            Value::Null,
        )
        .await;
    assert_eq!(status, 400);
    assert!(
        refused["message"].as_str().unwrap().starts_with("Active stages"),
        "{refused}"
    );
    assert_eq!(
        world
            .call(Method::DELETE, &format!("/apis/{id}"), Value::Null)
            .await
            .0,
        400
    );
    assert_eq!(
        world
            .call(Method::DELETE, &format!("/apis/{id}/stages/live"), Value::Null)
            .await
            .0,
        202
    );
    assert_eq!(
        world
            .call(Method::DELETE, &format!("/apis/{id}"), Value::Null)
            .await
            .0,
        202
    );
    assert_eq!(
        world
            .call(Method::GET, &format!("/apis/{id}"), Value::Null)
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn every_change_gives_a_new_version_in_the_listing() {
    let world = World::start().await;
    let id = world.create(json!({})).await;
    let mut seen = Vec::new();
    for change in [
        json!({"kind": "rename", "name": "b"}),
        json!({"kind": "tags", "with": {"x": "y"}}),
        json!({"kind": "putRoute", "route": {"method": "GET", "path": "/a"}}),
    ] {
        let (_, page) = world.call(Method::GET, "/apis", Value::Null).await;
        seen.push(page["items"][0]["etag"].clone());
        world
            .tell("edits", json!({"account": "a", "api": id, "edit": change}))
            .await;
    }
    let (_, page) = world.call(Method::GET, "/apis", Value::Null).await;
    seen.push(page["items"][0]["etag"].clone());
    let mut distinct = seen.clone();
    distinct.dedup();
    assert_eq!(distinct.len(), 4, "{seen:?}");
}

#[tokio::test]
async fn credentials_are_never_shown_again() {
    let world = World::start().await;
    let id = world.create(json!({})).await;
    let policy = json!({"name": "p", "scope": "*", "kind": "KEY_REQUIRED", "config": {"keys": [{"value": "secret text"}]}});
    world
        .call(
            Method::PUT,
            &format!("/apis/{id}/policies"),
            json!({"policies": [policy]}),
        )
        .await;
    let (_, export) = world
        .call(Method::GET, &format!("/apis/{id}/export"), Value::Null)
        .await;
    assert!(
        export["draft"]["policies"][0]["config"]["keys"][0]["valueDigest"].is_string(),
        "{export}"
    );
    assert!(!world.look("state").await.to_string().contains("secret text"));
}

#[tokio::test]
async fn a_changed_stage_is_not_overwritten_under_a_precondition() {
    let world = World::start().await;
    let id = world.create(json!({})).await;
    let deployment = world.serve(&id, json!({})).await;
    let url = format!("http://{}/v1/apis/{id}/stages/live", world.vendor.addresses().api);
    for (header, value, expected) in [("if-none-match", "*", 412), ("if-match", "v0", 412)] {
        let answer = world
            .http
            .put(&url)
            .bearer_auth("k")
            .header(header, value)
            .json(&json!({"deploymentId": deployment}))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), expected);
    }
}

#[tokio::test]
async fn readers_see_changes_late_and_writers_at_once() {
    let world = World::start().await;
    world.tell("behaviour", json!({"consistencyMs": 300})).await;
    let began = Instant::now();
    let id = world.create(json!({})).await;
    assert_eq!(
        world
            .call(Method::GET, &format!("/apis/{id}"), Value::Null)
            .await
            .0,
        404
    );
    let (status, _) = world
        .call(Method::PATCH, &format!("/apis/{id}"), json!({"name": "b"}))
        .await;
    assert_eq!(status, 200);
    while world
        .call(Method::GET, &format!("/apis/{id}"), Value::Null)
        .await
        .0
        == 404
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(began.elapsed() >= Duration::from_millis(299));
}

#[tokio::test]
async fn keys_may_do_what_they_are_allowed() {
    let world = World::start().await;
    world
        .tell("keys", json!({"key": "k", "account": "a", "allow": ["read"]}))
        .await;
    assert_eq!(world.call(Method::GET, "/apis", Value::Null).await.0, 200);
    let (status, refused) = world.call(Method::POST, "/apis", json!({"name": "x"})).await;
    assert_eq!((status, &refused["code"]), (403, &json!("AccessDenied")));
    world.tell("keys", json!({"key": "other", "account": "b"})).await;
    let answer = world
        .http
        .get(format!("http://{}/v1/apis", world.vendor.addresses().api))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 401);
}

#[tokio::test]
async fn what_is_too_much_is_refused_and_counted() {
    let world = World::start().await;
    world.tell("behaviour", json!({"quotaDivisor": 1})).await;
    world.create(json!({})).await;
    let url = format!("http://{}/v1/apis", world.vendor.addresses().api);
    let answer = world
        .http
        .post(url)
        .bearer_auth("k")
        .json(&json!({"name": "x"}))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status().as_u16(), 429);
    assert_eq!(answer.headers()["retry-after"], "3");
    let counters = world.look("counters").await;
    assert_eq!(
        counters["CreateApi"],
        json!({"calls": 1, "throttled": 1, "failed": 0})
    );
}

#[tokio::test]
async fn a_call_is_held_on_either_side_of_its_effect() {
    for (when, outcome, there) in [
        ("before", "proceed", true),
        ("before", "drop", false),
        ("after", "proceed", true),
        ("after", "drop", true),
    ] {
        let world = std::sync::Arc::new(World::start().await);
        world.tell("hold", json!({"request": 1, "when": when})).await;
        let call = {
            let world = world.clone();
            tokio::spawn(async move { world.try_call(Method::POST, "/apis", json!({"name": "x"})).await })
        };
        let held = world.look("held?timeoutMs=10000").await;
        assert_eq!(held["held"]["operation"], "CreateApi");
        assert_eq!(held["held"]["when"], when);
        let before = world.look("state").await.as_array().unwrap().len();
        assert_eq!(before, usize::from(when == "after"));
        world.tell("release", json!({"outcome": outcome})).await;
        assert_eq!(call.await.unwrap().is_ok(), outcome == "proceed");
        assert_eq!(
            world.look("state").await.as_array().unwrap().len(),
            usize::from(there)
        );
    }
}

#[tokio::test]
async fn what_was_asked_for_happens_although_the_caller_has_gone() {
    let world = std::sync::Arc::new(World::start().await);
    world.tell("hold", json!({"request": 1, "when": "before"})).await;
    let call = {
        let world = world.clone();
        tokio::spawn(async move { world.try_call(Method::POST, "/apis", json!({"name": "x"})).await })
    };
    world.look("held?timeoutMs=10000").await;
    call.abort();
    world.tell("release", json!({})).await;
    while world.look("state").await.as_array().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn it_notices_what_must_never_be_so() {
    let world = World::start().await;
    let mark = json!({"gatehouse-environment": "e", "gatehouse-api": "i"});
    let id = world.create(mark.clone()).await;
    assert_eq!(world.look("orphans").await[0]["id"], json!(id));
    world.serve(&id, json!({"gatehouse-security": "[\"key\"]"})).await;
    world.create(mark).await;
    let kinds: Vec<Value> = world
        .look("invariants")
        .await
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["kind"].clone())
        .collect();
    assert_eq!(kinds, [json!("unprotected"), json!("duplicateMark")]);
}

#[tokio::test]
async fn many_apis_are_there_at_once_and_the_same_every_time() {
    let mut states = Vec::new();
    for _ in 0..2 {
        let world = World::start().await;
        world
            .tell("seed", json!({"account": "a", "count": 200, "seed": 7}))
            .await;
        let state = world.look("state").await;
        let routes: Vec<usize> = state
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["api"]["draft"]["routes"].as_array().unwrap().len())
            .collect();
        assert!(routes.iter().all(|count| (5..=40).contains(count)), "{routes:?}");
        states.push(routes);
    }
    assert_eq!(states[0], states[1]);
}

#[tokio::test]
async fn what_a_file_holds_outlives_the_vendor() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vendor.json");
    let any = "127.0.0.1:0".parse().unwrap();
    let addresses = Addresses {
        api: any,
        simulation: any,
    };
    let world = World::begin(
        SimulatedVendor::start(addresses, Some(file.clone()))
            .await
            .unwrap(),
    )
    .await;
    let id = world.create(json!({})).await;
    world.tell("save", json!({})).await;
    drop(world);
    let world = World::begin(SimulatedVendor::start(addresses, Some(file)).await.unwrap()).await;
    assert_eq!(
        world
            .call(Method::GET, &format!("/apis/{id}"), Value::Null)
            .await
            .0,
        200
    );
    assert_ne!(world.create(json!({})).await, id);
}
