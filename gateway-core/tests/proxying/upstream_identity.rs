//! Whom upstreams are to be, and as whom the gateway comes: authorities, names and certificates of their own.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use gatehouse_gateway_core::{ApiConfig, Gateway, GatewayOptions};
use serde_json::{Value, json};

use crate::{
    authority::{Authority, authority as an_authority},
    secure_upstream::{Certified, Secure, Terms, certify, secure, with_secrets},
    support::{api, document, gateway, get, status},
};

const ORDERS: &str = "spiffe://internal/orders";

const HTTP1: &[&[u8]] = &[b"http/1.1"];

/// An API whose upstream is called `localhost`, with this said of TLS.
fn protected(name: &str, upstream: &Secure, tls: &Value) -> ApiConfig {
    let url = format!("https://localhost:{}", upstream.address.port());
    let fields = json!({"upstreams": {"main": {"url": url, "tls": tls}}});
    api(name, upstream.address, fields)
}

/// The same with a certificate of the gateway's own.
fn as_client(name: &str, upstream: &Secure, authority: &Authority, client: &Certified) -> ApiConfig {
    let tls = json!({
        "authorities": [authority.pem()],
        "clientCertificate": {"secretRef": "our-name"},
        "clientKey": {"secretRef": "our-key"},
    });
    let secrets = [
        ("our-name", client.certificate.as_str()),
        ("our-key", client.key.as_str()),
    ];
    with_secrets(protected(name, upstream, &tls), &secrets)
}

/// An upstream that wants to see certificates of its own authority.
async fn demanding(authority: &Authority) -> Secure {
    secure(&Terms {
        certified: certify(authority, "localhost"),
        callers: Some(authority.pem()),
        protocols: HTTP1,
    })
    .await
}

async fn caller_seen(gateway: &Gateway, path: &str) -> String {
    let answer = get(gateway, path).await;
    assert_eq!(status(&answer), 200, "{answer}");
    document(&answer)["caller"].as_str().expect("a caller").to_owned()
}

#[tokio::test]
async fn an_upstream_is_held_to_its_own_authority_and_name() {
    let gateway = gateway().await;
    let (own, other) = (an_authority("ours"), an_authority("theirs"));
    let named = |name: &str| Terms {
        certified: certify(&own, name),
        callers: None,
        protocols: HTTP1,
    };
    let (by_host, by_name, by_uri) = (
        secure(&named("localhost")).await,
        secure(&named("orders.internal")).await,
        secure(&named(ORDERS)).await,
    );
    let among = |authority: &Authority, names: &[&str]| json!({"authorities": [authority.pem()], "allowedNames": names});
    for (upstream, tls, expected) in [
        (&by_host, json!({"authorities": [own.pem()]}), 200),
        (&by_host, json!({"authorities": [other.pem(), own.pem()]}), 200),
        (&by_host, json!({"authorities": [other.pem()]}), 502),
        (&by_host, json!({}), 502),
        (
            &by_host,
            json!({"authorities": [own.pem()], "serverName": "orders.internal"}),
            502,
        ),
        (
            &by_name,
            json!({"authorities": [own.pem()], "serverName": "orders.internal"}),
            200,
        ),
        (&by_name, json!({"authorities": [own.pem()]}), 502),
        (&by_name, json!({"serverName": "orders.internal"}), 502),
        (&by_uri, among(&own, &["localhost", ORDERS]), 200),
        (&by_uri, among(&own, &["spiffe://internal/Orders"]), 502),
        (&by_uri, among(&other, &[ORDERS]), 502),
        (&by_uri, json!({"authorities": [own.pem()]}), 502),
        (&by_uri, json!({"allowedNames": [ORDERS]}), 502),
        (&by_name, among(&own, &["shop.internal", "orders.internal"]), 200),
        (&by_host, among(&own, &["orders.internal", ORDERS]), 502),
    ] {
        gateway
            .put_api(protected("a", upstream, &tls))
            .await
            .expect("applied");
        let answer = get(&gateway, "/a").await;
        assert_eq!(status(&answer), expected, "{tls}: {answer}");
        if expected == 200 {
            let seen = document(&answer);
            let name = tls["serverName"].as_str().unwrap_or("localhost");
            assert_eq!(seen["serverName"], name, "what is asked for (SNI)");
            let host = format!("localhost:{}", upstream.address.port());
            assert_eq!(seen["host"], host, "who is asked stays who the URL says");
        }
    }
}

#[tokio::test]
async fn the_gateway_shows_its_certificate_and_shares_no_connection_between_identities() {
    let gateway = gateway().await;
    let authority = an_authority("ours");
    let upstream = demanding(&authority).await;
    for name in ["billing", "shop"] {
        let client = certify(&authority, name);
        gateway
            .put_api(as_client(name, &upstream, &authority, &client))
            .await
            .expect("applied");
    }
    let nobody = protected("nobody", &upstream, &json!({"authorities": [authority.pem()]}));
    gateway.put_api(nobody).await.expect("applied");
    let stranger = as_client(
        "stranger",
        &upstream,
        &authority,
        &certify(&an_authority("theirs"), "shop"),
    );
    gateway.put_api(stranger).await.expect("applied");
    for _ in 0..3 {
        assert_eq!(caller_seen(&gateway, "/billing").await, "billing");
        assert_eq!(caller_seen(&gateway, "/shop").await, "shop");
        assert_eq!(status(&get(&gateway, "/nobody").await), 502);
        assert_eq!(status(&get(&gateway, "/stranger").await), 502);
    }
    assert_eq!(
        upstream.connections.load(SeqCst),
        2,
        "each identity keeps its own"
    );
}

#[tokio::test]
async fn a_new_certificate_is_shown_from_the_next_request_on() {
    let gateway = gateway().await;
    let authority = an_authority("ours");
    let upstream = demanding(&authority).await;
    for name in ["before", "after"] {
        let client = certify(&authority, name);
        gateway
            .put_api(as_client("a", &upstream, &authority, &client))
            .await
            .expect("applied");
        assert_eq!(caller_seen(&gateway, "/a").await, name);
    }
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_with_its_place_and_leaves_all_else_as_it_was() {
    let gateway = gateway().await;
    let authority = an_authority("ours");
    let upstream = demanding(&authority).await;
    let client = certify(&authority, "shop");
    for name in ["a", "sibling"] {
        gateway
            .put_api(as_client(name, &upstream, &authority, &client))
            .await
            .expect("applied");
    }
    let foreign = Certified {
        key: certify(&authority, "shop").key,
        certificate: client.certificate.clone(),
    };
    let garbage = Certified {
        key: "s3cret".to_owned(),
        certificate: client.certificate.clone(),
    };
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
    for (config, place) in [
        (as_client("a", &upstream, &authority, &foreign), "`tls.clientKey`"),
        (as_client("a", &upstream, &authority, &garbage), "`tls.clientKey`"),
        (
            protected("a", &upstream, &json!({"authorities": [authority.pem(), broken]})),
            "`tls.authorities[1]`",
        ),
    ] {
        let refused = gateway.put_api(config).await.expect_err("refused");
        let refused = std::error::Error::source(&refused)
            .map_or_else(|| refused.to_string(), |source| format!("{refused}: {source}"));
        assert!(refused.contains("upstream `main`"), "{refused}");
        assert!(refused.contains(place), "{refused}");
        assert!(!refused.contains("s3cret"), "{refused}");
        for path in ["/a", "/sibling"] {
            assert_eq!(caller_seen(&gateway, path).await, "shop");
        }
    }
}

#[tokio::test]
async fn checks_of_health_come_as_the_same() {
    let gateway = gateway().await;
    let authority = an_authority("ours");
    let upstreams = [demanding(&authority).await, demanding(&authority).await];
    let mut config = as_client("a", &upstreams[0], &authority, &certify(&authority, "shop"));
    let main = config.content.upstreams.get_mut("main").expect("an upstream");
    main.endpoints = serde_json::from_value(json!([
        {"url": format!("https://localhost:{}", upstreams[1].address.port())},
    ]))
    .expect("endpoints");
    main.health_check = serde_json::from_value(
        json!({"active": {"path": "/healthz", "intervalSeconds": 1, "unhealthyAfter": 1}}),
    )
    .expect("a check");
    gateway.put_api(config).await.expect("applied");
    for upstream in &upstreams {
        let checked = || {
            let seen = upstream.seen.lock().unwrap();
            seen.iter()
                .any(|(path, caller)| path == "/healthz" && caller == "shop")
        };
        while !checked() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let metrics = gateway.metrics_text();
    let available = "gatehouse_gateway_upstream_endpoints{api=\"a\",state=\"available\"} 2";
    assert!(metrics.contains(available), "{metrics}");
}

#[tokio::test]
async fn a_restart_without_anybody_to_ask_has_the_certificate() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = an_authority("ours");
    let upstream = demanding(&authority).await;
    let client = certify(&authority, "shop");
    let options = || GatewayOptions {
        state_dir: Some(folder.path().to_owned()),
        worker_threads: Some(1),
        ..GatewayOptions::default()
    };
    let gateway = Gateway::start(options()).await.expect("the gateway starts");
    gateway
        .put_api(as_client("a", &upstream, &authority, &client))
        .await
        .expect("applied");
    gateway.shutdown(Duration::from_secs(5)).await;
    let secret_line = client.key.lines().nth(1).expect("a key of several lines");
    for entry in std::fs::read_dir(folder.path().join("apis")).expect("a folder") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("readable");
        assert!(!String::from_utf8_lossy(&bytes).contains(secret_line));
    }
    let gateway = Gateway::start(options()).await.expect("the gateway starts");
    assert_eq!(caller_seen(&gateway, "/a").await, "shop");
}
