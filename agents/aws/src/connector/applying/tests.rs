//! What is deployed reads back as what was asked for.

use gatehouse_connector_sdk::schemas::{
    canonical::Fingerprint,
    desired::{DesiredApi, Mark},
    policy::Policy,
    revision::RevisionContent,
};
use serde_json::{Value, json};

use super::applied;
use crate::{
    config::AwsSettings,
    read::{self, Kind, Snapshot},
    record::{self, AppliedPlan, Beside, Record},
    translate,
};

fn content(policies: &Value, of_one: &Value) -> RevisionContent {
    let content = json!({
        "displayName": "Orders", "version": "v1", "type": "rest", "direction": "ingress", "basePath": "/orders/v1",
        "upstreams": {"main": {"url": "https://orders.internal/v1", "timeoutMs": 3000, "connectTimeoutMs": 1000}},
        "policies": policies,
        "operations": [
            {"match": {"method": "GET", "path": "/items"}},
            {"match": {"method": "GET", "path": "/items/{id}"}, "policies": of_one},
            {"match": {"method": "*", "path": "/more/{rest...}"}},
        ],
    });
    let mut content: RevisionContent = serde_json::from_value(content).unwrap();
    let all = content
        .operations
        .iter_mut()
        .map(|operation| &mut operation.policies);
    for policies in all.chain([&mut content.policies]) {
        *policies = policies.iter().map(Policy::canonical).collect();
    }
    content
}

fn recorded(content: RevisionContent, settings: &AwsSettings) -> (Record, translate::Kind) {
    let mark = Mark {
        environment_id: "3f1c1d0e-5f2f-4b83-9c6b-3f6b0c1d2e3f".parse().unwrap(),
        api_id: "7a2b3c4d-5e6f-4a1b-8c9d-0e1f2a3b4c5d".parse().unwrap(),
        api_name: "orders".parse().unwrap(),
        revision: serde_json::from_value(json!(1)).unwrap(),
    };
    let desired = DesiredApi {
        mark,
        content,
        secrets: Vec::new(),
        fingerprint: Fingerprint::of_value(&json!(null)),
    };
    let form = translate::form(&desired, settings);
    let named = |key: &translate::Key| {
        let name = format!("gatehouse.environment.{}.v1", key.secret);
        (name.clone(), name)
    };
    let plan = form.usage_plan.as_ref().map(|limits| AppliedPlan {
        id: "plan".to_owned(),
        limits: limits.clone(),
        keys: form.keys.iter().map(named).collect(),
    });
    let served = record::Snapshot {
        id: "d1".to_owned(),
        document: Fingerprint::of_value(&form.document),
    };
    let beside = Beside {
        plan,
        ..Beside::default()
    };
    (Record::new(&desired, served, Vec::new(), beside), form.kind)
}

/// What would be read of an API right after it was applied.
fn applied_and_read(policies: &Value, of_one: &Value) -> (RevisionContent, RevisionContent) {
    let settings = json!({
        "region": "eu-central-1", "stage": "live",
        "accessLogArn": "arn:aws:logs:eu-central-1:111122223333:log-group:orders",
    });
    let settings: AwsSettings = serde_json::from_value(settings).unwrap();
    let (record, kind) = recorded(content(policies, of_one), &settings);
    let now = Snapshot {
        kind: match kind {
            translate::Kind::Rest => Kind::Rest,
            translate::Kind::Http => Kind::Http,
        },
        id: "a1".to_owned(),
        name: "orders".to_owned(),
        ..Snapshot::default()
    };
    let applied = applied(&now, &record, &settings);
    let read = read::read(&applied, Some(&record.content)).unwrap().content;
    assert_eq!(
        read::changed(&record.content, &read, read.clone()),
        record.content
    );
    (record.content, read)
}

/// Checks that an API reads back as it was asked for.
fn check(policies: &Value, of_one: &Value) {
    let (asked, mut read) = applied_and_read(policies, of_one);
    // How API Gateway's own answers look is written by us, and nothing that people ask for; a path that takes the rest is
    // two resources on AWS.
    read.policies.retain(|policy| !is_of_document(policy));
    read.operations.retain(|it| it.r#match.path != "/more");
    for operation in &mut read.operations {
        operation.id = None;
    }
    read.definition = None;
    assert_eq!(read, asked);
}

fn is_of_document(policy: &Policy) -> bool {
    matches!(policy, Policy::Native(native) if native.config.contains_key("document"))
}

#[test]
fn paths_and_upstreams_read_back() {
    check(&json!([]), &json!([]));
    let rewrite = json!([{"type": "rewrite", "with": {"path": "/other/{id}"}}]);
    check(&json!([]), &rewrite);
    check(
        &json!([]),
        &json!([{"type": "timeout", "with": {"responseMs": 1000}}]),
    );
}

#[test]
fn keys_with_their_limits_read_back() {
    let keys = json!({"type": "auth.apiKey", "with": {"in": "header", "name": "x-api-key", "forward": true,
        "keys": [{"consumer": "shop", "secretRef": "shops-key"}]}});
    let rate = json!({"type": "ratelimit", "with": {"limits": [{"requests": 100, "per": "minute"}], "key": "consumer"}});
    let quota = json!({"type": "quota", "with": {"requests": 1000, "per": "month", "key": "consumer"}});
    check(&json!([keys]), &json!([]));
    check(&json!([keys, rate, quota]), &json!([]));
    check(&json!([]), &json!([keys]));
}

#[test]
fn addresses_and_rates_read_back() {
    let filter = json!({"type": "ip.filter", "with": {"allow": ["10.0.0.0/8"], "deny": ["10.1.0.0/16"]}});
    let rate =
        json!({"type": "ratelimit", "with": {"limits": [{"requests": 50, "per": "second"}], "key": "api"}});
    check(&json!([filter, rate]), &json!([]));
    check(&json!([filter]), &json!([rate]));
}

#[test]
fn changes_of_requests_and_checks_of_them_read_back() {
    let headers = json!([{"type": "headers", "with": {"request": {"set": {"x-source": "gateway"}}}}]);
    check(&json!([]), &headers);
    let validate = json!([{"type": "request.validate", "with": {"requiredHeaders": ["x-tenant"], "requiredQuery": ["q"]}}]);
    check(&json!([]), &validate);
}

#[test]
fn what_aws_has_other_words_for_is_told_as_it_was_applied() {
    let cors = json!([{"type": "cors", "with": {"allowOrigins": ["https://shop.example.com"], "allowHeaders": ["x-tenant"]}}]);
    let (asked, read) = applied_and_read(&cors, &json!([]));
    assert_ne!(
        read, asked,
        "preflights are answered by templates, which are AWS's own"
    );
}

#[test]
fn tokens_read_back() {
    let jwt = json!([{"type": "auth.jwt", "with": {"issuer": "https://idp.example.com", "audiences": ["orders"],
        "jwksUri": "https://idp.example.com/keys", "algorithms": ["RS256"], "requiredScopes": ["read"]}}]);
    check(&jwt, &json!([]));
}

#[test]
fn fixed_answers_read_back() {
    let respond = json!([{"type": "respond", "with": {"status": 410, "headers": {"content-type": "text/plain"}, "body": "gone"}}]);
    check(&json!([]), &respond);
}
