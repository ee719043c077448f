//! What holds for every API.

use std::collections::BTreeSet;

use gatehouse_connector_sdk::schemas::{fidelity, revision::RevisionContent};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{http, jwt_policy, key_policy, of_content, rest, settings};
use crate::translate;

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,3}",
        "[a-z]{1,2}".prop_map(|name| format!("{{{name}}}")),
        "[a-z]{1,2}".prop_map(|name| format!("{{{name}...}}")),
        "\\PC{0,4}",
    ]
}

fn policy() -> impl Strategy<Value = Value> {
    let text = "[ -~]{0,6}";
    prop_oneof![
        Just(key_policy()),
        Just(jwt_policy()),
        (1_u32..100_000, "second|minute|hour|day").prop_map(|(requests, per)| json!({"type": "ratelimit", "with": {"limits": [{"requests": requests, "per": per}]}})),
        (any::<u64>(), "hour|day|week|month").prop_map(|(requests, per)| json!({"type": "quota", "with": {"requests": requests, "per": per}})),
        (text, text).prop_map(|(name, value)| json!({"type": "headers", "with": {"request": {"set": {name.clone(): value.clone()}}, "response": {"add": {name: value}}}})),
        text.prop_map(|path| json!({"type": "rewrite", "with": {"path": format!("/{path}")}})),
        (text, text).prop_map(|(origin, header)| json!({"type": "cors", "with": {"allowOrigins": [origin], "allowHeaders": [header]}})),
        (200_u16..600, text).prop_map(|(status, body)| json!({"type": "respond", "with": {"status": status, "body": body}})),
        any::<u32>().prop_map(|ms| json!({"type": "timeout", "with": {"responseMs": ms}})),
        text.prop_map(|name| json!({"type": "cache", "with": {"ttlSeconds": 5, "varyQuery": [name]}})),
        text.prop_map(|network| json!({"type": "ip.filter", "with": {"allow": [network]}})),
        text.prop_map(|name| json!({"type": "native", "with": {"gatewayType": "aws", "config": {name.clone(): {name: 1}}}})),
    ]
}

fn content() -> impl Strategy<Value = RevisionContent> {
    let path = prop::collection::vec(segment(), 0..4).prop_map(|segments| format!("/{}", segments.join("/")));
    let operation = (
        "GET|POST|OPTIONS|\\*|TRACE",
        path,
        prop::collection::vec(policy(), 0..3),
    );
    let operations = prop::collection::vec(operation, 0..5);
    (prop::collection::vec(policy(), 0..4), operations, "[ -~]{0,12}").prop_map(|(policies, operations, host)| {
        let operation = |(method, path, policies): (String, String, Vec<Value>)| json!({"match": {"method": method, "path": path}, "policies": policies});
        let content = json!({
            "displayName": "", "version": "v1", "type": "rest", "direction": "ingress", "basePath": "/shop",
            "upstreams": {"main": {"url": format!("http://{host}"), "timeoutMs": 3000, "connectTimeoutMs": 1000}},
            "policies": policies,
            "operations": operations.into_iter().map(operation).collect::<Vec<_>>(),
        });
        serde_json::from_value(content).expect("content")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_policy_is_told_once_and_the_same_input_gives_the_same_form(content in content()) {
        let desired = of_content(content);
        for settings in [rest(), http(), settings(json!({}))] {
            let report = translate::fidelity(&desired, &settings);
            let wanted = fidelity::report(&desired, |_| gatehouse_connector_sdk::schemas::descriptor::Fidelity::Exact);
            let told = |entries: &[fidelity::PolicyFidelity]| entries.iter().map(|entry| (entry.pointer.clone(), entry.policy.clone(), entry.operation.clone())).collect::<Vec<_>>();
            prop_assert_eq!(told(&report), told(&wanted));
            let form = translate::form(&desired, &settings);
            prop_assert_eq!(&form, &translate::form(&desired, &settings));
            let read: translate::Form = serde_json::from_value(json!(form)).expect("a form");
            prop_assert_eq!(&read, &form);
            let _ = translate::limits(&desired, &settings, &form);
            let _ = translate::kind(&desired, &settings);
            let _ = translate::permissions_needed(&form);
        }
    }

    #[test]
    fn a_rest_api_has_one_variable_at_a_place_and_none_twice_in_a_path(content in content()) {
        let desired = of_content(content);
        prop_assume!(translate::kind(&desired, &rest()).is_ok());
        let form = translate::form(&desired, &rest());
        let mut variables: BTreeSet<(String, String)> = BTreeSet::new();
        for path in form.document["paths"].as_object().expect("paths").keys() {
            let mut seen = BTreeSet::new();
            let mut parent = String::new();
            for segment in path.split('/').skip(1) {
                if segment.starts_with('{') {
                    prop_assert!(seen.insert(segment.to_owned()), "{path}");
                    variables.insert((parent.clone(), segment.to_owned()));
                }
                parent = format!("{parent}/{segment}");
            }
        }
        let parents: BTreeSet<&String> = variables.iter().map(|(parent, _)| parent).collect();
        prop_assert_eq!(parents.len(), variables.len(), "{:?}", variables);
    }
}
