//! Client certificates, which a custom domain name checks.

use expect_test::{Expect, expect};
use gatehouse_connector_sdk::schemas::{policy::Policy, revision::RevisionContent};
use serde_json::json;

use super::aws::{lines, proxied, rest};
use crate::read::{Mapping, Snapshot, read};

fn trusted(domain: &str, truststore: Option<&str>) -> Mapping {
    Mapping {
        domain: domain.to_owned(),
        base_path: "orders".to_owned(),
        truststore: truststore.map(str::to_owned),
    }
}

fn guarded() -> Snapshot {
    let mut snapshot = rest(json!({"/a": {"get": proxied("https://orders.internal/a")}}));
    snapshot.mappings = vec![trusted("api.example.com", Some("s3://trust/ca.pem"))];
    snapshot.disable_execute_api_endpoint = true;
    snapshot
}

fn check(snapshot: &Snapshot, recorded: Option<&RevisionContent>, expected: Expect) {
    expected.assert_eq(&lines(&read(snapshot, recorded).unwrap()));
}

/// Nobody knows whose certificates they are.
#[test]
fn those_of_others_are_kept_and_told() {
    let mut snapshot = guarded();
    check(
        &snapshot,
        None,
        expect![[r#"
        api.example.com/orders -> main=https://orders.internal (29000 ms)
        {"type":"native","with":{"config":{"domainNames":{"api.example.com":{"truststoreUri":"s3://trust/ca.pem"}}},"gatewayType":"aws"}}
        GET /a
        note: callers present a certificate at its domain name; whose is said by a file that is not read: elsewhere than on AWS nobody checks this; give it a policy `auth.mtls` before moving it"#]],
    );
    snapshot.disable_execute_api_endpoint = false;
    snapshot.mappings.push(trusted("open.example.com", None));
    check(
        &snapshot,
        None,
        expect![[r#"
        api.example.com,open.example.com/orders -> main=https://orders.internal (29000 ms)
        {"type":"native","with":{"config":{"domainNames":{"api.example.com":{"truststoreUri":"s3://trust/ca.pem"}}},"gatewayType":"aws"}}
        GET /a
        note: callers present a certificate at its domain name, and nobody needs one at `open.example.com`, the address that AWS gives it; whose is said by a file that is not read: elsewhere than on AWS nobody checks this; give it a policy `auth.mtls` before moving it"#]],
    );
}

#[test]
fn those_that_were_applied_read_back_until_somebody_touches_them() {
    let mut snapshot = guarded();
    let mut recorded = read(&snapshot, None).unwrap().content;
    let policy = json!({"type": "auth.mtls", "with": {"authorities": ["PEM"]}});
    let policy: Policy = serde_json::from_value(policy).unwrap();
    recorded.policies = vec![policy.canonical()];
    snapshot.checks_certificates = true;
    let content = read(&snapshot, Some(&recorded)).unwrap().content;
    assert_eq!(content.policies, recorded.policies);
    snapshot.checks_certificates = false;
    snapshot.mappings = vec![trusted("api.example.com", Some("s3://trust/others.pem"))];
    check(
        &snapshot,
        Some(&recorded),
        expect![[r#"
        api.example.com/orders -> main=https://orders.internal (29000 ms)
        {"type":"native","with":{"config":{"domainNames":{"api.example.com":{"truststoreUri":"s3://trust/others.pem"}}},"gatewayType":"aws"}}
        GET /a
        note: callers present a certificate at its domain name; whose is said by a file that is not read: elsewhere than on AWS nobody checks this; give it a policy `auth.mtls` before moving it"#]],
    );
}
