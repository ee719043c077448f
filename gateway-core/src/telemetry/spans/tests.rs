use std::{
    net::Ipv4Addr,
    time::{Instant, SystemTime},
};

use http::StatusCode;
use opentelemetry_proto::tonic::common::v1::any_value::Value;

use super::*;
use crate::telemetry::{
    context::{SpanId, TraceId},
    served::Asked,
};

/// A request that took a second, with changes.
fn served(change: impl FnOnce(&mut Served)) -> Served {
    let mut served = Served {
        context: Context::root(TraceId::random(), true),
        parent: None,
        link: None,
        state: None,
        began: SystemTime::UNIX_EPOCH + Duration::from_secs(10),
        started: Instant::now(),
        took: Some(Duration::from_secs(1)),
        request: Asked {
            method: Method::GET,
            path: "/a/1".into(),
            host: Some("[::1]:8080".into()),
            version: Version::HTTP_2,
            secure: true,
            address: Ipv4Addr::new(192, 0, 2, 7).to_ipv6_mapped().into(),
            grpc: false,
        },
        request_id: None,
        route: None,
        status: Some(StatusCode::OK),
        problem: None,
        grpc_status: None,
        whole: true,
        broken: false,
        attempts: Vec::new(),
    };
    change(&mut served);
    served
}

fn attribute(span: &Span, key: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key == key);
    let value = found.and_then(|attribute| attribute.value.as_ref()?.value.clone());
    match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}

fn failed(span: &Span) -> bool {
    span.status
        .as_ref()
        .is_some_and(|status| status.code == i32::from(SpanStatus::Error))
}

#[test]
fn a_request_is_described_without_its_query() {
    let spans = of(&served(|_| {}));
    let [span] = &spans[..] else {
        panic!("{spans:?}");
    };
    for (key, expected) in [
        ("http.request.method", "GET"),
        ("url.path", "/a/1"),
        ("url.scheme", "https"),
        ("server.address", "::1"),
        ("server.port", "8080"),
        ("client.address", "192.0.2.7"),
        ("network.protocol.version", "2"),
        ("http.response.status_code", "200"),
        ("error.type", ""),
    ] {
        assert_eq!(attribute(span, key), expected, "{key}");
    }
    assert!(!format!("{span:?}").contains("s3cret"), "{span:?}");
    assert_eq!(
        (span.name.as_str(), span.kind),
        ("GET", i32::from(SpanKind::Server))
    );
    assert_eq!(span.start_time_unix_nano, 10_000_000_000);
    assert_eq!(span.end_time_unix_nano, 11_000_000_000);
    assert_eq!(span.flags, 0x300 | 3);
}

#[test]
fn of_a_host_nothing_is_said_but_its_name_and_port() {
    for (host, expected) in [
        ("user:s3cret@shop.example", "shop.example"),
        ("shop.example", "shop.example"),
        ("user:s3cret @shop.example", ""),
        ("", ""),
    ] {
        let spans = of(&served(|served| served.request.host = Some(host.into())));
        assert_eq!(attribute(&spans[0], "server.address"), expected, "{host}");
    }
}

#[test]
fn a_method_that_nobody_has_defined_is_another_one() {
    let spans = of(&served(|served| {
        served.request.method = "MAKE-COFFEE".parse().unwrap();
    }));
    assert_eq!(spans[0].name, "HTTP");
    assert_eq!(attribute(&spans[0], "http.request.method"), "_OTHER");
    assert_eq!(
        attribute(&spans[0], "http.request.method_original"),
        "MAKE-COFFEE"
    );
}

/// For the gateway's own span, what the caller did wrong is no failure; for that of an upstream it is one.
#[test]
fn failures_have_a_kind() {
    type Change = fn(&mut Served);
    let cases: [(Change, &str); 8] = [
        (|served| served.status = Some(StatusCode::NOT_FOUND), ""),
        (
            |served| served.status = Some(StatusCode::INTERNAL_SERVER_ERROR),
            "500",
        ),
        (
            |served| {
                served.status = Some(StatusCode::BAD_GATEWAY);
                served.problem = Some("upstream-unreachable");
            },
            "upstream-unreachable",
        ),
        (
            |served| {
                served.status = Some(StatusCode::FORBIDDEN);
                served.problem = Some("forbidden");
            },
            "",
        ),
        (|served| served.status = None, "cancelled"),
        (|served| served.broken = true, "response_broken_off"),
        (|served| served.grpc_status = Some(5), ""),
        (|served| served.grpc_status = Some(14), "UNAVAILABLE"),
    ];
    for (change, expected) in cases {
        let spans = of(&served(change));
        assert_eq!(attribute(&spans[0], "error.type"), expected);
        assert_eq!(failed(&spans[0]), !expected.is_empty(), "{expected}");
    }
    for (outcome, expected) in [
        (Some(Outcome::Answered(StatusCode::OK, Version::HTTP_11)), ""),
        (
            Some(Outcome::Answered(StatusCode::NOT_FOUND, Version::HTTP_11)),
            "404",
        ),
        (Some(Outcome::Failed("timeout")), "timeout"),
        (None, "cancelled"),
    ] {
        let spans = of(&served(|served| served.attempts.push(attempt(served, outcome))));
        assert_eq!(attribute(&spans[1], "error.type"), expected);
        assert_eq!(failed(&spans[1]), !expected.is_empty(), "{expected}");
    }
}

fn attempt(served: &Served, outcome: Option<Outcome>) -> Attempt {
    Attempt {
        context: served.context.child(),
        began: Duration::from_millis(100),
        ended: None,
        authority: HeaderValue::from_static("orders.internal"),
        secure: true,
        uri: "/1?key=s3cret".parse().unwrap(),
        outcome,
    }
}

#[test]
fn attempts_are_below_the_gateways_own_span() {
    let spans = of(&served(|served| {
        let mut first = attempt(served, Some(Outcome::Failed("timeout")));
        first.ended = Some(Duration::from_millis(400));
        let second = attempt(served, Some(Outcome::Answered(StatusCode::OK, Version::HTTP_2)));
        served.attempts = vec![first, second];
        served.parent = Some(SpanId(7_u64.to_be_bytes()));
    }));
    let [server, first, second] = &spans[..] else {
        panic!("{spans:?}");
    };
    assert_eq!(server.parent_span_id, 7_u64.to_be_bytes());
    for client in [first, second] {
        assert_eq!(client.trace_id, server.trace_id);
        assert_eq!(client.parent_span_id, server.span_id);
        assert_eq!(
            (client.name.as_str(), client.kind),
            ("GET", i32::from(SpanKind::Client))
        );
        assert_eq!(attribute(client, "url.full"), "https://orders.internal/1");
        assert_eq!(attribute(client, "server.address"), "orders.internal");
        assert_eq!(attribute(client, "server.port"), "443");
        assert_eq!(client.start_time_unix_nano, 10_100_000_000);
    }
    assert_eq!(first.end_time_unix_nano, 10_400_000_000);
    assert_eq!(second.end_time_unix_nano, 11_000_000_000);
    assert_eq!(attribute(first, "http.request.resend_count"), "");
    assert_eq!(attribute(second, "http.request.resend_count"), "1");
}

#[test]
fn a_grpc_call_says_its_method_and_how_it_ended() {
    let spans = of(&served(|served| {
        served.request.grpc = true;
        served.request.path = "/base/pkg.Orders/Get".into();
        served.grpc_status = Some(0);
    }));
    assert_eq!(attribute(&spans[0], "rpc.system.name"), "grpc");
    assert_eq!(attribute(&spans[0], "rpc.response.status_code"), "OK");
    // Without a route the method is whatever the caller wrote.
    assert_eq!(attribute(&spans[0], "rpc.method"), "");
}
