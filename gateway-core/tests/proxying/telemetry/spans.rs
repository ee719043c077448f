//! What spans say of requests.

use std::time::{Duration, SystemTime};

use serde_json::json;

use super::{
    PARENT, TRACE, header, keeping, nanoseconds, nobody, request, serving, shop_key, told, traceparent,
};
use crate::{
    collector::{Collector, attribute, by_kind, hexadecimal},
    policies::with_key,
    support::{api, get, raw, status},
};

#[tokio::test]
async fn a_request_is_a_span_below_its_callers_and_the_upstream_is_told_of_the_one_below_that() {
    let collector = Collector::start().await;
    let (address, seen) = keeping(&[]).await;
    let operations = json!({"operations": [{"id": "getOrder", "match": {"method": "GET", "path": "/{id}"}}]});
    let gateway = serving(collector.options(), api("orders", address, operations)).await;
    let before = nanoseconds(SystemTime::now());
    let headers = format!(
        "{}tracestate: a=1\r\ntracestate: b=2\r\nX-Request-Id: r-7\r\n",
        traceparent("01")
    );
    let answer = raw(&gateway, &request("/orders/7?token=s3cret", &headers)).await;
    assert_eq!(status(&answer), 200);
    let (servers, clients) = by_kind(collector.spans(2).await);
    let ([server], [client]) = (&servers[..], &clients[..]) else {
        panic!("{servers:?} {clients:?}");
    };
    assert_eq!(hexadecimal(&server.trace_id), TRACE);
    assert_eq!(hexadecimal(&server.parent_span_id), PARENT);
    assert_eq!(server.name, "GET /orders/{id}");
    assert_eq!(server.trace_state, "a=1,b=2");
    for (key, expected) in [
        ("http.route", "/orders/{id}"),
        ("url.path", "/orders/7"),
        ("server.address", "shop.example.com"),
        ("client.address", "127.0.0.1"),
        ("http.response.status_code", "200"),
        ("network.protocol.version", "1.1"),
        ("gatehouse.api", "orders"),
        ("gatehouse.operation", "getOrder"),
        ("gatehouse.request_id", "r-7"),
    ] {
        assert_eq!(attribute(server, key), expected, "{key}");
    }
    assert_eq!(client.trace_id, server.trace_id);
    assert_eq!(client.parent_span_id, server.span_id);
    assert_eq!(attribute(client, "server.port"), address.port().to_string());
    assert_eq!(attribute(client, "url.full"), format!("http://{address}/7"));
    assert_eq!(attribute(client, "http.response.status_code"), "200");
    assert!(!format!("{servers:?} {clients:?}").contains("s3cret"));
    {
        let seen = seen.lock().unwrap();
        assert_eq!(header(&seen[0], "traceparent"), told(client, "01"));
        assert_eq!(header(&seen[0], "tracestate"), "a=1,b=2");
    }
    assert!(before <= server.start_time_unix_nano);
    assert!(server.start_time_unix_nano <= client.start_time_unix_nano);
    assert!(client.end_time_unix_nano <= server.end_time_unix_nano);
    let resource = collector.resource();
    assert_eq!(resource["service.name"], "gatehouse-gateway");
    assert!(!resource["service.instance.id"].is_empty());
    gateway.shutdown(Duration::ZERO).await;
}

#[tokio::test]
async fn each_time_that_a_request_is_sent_is_a_span_of_its_own() {
    let collector = Collector::start().await;
    let (address, seen) = keeping(&[503, 503]).await;
    let retry = json!({"type": "retry", "with": {"attempts": 2, "on": ["unavailable"], "backoffMs": 1}});
    let gateway = serving(
        collector.options(),
        api("a", address, json!({"policies": [retry]})),
    )
    .await;
    assert_eq!(status(&get(&gateway, "/a").await), 200);
    let (servers, clients) = by_kind(collector.spans(4).await);
    assert_eq!((servers.len(), clients.len()), (1, 3));
    assert_eq!(attribute(&servers[0], "http.response.status_code"), "200");
    assert!(servers[0].status.is_none());
    let seen = seen.lock().unwrap();
    for (number, client) in clients.iter().enumerate() {
        assert_eq!(
            header(&seen[number], "traceparent"),
            told(client, "03"),
            "{number}"
        );
        assert_eq!(client.parent_span_id, servers[0].span_id);
        let (again, error) = [("", "503"), ("1", "503"), ("2", "")][number];
        assert_eq!(attribute(client, "http.request.resend_count"), again);
        assert_eq!(attribute(client, "error.type"), error);
        assert!(client.end_time_unix_nano <= servers[0].end_time_unix_nano);
    }
    assert!(clients[0].end_time_unix_nano <= clients[1].start_time_unix_nano);
}

#[tokio::test]
async fn a_refused_request_has_a_span_that_says_why() {
    let collector = Collector::start().await;
    let (address, seen) = keeping(&[]).await;
    let config = with_key(
        api("a", address, json!({"policies": [shop_key()]})),
        "shop-key",
        "s3cret",
    );
    let gateway = serving(collector.options(), config).await;
    gateway
        .put_api(api("dead", nobody().await, json!({})))
        .await
        .expect("applied");
    for (path, code, problem, error, name, attempts) in [
        ("/a/b", 401, "unauthenticated", "", "GET /a/{path...}", 0),
        ("/nothing", 404, "no-route", "", "GET", 0),
        ("/%zz", 400, "bad-request", "", "GET", 0),
        (
            "/dead",
            502,
            "upstream-unreachable",
            "upstream-unreachable",
            "GET /dead/{path...}",
            1,
        ),
    ] {
        let before = collector.spans_so_far().len();
        let answer = raw(&gateway, &request(path, "X-API-Key: wrong-s3cret\r\n")).await;
        assert_eq!(status(&answer), code, "{path}");
        let new = collector.spans(before + 1 + attempts).await.split_off(before);
        let (servers, clients) = by_kind(new);
        assert_eq!((servers.len(), clients.len()), (1, attempts), "{path}");
        let server = &servers[0];
        assert_eq!(server.name, name);
        assert_eq!(attribute(server, "http.response.status_code"), code.to_string());
        assert_eq!(attribute(server, "gatehouse.problem"), problem);
        assert_eq!(attribute(server, "error.type"), error);
        assert_eq!(server.status.is_some(), !error.is_empty(), "{path}");
        assert!(!format!("{server:?}").contains("s3cret"));
        for client in clients {
            assert_eq!(attribute(&client, "error.type"), "connection_failed");
        }
    }
    assert!(seen.lock().unwrap().is_empty());
}
