//! Which requests reach which upstream, and what they look like there.

use serde_json::json;

use crate::support::{api, document, echo, gateway, get, raw, status};

#[tokio::test]
async fn a_request_reaches_the_upstream_without_the_base_path() {
    let gateway = gateway().await;
    let upstream = echo().await;
    gateway
        .put_api(api("orders", upstream, json!({})))
        .await
        .expect("applied");
    let seen = document(&get(&gateway, "/orders/items/7?page=2").await);
    assert_eq!(seen["target"], "/items/7?page=2");
    assert_eq!(seen["headers"]["host"][0], upstream.to_string());
    assert_eq!(seen["headers"]["x-forwarded-for"][0], "127.0.0.1");
    assert_eq!(seen["headers"]["x-forwarded-host"][0], "example.com");
    assert_eq!(seen["headers"]["x-forwarded-proto"][0], "http");
}

#[tokio::test]
async fn unknown_paths_and_methods_have_their_own_problems() {
    let gateway = gateway().await;
    let operations = json!({"operations": [{"match": {"method": "GET", "path": "/items/{id}"}}]});
    gateway
        .put_api(api("orders", echo().await, operations))
        .await
        .expect("applied");
    let missing = get(&gateway, "/other").await;
    assert_eq!(status(&missing), 404);
    assert_eq!(
        document(&missing)["type"],
        "https://gatehouse.dev/problems/gateway/no-route"
    );
    let refused = raw(
        &gateway,
        "DELETE /orders/items/7 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(status(&refused), 405);
    assert!(refused.contains("allow: GET, HEAD\r\n"), "{refused}");
    assert_eq!(status(&get(&gateway, "/orders/items/7").await), 200);
}

#[tokio::test]
async fn a_removed_api_is_gone_and_removing_it_again_is_no_error() {
    let gateway = gateway().await;
    let config = api("orders", echo().await, json!({}));
    gateway.put_api(config.clone()).await.expect("applied");
    assert_eq!(gateway.apis().len(), 1);
    gateway.remove_api(&config.external_ref).await.expect("removed");
    gateway
        .remove_api(&config.external_ref)
        .await
        .expect("already gone");
    assert_eq!(status(&get(&gateway, "/orders").await), 404);
}

#[tokio::test]
async fn requests_are_told_apart_by_expressions_for_headers_and_parameters() {
    let gateway = gateway().await;
    let (plain, special) = (echo().await, echo().await);
    let fields = json!({
        "upstreams": {"main": {"url": format!("http://{plain}")}, "special": {"url": format!("http://{special}")}},
        "operations": [
            {"match": {"method": "GET", "path": "/a"}},
            {"match": {"method": "GET", "path": "/a", "headerRegex": {"x-tenant": "north|south"}}, "upstream": "special"},
            {"match": {"method": "GET", "path": "/a", "queryRegex": {"page": "[0-9]{2,}"}}, "upstream": "special"},
        ],
    });
    gateway
        .put_api(api("shop", plain, fields))
        .await
        .expect("applied");
    for (target, header, expected) in [
        ("/shop/a", "X-Tenant: south", special),
        ("/shop/a", "X-Tenant: southwest", plain),
        ("/shop/a?page=10", "X-Other: south", special),
        ("/shop/a?page=1", "X-Other: south", plain),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{header}\r\n\r\n");
        let seen = document(&raw(&gateway, &request).await);
        assert_eq!(seen["headers"]["host"][0], expected.to_string(), "{request}");
    }
}

#[tokio::test]
async fn an_expression_that_is_none_or_too_large_refuses_its_api_with_its_place() {
    let gateway = gateway().await;
    let upstream = echo().await;
    for (matched, words) in [
        (
            json!({"headerRegex": {"x-tenant": "(north"}}),
            "`headerRegex` of `x-tenant`",
        ),
        (
            json!({"queryRegex": {"page": "(a{1000}){1000}"}}),
            "`queryRegex` of `page`",
        ),
    ] {
        let mut matched = matched;
        matched["method"] = json!("GET");
        matched["path"] = json!("/a");
        let fields = json!({"operations": [{"match": matched}]});
        let refused = gateway.put_api(api("shop", upstream, fields)).await;
        let refused = format!("{:?}", refused.expect_err("refused"));
        assert!(refused.contains(words), "{refused}");
    }
}
