use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::{
    desired::{Mark, compose},
    identity::{ApiId, EnvironmentId, RevisionNumber},
};

fn desired() -> DesiredApi {
    let content = json!({
        "displayName": "Orders", "version": "v1", "type": "rest", "direction": "ingress", "basePath": "/orders",
        "upstreams": {"main": {"url": "http://a"}},
        "policies": [{"type": "ip.filter", "with": {"deny": ["10.0.0.0/8"]}}, {"type": "log", "with": {}}],
        "operations": [{"match": {"method": "GET", "path": "/"}, "policies": [{"type": "cors", "with": {"allowOrigins": ["*"]}}]}],
    });
    let mark = Mark {
        environment_id: EnvironmentId(Uuid::nil()),
        api_id: ApiId(Uuid::nil()),
        api_name: "orders".parse().expect("a name"),
        revision: RevisionNumber(1),
    };
    let content = serde_json::from_value(content).expect("content");
    let gateway_type = "native".parse().expect("a gateway type");
    compose(mark, &content, &[], &gateway_type, &BTreeMap::new())
}

fn entry(pointer: &str, policy: &str, level: &str) -> PolicyFidelity {
    let fidelity = match level {
        "exact" => json!({"level": "exact"}),
        "approximated" => json!({"level": "approximated", "difference": "d"}),
        _ => json!({"level": "unsupported", "reason": "r"}),
    };
    let value: Value = json!({"pointer": pointer, "policy": policy, "fidelity": fidelity});
    serde_json::from_value(value).expect("an entry")
}

fn named(found: &[PolicyFidelity]) -> Vec<String> {
    found
        .iter()
        .map(|entry| format!("{} {}", entry.policy, entry.pointer))
        .collect()
}

const FILTER: &str = "/policies/0";
const LOG: &str = "/policies/1";
const CORS: &str = "/operations/0/policies/0";

fn check(report: &[(&str, &str, &str)], unenforceable: &[&str], others: &[&str]) {
    let entries: Vec<PolicyFidelity> = report
        .iter()
        .map(|(pointer, policy, level)| entry(pointer, policy, level))
        .collect();
    let losses = losses(&desired(), &entries);
    assert_eq!(named(&losses.unenforceable), unenforceable, "{report:?}");
    assert_eq!(named(&losses.others), others, "{report:?}");
}

#[test]
fn only_what_the_report_calls_exact_is_no_loss() {
    let exact = [
        (FILTER, "ip.filter", "exact"),
        (LOG, "log", "exact"),
        (CORS, "cors", "exact"),
    ];
    check(&exact, &[], &[]);
    check(
        &[
            (FILTER, "ip.filter", "approximated"),
            exact[1],
            (CORS, "cors", "unsupported"),
        ],
        &[],
        &["ip.filter /policies/0", "cors /operations/0/policies/0"],
    );
    check(
        &[(FILTER, "ip.filter", "unsupported"), exact[1], exact[2]],
        &["ip.filter /policies/0"],
        &[],
    );
}

#[test]
fn silence_and_wrong_names_count_as_unsupported() {
    check(
        &[],
        &["ip.filter /policies/0"],
        &["log /policies/1", "cors /operations/0/policies/0"],
    );
    check(
        &[
            (FILTER, "log", "exact"),
            (LOG, "ip.filter", "exact"),
            (CORS, "cors", "exact"),
        ],
        &["ip.filter /policies/0"],
        &["log /policies/1"],
    );
}

#[test]
fn of_two_entries_and_of_entries_elsewhere_none_is_passed_over() {
    check(
        &[
            (FILTER, "ip.filter", "exact"),
            (FILTER, "ip.filter", "unsupported"),
            (LOG, "log", "exact"),
            (CORS, "cors", "exact"),
            ("/operations/9/policies/0", "auth.jwt", "unsupported"),
            ("/operations/9/policies/1", "cors", "exact"),
        ],
        &["ip.filter /policies/0", "auth.jwt /operations/9/policies/0"],
        &[],
    );
}

#[test]
fn a_policy_nobody_speaks_of_says_so_with_its_operation() {
    let losses = losses(&desired(), &[]);
    let cors = &losses.others[1];
    assert_eq!(cors.operation.as_ref().map(|it| it.path.as_str()), Some("/"));
    let Fidelity::Unsupported { reason } = &cors.fidelity else {
        panic!("{cors:?}")
    };
    assert_eq!(reason, "the connector says nothing of it");
}
