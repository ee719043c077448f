//! What plans say of calls and time.

use gatehouse_connector_conformance::desired;
use gatehouse_connector_sdk::schemas::{
    observed::{Observation, ObservedApi},
    plan::{Plan, plan},
    quota::shortest_ms,
};
use serde_json::{Value, json};

use super::*;

fn settings(kind: &str) -> AwsSettings {
    serde_json::from_value(json!({"region": "eu-central-1", "stage": "live", "kind": kind})).unwrap()
}

fn content(policies: &Value) -> Value {
    json!({
        "displayName": "Orders", "version": "v1", "type": "rest", "direction": "ingress", "basePath": "/orders",
        "upstreams": {"main": {"url": "http://orders.internal", "timeoutMs": 3000, "connectTimeoutMs": 1000}},
        "policies": policies,
    })
}

fn keys() -> Value {
    json!([{"type": "auth.apiKey", "with": {"keys": [{"consumer": "shop", "secretRef": "shop-key"}]}}])
}

/// A plan from what was applied, if anything was, to what is desired.
fn planned(before: Option<&Value>, after: &Value) -> Plan {
    let observed = before.map(|policies| desired(1, &content(policies)));
    let observation = observed.map_or(Observation::Absent, |applied| {
        Observation::Present(Box::new(ObservedApi {
            external_ref: gatehouse_connector_sdk::schemas::identity::ExternalRef("restapis/a1".to_owned()),
            name: "Orders".to_owned(),
            version: None,
            tags: Vec::new(),
            mark: Some(applied.mark.clone()),
            endpoint_urls: Vec::new(),
            content: applied.content,
            definition: None,
            fingerprint: applied.fingerprint,
        }))
    });
    plan(&desired(2, &content(after)), &observation, None).unwrap()
}

fn estimated(kind: &str, before: Option<&Value>, after: &Value) -> VendorCalls {
    let (settings, api) = (settings(kind), desired(2, &content(after)));
    deploy(
        &settings,
        &Wanted::new(&settings, &api),
        Some(&planned(before, after)),
    )
}

#[test]
fn no_plan_waits_for_quotas_of_calls_that_it_does_not_make() {
    let (none, keys) = (json!([]), keys());
    let quotas = crate::quotas::published();
    for kind in ["rest", "http"] {
        for (before, after) in [
            (None, &none),
            (Some(&none), &none),
            (None, &keys),
            (Some(&none), &keys),
            (Some(&keys), &keys),
            (Some(&keys), &none),
        ] {
            let calls = estimated(kind, before, after);
            assert_eq!(
                shortest_ms(&calls, &quotas),
                0,
                "{kind} {before:?} {after}: {calls:?}"
            );
        }
    }
}

#[test]
fn a_kind_takes_calls_of_its_own() {
    let none = json!([]);
    let of_http = [
        "GetApi",
        "GetApis",
        "ImportApi",
        "ReimportApi",
        "DeleteApi",
        "ExportApi",
    ];
    let of_rest = [
        "GetRestApi",
        "GetRestApis",
        "CreateRestApi",
        "PutRestApi",
        "DeleteRestApi",
        "GetExport",
    ];
    for (kind, others) in [("rest", of_http), ("http", of_rest)] {
        for before in [None, Some(&none)] {
            let calls = estimated(kind, before, &none);
            assert!(
                others.iter().all(|other| !calls.contains_key(*other)),
                "{kind}: {calls:?}"
            );
        }
        let calls = removal(&settings(kind));
        assert!(
            others.iter().all(|other| !calls.contains_key(*other)),
            "{kind}: {calls:?}"
        );
    }
}

#[test]
fn keys_that_go_are_counted() {
    let calls = estimated("rest", Some(&keys()), &json!([]));
    assert_eq!((calls["DeleteApiKey"], calls["DeleteUsagePlan"]), (1, 1));
    assert!(!calls.contains_key("CreateApiKey"));
}
