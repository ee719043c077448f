//! Answers that are passed on as they come.

use gatehouse_connector_sdk::schemas::descriptor::Fidelity;
use serde_json::{Value, json};

use super::{api, form, settings};
use crate::translate::{fidelity, kind, remarks};

fn timeout(milliseconds: u32) -> Value {
    json!({"type": "timeout", "with": {"responseMs": milliseconds}})
}

/// The mode of `GET /items` and the time that it may take, in an environment that says `streaming` of an upstream that may
/// take `upstream` milliseconds.
fn mode(streaming: &str, upstream: u32, policies: &Value) -> (Option<String>, u64) {
    let mut desired = api(&json!([]), &[("GET", "/items", policies.clone())]);
    let main = desired.content.upstreams.get_mut("main").expect("an upstream");
    main.timeout_ms = upstream;
    let settings = settings(json!({"kind": "rest", "responseStreaming": streaming}));
    let document = form(&desired, &settings).document;
    let integration = &document["paths"]["/items"]["get"]["x-amazon-apigateway-integration"];
    (
        integration["responseTransferMode"].as_str().map(str::to_owned),
        integration["timeoutInMillis"].as_u64().unwrap_or_default(),
    )
}

#[test]
fn an_environment_says_which_answers_are_streamed() {
    let cache = json!([{"type": "cache", "with": {"ttlSeconds": 60, "varyQuery": []}}]);
    let (none, short, long) = (json!([]), json!([timeout(5_000)]), json!([timeout(600_000)]));
    let stream = || Some("STREAM".to_owned());
    let table = [
        ("never", 3_000, &none, None, 3_000),
        ("never", 600_000, &none, None, 29_000),
        ("long", 3_000, &none, None, 3_000),
        ("long", 29_000, &none, None, 29_000),
        ("long", 600_000, &none, stream(), 600_000),
        ("long", 600_000, &short, None, 5_000),
        ("long", 1_200_000, &long, stream(), 600_000),
        ("long", 600_000, &cache, None, 29_000),
        ("always", 3_000, &none, stream(), 3_000),
        ("always", 1_200_000, &none, stream(), 900_000),
        ("always", 600_000, &cache, None, 29_000),
    ];
    for (streaming, upstream, policies, expected, time) in table {
        let said = mode(streaming, upstream, policies);
        assert_eq!(said, (expected, time), "{streaming} {upstream} {policies}");
    }
}

/// What was read of somebody's API is deployed as it was.
#[test]
fn a_fragment_says_it_of_one_operation() {
    let fragment =
        json!({"operation": {"x-amazon-apigateway-integration": {"responseTransferMode": "STREAM"}}});
    let native = json!([{"type": "native", "with": {"gatewayType": "aws", "config": fragment}}]);
    assert_eq!(
        mode("never", 600_000, &native),
        (Some("STREAM".to_owned()), 600_000)
    );
}

#[test]
fn an_api_that_answers_itself_streams_nothing() {
    let respond = json!([{"type": "respond", "with": {"status": 200}}]);
    assert_eq!(mode("always", 600_000, &respond).0, None);
}

#[test]
fn a_timeout_holds_as_long_as_the_answer_is_streamed() {
    let said = |streaming: &str, kind: &str, milliseconds: u32| {
        let settings = settings(json!({"kind": kind, "responseStreaming": streaming}));
        let desired = api(&json!([timeout(milliseconds)]), &[("GET", "/items", json!([]))]);
        match fidelity(&desired, &settings).remove(0).fidelity {
            Fidelity::Approximated { difference } => difference,
            other => panic!("{other:?}"),
        }
    };
    let whole = "API Gateway measures up to the end of the upstream's answer";
    assert_eq!(said("long", "rest", 600_000), whole);
    assert_eq!(said("always", "rest", 5_000), whole);
    let table = [
        (
            "never",
            "rest",
            600_000,
            "it waits for 29000 milliseconds at most",
        ),
        ("long", "http", 600_000, "it waits for 30000 milliseconds at most"),
        (
            "long",
            "rest",
            1_200_000,
            "it waits for 900000 milliseconds at most",
        ),
    ];
    for (streaming, kind, milliseconds, expected) in table {
        assert_eq!(
            said(streaming, kind, milliseconds),
            format!("{whole}; {expected}")
        );
    }
}

#[test]
fn http_apis_stream_nothing() {
    let desired = api(&json!([]), &[("GET", "/items", json!([]))]);
    let refused = kind(
        &desired,
        &settings(json!({"kind": "http", "responseStreaming": "always"})),
    );
    let message = refused.unwrap_err().message().to_owned();
    assert!(message.contains("(the setting `responseStreaming`)"), "{message}");
    let fragment =
        json!({"operation": {"x-amazon-apigateway-integration": {"responseTransferMode": "STREAM"}}});
    let native = json!([{"type": "native", "with": {"gatewayType": "aws", "config": fragment}}]);
    for (kind, expected) in [("rest", true), ("http", false)] {
        let report = fidelity(&api(&native, &[]), &settings(json!({"kind": kind})));
        assert_eq!(report[0].fidelity == Fidelity::Exact, expected, "{kind}");
    }
}

#[test]
fn a_plan_tells_what_is_streamed_and_when_it_ends() {
    let desired = api(
        &json!([]),
        &[("GET", "/items", json!([])), ("*", "/more", json!([]))],
    );
    for (endpoint, idle) in [("regional", "5 minutes"), ("edge", "30 seconds")] {
        let settings =
            settings(json!({"kind": "rest", "responseStreaming": "always", "endpointType": endpoint}));
        let expected = format!(
            "Answers of `GET /items`, `ANY /more` are passed on as they come, and end when nothing comes for {idle}."
        );
        assert_eq!(remarks(&form(&desired, &settings)), [expected]);
    }
    assert!(remarks(&form(&desired, &settings(json!({"kind": "rest"})))).is_empty());
}
