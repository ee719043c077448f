use serde_json::json;

use super::*;

fn policies(value: serde_json::Value) -> Vec<Policy> {
    serde_json::from_value(value).expect("valid policies")
}

#[test]
fn of_several_cors_policies_the_most_specific_holds_and_all_others_stay() {
    let api = policies(json!([
        {"type": "cors", "with": {"allowOrigins": ["*"]}},
        {"type": "request.size", "with": {"maxBytes": 10}},
    ]));
    let operation = policies(json!([
        {"type": "request.size", "with": {"maxBytes": 5}},
        {"type": "cors", "with": {"allowOrigins": ["https://a.example"]}},
        {"type": "headers", "with": {}},
    ]));
    let names: Vec<&str> = effective(&api, &operation)
        .iter()
        .map(|policy| policy.type_name())
        .collect();
    assert_eq!(names, ["request.size", "request.size", "cors", "headers"]);
    assert_eq!(effective(&api, &[]).len(), 2);
    assert_eq!(effective(&[], &[]), Vec::<&Policy>::new());
}

#[test]
fn the_canonical_form_sorts_sets_and_lowers_names_that_ignore_case() {
    let written = policies(json!([
        {"type": "cors", "with": {"allowOrigins": ["https://B.example", "https://a.example", "https://a.example"], "allowHeaders": ["X-A"], "allowMethods": ["PUT", "GET"]}},
        {"type": "headers", "with": {"request": {"set": {"X-Team": "Blue"}, "remove": ["X-B", "x-a"]}}},
        {"type": "ratelimit", "with": {"limits": [{"requests": 5, "per": "day"}, {"requests": 1, "per": "second"}], "key": {"header": "X-Tenant"}}},
        {"type": "auth.apiKey", "with": {"name": "X-Key", "keys": [{"consumer": "b", "secretRef": "b"}, {"consumer": "a", "secretRef": "a"}]}},
    ]));
    let expected = policies(json!([
        {"type": "cors", "with": {"allowOrigins": ["https://a.example", "https://b.example"], "allowHeaders": ["x-a"], "allowMethods": ["GET", "PUT"]}},
        {"type": "headers", "with": {"request": {"set": {"x-team": "Blue"}, "remove": ["x-a", "x-b"]}}},
        {"type": "ratelimit", "with": {"limits": [{"requests": 1, "per": "second"}, {"requests": 5, "per": "day"}], "key": {"header": "x-tenant"}}},
        {"type": "auth.apiKey", "with": {"name": "x-key", "keys": [{"consumer": "a", "secretRef": "a"}, {"consumer": "b", "secretRef": "b"}]}},
    ]));
    let canonical: Vec<Policy> = written.iter().map(Policy::canonical).collect();
    assert_eq!(canonical, expected);
    assert_eq!(
        expected.iter().map(Policy::canonical).collect::<Vec<_>>(),
        expected
    );
}

#[test]
fn the_first_security_policies_are_known_as_such() {
    let all = policies(json!([
        {"type": "auth.jwt", "with": {"issuer": "i", "audiences": ["a"], "jwksUri": "https://i/jwks"}},
        {"type": "cors", "with": {"allowOrigins": ["*"]}},
    ]));
    assert_eq!(
        all.iter().map(Policy::is_security).collect::<Vec<_>>(),
        [true, false]
    );
}
