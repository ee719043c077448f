//! REST API or HTTP API.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::{api, jwt_policy, key_policy, rest, settings};
use crate::{config::AwsSettings, translate::kind};

fn check(policies: Value, operations: &[(&str, &str)], settings: &AwsSettings, expected: Expect) {
    let operations: Vec<_> = operations
        .iter()
        .map(|(method, path)| (*method, *path, json!([])))
        .collect();
    let said = match kind(&api(&policies, &operations), settings) {
        Ok(choice) => format!("{:?}: {}", choice.kind, choice.reason),
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&said);
}

#[test]
fn auto_takes_what_expresses_the_policies_best() {
    let auto = settings(json!({}));
    check(
        json!([]),
        &[],
        &auto,
        expect!["Rest: It becomes a REST API, which expresses its policies as well as an HTTP API does."],
    );
    check(
        json!([jwt_policy()]),
        &[],
        &auto,
        expect!["Http: It becomes an HTTP API, which expresses `auth.jwt` better than a REST API does."],
    );
    check(
        json!([key_policy()]),
        &[],
        &auto,
        expect!["Rest: It becomes a REST API, which expresses `auth.apiKey` better than an HTTP API does."],
    );
    check(
        json!([jwt_policy(), key_policy()]),
        &[],
        &auto,
        expect!["Rest: It becomes a REST API, which expresses `auth.apiKey` better than an HTTP API does."],
    );
    let both = [("GET", "/pets/{id}"), ("GET", "/pets/{rest...}")];
    check(
        json!([]),
        &both,
        &auto,
        expect![
            "Http: It becomes an HTTP API, since a REST API does not know `{name}` beside `{name...}` below `/pets/`."
        ],
    );
    check(
        json!([jwt_policy()]),
        &[],
        &settings(json!({"vpcLinkId": "a1"})),
        expect![
            "Rest: It becomes a REST API, since an HTTP API does not know upstreams by URL behind a VPC link (the setting `vpcLinkId`)."
        ],
    );
}

#[test]
fn what_is_no_policy_and_cannot_be_said_is_refused() {
    let rest = rest();
    check(
        json!([]),
        &[("GET", "/{name}.json"), ("TRACE", "/")],
        &rest,
        expect![
            "Amazon API Gateway cannot serve `shop` as a REST API: it does not know the segment `{name}.json` of `/{name}.json`, the method of `TRACE /`; deploy it to another gateway, or change the API"
        ],
    );
    check(
        json!([]),
        &[("GET", "/pets/{id}"), ("GET", "/pets/{rest...}")],
        &rest,
        expect![
            "Amazon API Gateway cannot serve `shop` as a REST API: it does not know `{name}` beside `{name...}` below `/pets/`; deploy it to another gateway, or change the API"
        ],
    );
    check(
        json!([]),
        &[("GET", "/pets"), ("GET", "/pets/")],
        &rest,
        expect![
            "Amazon API Gateway cannot serve `shop` as a REST API: it does not know `/pets` beside `/pets/`; deploy it to another gateway, or change the API"
        ],
    );
    check(
        json!([]),
        &[("GET", "/caf%C3%A9")],
        &rest,
        expect![
            "Amazon API Gateway cannot serve `shop` as a REST API: it does not know the segment `caf%C3%A9` of `/caf%C3%A9`; deploy it to another gateway, or change the API"
        ],
    );
    let guard = json!([{"type": "native", "with": {"gatewayType": "aws", "config": {"authorizer": {"name": "a", "scheme": {}, "scopes": []}}}}]);
    check(
        guard,
        &[],
        &rest,
        expect![
            "Amazon API Gateway cannot serve `shop` as a REST API: it does not know what guards callers in a `native` policy, which the fidelity report tells more of; deploy it to another gateway, or change the API"
        ],
    );
}

#[test]
fn what_an_upstream_says_beyond_its_url_and_times_is_refused_by_name() {
    let mut desired = api(&json!([]), &[]);
    let main = desired.content.upstreams.get_mut("main").expect("main");
    main.max_connections = Some(10);
    main.endpoints = serde_json::from_value(json!([{"url": "http://other.internal"}])).expect("endpoints");
    let refused = kind(&desired, &rest()).expect_err("refused");
    assert_eq!(
        refused.to_string(),
        "Amazon API Gateway cannot serve `shop` as a REST API: it does not know `endpoints` of upstream `main`, `maxConnections` of upstream `main`; deploy it to another gateway, or change the API"
    );
}

#[test]
fn what_an_operation_says_beyond_one_upstream_is_refused_by_name() {
    for (more, lacking) in [
        (
            json!({"match": {"method": "GET", "path": "/pets", "pathRegex": "/pets/[0-9]+"}}),
            "operations by regular expression (`GET /pets`)",
        ),
        (
            json!({"match": {"method": "GET", "path": "/pets", "queryRegex": {"page": "[0-9]+"}}}),
            "headers or query parameters by regular expression (`GET /pets`)",
        ),
        (
            json!({"match": {"method": "GET", "path": "/pets", "exactSlash": true}}),
            "operations for which a slash at the end makes a difference (`GET /pets`)",
        ),
        (
            json!({
                "match": {"method": "GET", "path": "/pets"},
                "traffic": {"split": [{"upstream": "main", "weight": 1}, {"upstream": "main", "weight": 1}]},
            }),
            "requests that several upstreams share (`GET /pets`)",
        ),
        (
            json!({
                "match": {"method": "GET", "path": "/pets"},
                "traffic": {"mirror": [{"upstream": "main", "perMillion": 10_000}]},
            }),
            "copies of requests (`GET /pets`)",
        ),
    ] {
        let mut desired = api(&json!([]), &[]);
        desired.content.operations = vec![serde_json::from_value(more).expect("an operation")];
        let refused = kind(&desired, &rest()).expect_err("refused");
        assert_eq!(
            refused.to_string(),
            format!(
                "Amazon API Gateway cannot serve `shop` as a REST API: it does not know {lacking}; deploy it to another gateway, or change the API"
            )
        );
    }
}
