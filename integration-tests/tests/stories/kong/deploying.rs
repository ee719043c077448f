//! An API is deployed to a Kong where others work, called, changed under load, put back, and taken away again.

use gatehouse_integration_tests::{kong::Kong, load::Load, upstream::Upstream};
use reqwest::{
    Method,
    header::{HeaderMap, HeaderValue},
};
use serde_json::{Value, json};

use super::{KEY, World, on_kongs, orders, with_key};

on_kongs! {
    an_api_is_deployed_called_changed_and_removed_beside_those_of_others
    an_update_and_a_rollback_under_load_fail_no_request
    what_somebody_changes_on_kong_is_seen_and_put_back
}

impl World {
    async fn status(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> u16 {
        self.kong.consume(method, path, headers).await.status().as_u16()
    }
}

async fn an_api_is_deployed_called_changed_and_removed_beside_those_of_others(kong: Kong) {
    let world = World::start(kong).await;
    let (mine, other) = (Upstream::start("mine").await, Upstream::start("other").await);
    world.theirs("billing", &other).await;
    let before = world.kong.everything().await;

    let checked = world.run("env check kong").await.expect_code(0);
    checked
        .expect_said("it is Kong ")
        .expect_said("with a database, router `traditional")
        .expect_said("plugins can be used")
        .expect_said("the credential may change services, which the mode needs");
    world.admin.apply(with_key(orders(&mine))).await;
    world
        .run("plan orders --to kong")
        .await
        .expect_code(0)
        .expect_said("deploy orders in kong")
        .expect_said("Kong counts in fixed windows");
    assert_eq!(
        world.kong.everything().await,
        before,
        "neither a check nor a plan changes anything"
    );

    let deployed = world.run("deploy orders --to kong --wait").await.expect_code(0);
    deployed.expect_said(&format!("{}/orders", world.kong.proxy_url));
    assert_protected(&world).await;
    assert_called_from_a_page(&world).await;
    let theirs = world.kong.consume(Method::GET, "/billing/1", &[]).await;
    assert_eq!(
        (theirs.status().as_u16(), &theirs.headers()["x-theirs"]),
        (200, &HeaderValue::from_static("yes"))
    );
    world.run("drift kong").await.expect_code(0);

    // Without the key's value anywhere but where Kong checks it.
    for (place, entity) in world.kong.everything().await {
        let is_credential = place.starts_with("key-auths/");
        assert_eq!(
            entity.to_string().contains(KEY.1),
            is_credential,
            "{place}: {entity:#}"
        );
    }

    world
        .run("undeploy orders --from kong --wait")
        .await
        .expect_code(0);
    assert_eq!(world.kong.everything().await, before);
}

/// With the key, and with nothing else.
async fn assert_protected(world: &World) {
    let answer = world.kong.consume(Method::GET, "/orders/1", &[KEY]).await;
    assert_eq!(answer.status(), 200);
    let told: Value = answer.json().await.unwrap();
    assert_eq!(
        (&told["upstream"], &told["path"]),
        (&json!("mine"), &json!("/1")),
        "{told:#}"
    );
    assert_eq!(
        told["headers"].get(KEY.0),
        None,
        "the key stays at the gateway: {told:#}"
    );
    for headers in [&[][..], &[(KEY.0, "another-key-of-some-length")]] {
        assert_eq!(world.status(Method::GET, "/orders/1", headers).await, 401);
    }
    assert_eq!(world.status(Method::POST, "/orders", &[KEY]).await, 200);
    assert_eq!(world.status(Method::DELETE, "/orders/1", &[KEY]).await, 404);
    assert_eq!(world.status(Method::GET, "/orders/1/2", &[KEY]).await, 404);
    for expected in [200, 200, 429] {
        assert_eq!(
            world.status(Method::GET, "/orders/reports/daily", &[KEY]).await,
            expected
        );
    }
    assert_eq!(
        world.status(Method::GET, "/orders/2", &[KEY]).await,
        200,
        "the limit is that of one operation"
    );
}

/// A browser asks first, and without the key.
async fn assert_called_from_a_page(world: &World) {
    let asked = [
        ("origin", "https://shop.example.com"),
        ("access-control-request-method", "GET"),
    ];
    let answer = world.kong.consume(Method::OPTIONS, "/orders/1", &asked).await;
    assert!(answer.status().is_success(), "{answer:?}");
    assert_eq!(
        answer.headers()["access-control-allow-origin"],
        "https://shop.example.com"
    );
}

async fn an_update_and_a_rollback_under_load_fail_no_request(kong: Kong) {
    let world = World::start(kong).await;
    let (one, two) = (Upstream::start("one").await, Upstream::start("two").await);
    world.admin.apply(with_key(orders(&one))).await;
    world.run("deploy orders --to kong --wait").await.expect_code(0);
    world.admin.apply(with_key(orders(&two))).await;

    let key = HeaderMap::from_iter([(KEY.0.parse().unwrap(), HeaderValue::from_static(KEY.1))]);
    let load = Load::start_with(4, &format!("{}/orders/1", world.kong.proxy_url), &key, describe);
    world.run("deploy orders --to kong --wait").await.expect_code(0);
    assert_eq!(upstream_of(&world).await, "two");
    world
        .run("rollback orders --env kong --wait")
        .await
        .expect_code(0);
    assert_eq!(upstream_of(&world).await, "one");
    let answers = load.finish().await;
    let seen: Vec<&str> = answers.keys().map(String::as_str).collect();
    assert_eq!(seen, ["200 one", "200 two"], "{answers:?}");
}

async fn upstream_of(world: &World) -> Value {
    let answer = world.kong.consume(Method::GET, "/orders/1", &[KEY]).await;
    answer.json::<Value>().await.unwrap()["upstream"].take()
}

fn describe(status: u16, _headers: &HeaderMap, body: &Value) -> String {
    format!("{status} {}", body["upstream"].as_str().unwrap_or("?"))
}

async fn what_somebody_changes_on_kong_is_seen_and_put_back(kong: Kong) {
    let world = World::start(kong).await;
    let (mine, other) = (Upstream::start("mine").await, Upstream::start("other").await);
    world.admin.apply(with_key(orders(&mine))).await;
    world.run("deploy orders --to kong --wait").await.expect_code(0);
    world.run("drift kong").await.expect_code(0);

    let url = json!({"url": other.url()});
    world.kong.change("/services/orders", &url).await;
    world
        .run("drift kong")
        .await
        .expect_code(2)
        .expect_said("/upstreams/")
        .expect_said(&other.url());
    world
        .run("drift resolve orders --env kong --revert")
        .await
        .expect_code(0);
    world.run("drift kong").await.expect_code(0);
    assert_eq!(upstream_of(&world).await, "mine");

    // A plugin taken away opens the API; that is told, too.
    let plugins = world.kong.list("plugins").await;
    let is_key_auth = |plugin: &&Value| plugin["name"] == "key-auth";
    let plugin = plugins.iter().find(is_key_auth).unwrap();
    let path = format!("/plugins/{}", plugin["id"].as_str().unwrap());
    world.kong.call(Method::DELETE, &path, None).await;
    world
        .run("drift kong")
        .await
        .expect_code(2)
        .expect_said("/policies");
    world
        .run("drift resolve orders --env kong --revert")
        .await
        .expect_code(0);
    assert_eq!(world.status(Method::GET, "/orders/1", &[]).await, 401);
}
