use serde_json::{Value, json};

use super::{super::merge, *};
use crate::policy::{Lockable, Origin};

fn policies(value: Value) -> Vec<Policy> {
    serde_json::from_value(value).expect("valid policies")
}

fn layer<'a>(object: &'a str, list: &'a str, policies: &'a [Policy], lock: &'a [Lockable]) -> Layer<'a> {
    Layer {
        origin: Origin {
            object: object.into(),
            list: list.into(),
        },
        policies,
        lock,
    }
}

fn size(bytes: u64) -> Value {
    json!({"type": "request.size", "with": {"maxBytes": bytes}})
}

fn cors(origin: &str) -> Value {
    json!({"type": "cors", "with": {"allowOrigins": [origin]}})
}

fn native(gateway_type: &str) -> Value {
    json!({"type": "native", "with": {"gatewayType": gateway_type, "config": {"plugin": "x"}}})
}

#[test]
fn every_policy_is_in_force_with_its_origins_or_overridden_with_a_reason() {
    let base = policies(json!([size(5), cors("https://a.example"), native("kong")]));
    let limits = policies(json!([{"type": "respond", "with": {"status": 503}}, size(9)]));
    let api =
        policies(json!([cors("https://b.example"), size(5), {"type": "respond", "with": {"status": 200}}]));
    let layers = [
        layer("policy/base", "/policies", &base, &[]),
        layer("policy/limits", "/policies", &limits, &[Lockable::Respond]),
        layer("api/orders", "/operations/3/policies", &api, &[]),
    ];
    let own = "native".parse().expect("a gateway type");
    let explanation = explain(&layers, Some(&own));
    let effective: Vec<(&str, &[String], bool)> = explanation
        .effective
        .iter()
        .map(|it| (it.policy.type_name(), &*it.origins[""], it.locked))
        .collect();
    let places = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        effective,
        [
            (
                "request.size",
                &*places(&[
                    "policy/base at /policies/0",
                    "api/orders at /operations/3/policies/1"
                ]),
                false
            ),
            ("respond", &*places(&["policy/limits at /policies/0"]), true),
            (
                "cors",
                &*places(&["api/orders at /operations/3/policies/0"]),
                false
            ),
        ]
    );
    let overridden: Vec<(&str, &str, &str)> = explanation
        .overridden
        .iter()
        .map(|it| (it.policy.type_name(), &*it.origin, &*it.reason))
        .collect();
    assert_eq!(
        overridden,
        [
            (
                "cors",
                "policy/base at /policies/1",
                "replaced by the more specific `cors` of api/orders at /operations/3/policies/0"
            ),
            (
                "native",
                "policy/base at /policies/2",
                "only for gateways of type `kong`, and this one is of type `native`"
            ),
            (
                "request.size",
                "policy/limits at /policies/1",
                "9 is larger than the 5 of policy/base at /policies/0"
            ),
            (
                "respond",
                "api/orders at /operations/3/policies/2",
                "`respond` is locked by policy/limits"
            ),
        ]
    );
}

#[test]
fn what_is_explained_as_in_force_is_what_merge_gives() {
    let outer = policies(json!([size(5), cors("*"), native("kong")]));
    let inner = policies(json!([cors("https://b.example"), size(1), native("kong")]));
    let layers = [Layer::of(&outer), Layer::of(&inner)];
    let explained = explain(&layers, None).effective;
    let explained: Vec<&Policy> = explained.iter().map(|it| &it.policy).collect();
    assert_eq!(explained, merge(&layers, None));
    assert_eq!(explained.len(), 3);
}
