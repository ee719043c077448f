//! The whole proxy over real connections, with a small upstream that says what it was asked.

mod authentication;
mod plugins;
mod support;
mod traffic;

use serde_json::json;

use self::support::{Fake, service};

#[tokio::test]
async fn forwards_with_the_headers_that_a_real_one_was_recorded_with() {
    let fake = Fake::start().await;
    fake.put("services", "s", service(fake.upstream, "/api"));
    fake.put(
        "routes",
        "r",
        json!({"service": {"id": "s"}, "paths": ["/pets"], "strip_path": true}),
    );
    let answer = fake.get("/pets/1?a=b%20c&d").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["via"], "1.1 kong/3.9.3");
    assert!(answer.headers.contains_key("x-kong-request-id"));
    assert!(answer.headers.contains_key("x-kong-proxy-latency"));
    let asked = answer.json();
    assert_eq!(asked["uri"], "/api/1?a=b%20c&d");
    assert_eq!(asked["headers"]["host"], fake.upstream.to_string());
    assert_eq!(asked["headers"]["x-forwarded-for"], "127.0.0.1");
    assert_eq!(asked["headers"]["x-forwarded-path"], "/pets/1");
    assert_eq!(asked["headers"]["x-forwarded-prefix"], "/pets");
    assert_eq!(
        asked["headers"]["x-forwarded-port"],
        fake.proxy.port().to_string()
    );
}

#[tokio::test]
async fn says_that_no_route_matches() {
    let fake = Fake::start().await;
    let answer = fake.get("/nothing").await;
    assert_eq!(
        (answer.status, &answer.json()["message"]),
        (404, &json!("no Route matched with those values"))
    );
    assert_eq!(
        answer.json()["request_id"],
        answer.headers["x-kong-request-id"].to_str().unwrap()
    );
    assert_eq!(answer.headers["server"], "kong/3.9.3");
}

#[tokio::test]
async fn follows_a_new_configuration_as_a_whole() {
    let fake = Fake::start().await;
    fake.put("services", "s", service(fake.upstream, "/"));
    fake.put(
        "routes",
        "r",
        json!({"service": {"id": "s"}, "paths": ["/a"], "strip_path": false}),
    );
    assert_eq!(fake.get("/a").await.status, 200);
    let mut off = service(fake.upstream, "/");
    off["enabled"] = json!(false);
    fake.put("services", "s", off);
    assert_eq!(fake.get("/a").await.status, 404);
}

#[tokio::test]
async fn says_how_an_upstream_failed() {
    let fake = Fake::start().await;
    let gone = support::unused_address().await;
    fake.put("services", "gone", service(gone, "/"));
    fake.put(
        "routes",
        "gone",
        json!({"service": {"id": "gone"}, "paths": ["/gone"]}),
    );
    let mut slow = service(fake.upstream, "/slow");
    slow["read_timeout"] = json!(50);
    fake.put("services", "slow", slow);
    fake.put(
        "routes",
        "slow",
        json!({"service": {"id": "slow"}, "paths": ["/slow"]}),
    );
    let mut nobody = service(fake.upstream, "/");
    nobody["host"] = json!("nobody");
    fake.put("services", "nobody", nobody);
    fake.put("upstreams", "u", json!({"name": "nobody"}));
    fake.put(
        "routes",
        "nobody",
        json!({"service": {"id": "nobody"}, "paths": ["/nobody"]}),
    );
    let cases = [
        (
            "/gone",
            502,
            "An invalid response was received from the upstream server",
        ),
        ("/slow", 504, "The upstream server is timing out"),
        ("/nobody", 503, "failure to get a peer from the ring-balancer"),
    ];
    for (path, status, message) in cases {
        let answer = fake.get(path).await;
        assert_eq!(
            (answer.status, &answer.json()["message"]),
            (status, &json!(message)),
            "{path}"
        );
    }
}

#[tokio::test]
async fn shares_requests_among_targets_by_weight() {
    let fake = Fake::start().await;
    let other = support::upstream().await;
    let mut balanced = service(fake.upstream, "/");
    balanced["host"] = json!("many");
    fake.put("services", "s", balanced);
    fake.put("upstreams", "u", json!({"name": "many"}));
    fake.put(
        "targets",
        "1",
        json!({"upstream": {"id": "u"}, "target": fake.upstream.to_string(), "weight": 300}),
    );
    fake.put(
        "targets",
        "2",
        json!({"upstream": {"id": "u"}, "target": other.to_string(), "weight": 100}),
    );
    fake.put("routes", "r", json!({"service": {"id": "s"}, "paths": ["/"]}));
    let mut hosts = Vec::new();
    for _ in 0..8 {
        hosts.push(fake.get("/").await.json()["headers"]["host"].clone());
    }
    let first = hosts
        .iter()
        .filter(|host| **host == json!(fake.upstream.to_string()))
        .count();
    assert_eq!((first, hosts.len() - first), (6, 2));
}
