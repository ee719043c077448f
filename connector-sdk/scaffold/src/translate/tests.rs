//! Our words to the gateway's and back.

use gatehouse_connector_sdk::schemas::{
    descriptor::Fidelity, fidelity::losses, identity::ResourceVersion, policy::SecretVersion,
};
use serde_json::{Value, json};

use super::*;
use crate::client::documents::Api;

fn desired(more: Value) -> DesiredApi {
    let mut content = json!({
        "displayName": "Orders", "version": "v2", "type": "rest", "direction": "ingress", "basePath": "/orders",
        "upstreams": {"main": {"url": "http://127.0.0.1:9999", "timeoutMs": 1000, "connectTimeoutMs": 200}},
        "policies": [
            {"type": "auth.apiKey", "with": {"keys": [{"consumer": "shop", "secretRef": "shop-key"}]}},
            {"type": "cors", "with": {"allowOrigins": ["*"]}},
            {"type": "headers", "with": {"response": {"set": {"x-served-by": "me"}}}},
        ],
        "operations": [{"match": {"method": "GET", "path": "/{id}"}, "summary": "One order"}],
    });
    let fields = content.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    let content: RevisionContent = serde_json::from_value(content).unwrap();
    let secrets = vec![SecretVersion {
        name: "shop-key".parse().unwrap(),
        version: ResourceVersion(3),
    }];
    let mark = json!({
        "environmentId": "00000000-0000-0000-0000-000000000001", "apiId": "00000000-0000-0000-0000-000000000002",
        "apiName": "orders", "revision": 4,
    });
    DesiredApi {
        mark: serde_json::from_value(mark).unwrap(),
        fingerprint: Fingerprint::of_value(&json!({ "content": content, "secrets": secrets })),
        content,
        secrets,
    }
}

fn known_key() -> Digests {
    digests(BTreeMap::from([(
        "shop-key".parse().unwrap(),
        SecretString::from("open-sesame"),
    )]))
}

fn deployed(desired: &DesiredApi) -> Api {
    Api {
        id: identity(&desired.mark),
        version: 7,
        document: document(desired, &known_key(), None),
    }
}

/// What differs, as pointers, once somebody changed what the gateway holds.
fn touched(change: impl FnOnce(&mut Document)) -> Vec<String> {
    let desired = desired(json!({}));
    let mut api = deployed(&desired);
    change(&mut api.document);
    let observed = observed(api, &[]);
    assert_ne!(observed.fingerprint, desired.fingerprint);
    let (before, after) = (json!(desired.content), json!(observed.content));
    let changes = gatehouse_connector_sdk::schemas::diff::diff(&before, &after);
    changes.into_iter().map(|change| change.path).collect()
}

#[test]
fn what_nobody_touched_reads_back_as_what_was_desired() {
    let desired = desired(json!({}));
    let observed = observed(deployed(&desired), &["http://127.0.0.1:7000/".to_owned()]);
    assert_eq!(observed.content, desired.content);
    assert_eq!(observed.fingerprint, desired.fingerprint);
    assert_eq!(observed.mark, Some(desired.mark));
    assert_eq!(observed.endpoint_urls, ["http://127.0.0.1:7000/orders"]);
    assert_eq!(observed.version.as_deref(), Some("7"));
}

#[test]
fn of_what_somebody_touched_exactly_those_fields_differ() {
    assert_eq!(
        touched(|it| it.service.name = "Mine".to_owned()),
        ["/displayName"]
    );
    assert_eq!(
        touched(|it| it.service.timeout_ms = 5),
        ["/upstreams/main/timeoutMs"]
    );
    let added = touched(|it| {
        let (method, path) = ("POST".to_owned(), "/".to_owned());
        it.service.routes.push(Route { method, path });
    });
    assert_eq!(added.len(), 1, "{added:?}");
    let headers = touched(|it| it.service.response_headers.clear());
    assert_eq!(headers.len(), 1, "{headers:?}");
}

#[test]
fn another_key_is_drift_although_the_policy_says_the_same() {
    let changes = touched(|it| it.service.key_check.as_mut().unwrap().keys[0].digest = "sha256:0".to_owned());
    assert!(changes.is_empty(), "{changes:?}");
}

#[test]
fn a_broken_label_makes_drift_and_no_stranger() {
    let desired = desired(json!({}));
    let mut api = deployed(&desired);
    api.document
        .labels
        .insert("gatehouse.dev/applied".to_owned(), "{".to_owned());
    assert!(is_ours(&api.document, &desired.mark));
    let observed = observed(api, &[]);
    assert_eq!(observed.mark, Some(desired.mark));
    assert_ne!(observed.fingerprint, desired.fingerprint);
}

#[test]
fn what_others_made_is_read_with_names_for_their_keys() {
    let service = json!({
        "name": "Their API", "basePath": "/theirs", "upstreamUrl": "http://127.0.0.1:9", "timeoutMs": 10,
        "routes": [{"method": "POST", "path": "/b"}, {"method": "GET", "path": "/a"}],
        "keyCheck": {"header": "X-Key", "forward": false, "keys": [{"consumer": "The Shop", "digest": "sha256:0"}]},
    });
    let document = serde_json::from_value(json!({"service": service})).unwrap();
    let observed = observed(
        Api {
            id: "theirs".to_owned(),
            version: 1,
            document,
        },
        &[],
    );
    assert_eq!(observed.mark, None);
    assert_eq!(
        observed.fingerprint,
        Fingerprint::of_value(&json!(observed.content))
    );
    let paths: Vec<_> = observed
        .content
        .operations
        .iter()
        .map(|it| &it.r#match.path)
        .collect();
    assert_eq!(paths, ["/a", "/b"]);
    assert_eq!(
        json!(observed.content.policies)[0]["with"]["keys"],
        json!([{"consumer": "the-shop", "secretRef": "their-api-the-shop-key"}])
    );
}

#[test]
fn secrets_reach_the_gateway_as_digests_only() {
    let written = json!(deployed(&desired(json!({})))).to_string();
    assert!(!written.contains("open-sesame"), "{written}");
    // printf open-sesame | sha256sum
    let digest = "sha256:d7ecdf25eaf3deba0f2628771dbdd22d4138ab6cf38f91ed02a2ca0dec7c8ab7";
    assert!(written.contains(digest), "{written}");
}

#[test]
fn every_policy_is_told_with_how_faithfully_it_is_expressed() {
    let key =
        json!({"type": "auth.apiKey", "with": {"keys": [{"consumer": "shop", "secretRef": "shop-key"}]}});
    let in_query = json!({"type": "auth.apiKey", "with": {"in": "query", "name": "key", "keys": [{"consumer": "shop", "secretRef": "shop-key"}]}});
    let both = json!({"type": "headers", "with": {"response": {"set": {"a": "b"}, "remove": ["c"]}}});
    let request = json!({"type": "headers", "with": {"request": {"set": {"a": "b"}}}});
    let operation = json!({"match": {"method": "GET", "path": "/a"}, "policies": [both]});
    let content = json!({"policies": [in_query, key, key, both, request], "operations": [operation]});
    let levels: Vec<_> = fidelity(&desired(content.clone()))
        .into_iter()
        .map(|entry| match entry.fidelity {
            Fidelity::Exact => (entry.pointer, "exact"),
            Fidelity::Approximated { .. } => (entry.pointer, "approximated"),
            Fidelity::Unsupported { .. } => (entry.pointer, "unsupported"),
        })
        .collect();
    let levels: Vec<_> = levels
        .iter()
        .map(|(pointer, level)| (pointer.as_str(), *level))
        .collect();
    assert_eq!(
        levels,
        [
            ("/policies/0", "unsupported"),
            ("/policies/1", "unsupported"),
            ("/policies/2", "unsupported"),
            ("/policies/3", "approximated"),
            ("/policies/4", "unsupported"),
            ("/operations/0/policies/0", "unsupported"),
        ]
    );
    let desired = desired(content);
    assert_eq!(losses(&desired, &fidelity(&desired)).unenforceable.len(), 3);
}

#[test]
fn what_the_gateway_cannot_say_at_all_is_refused_by_name() {
    assert!(refuse_inexpressible(&desired(json!({}))).is_ok());
    let cannot = desired(json!({
        "type": "grpc", "hostnames": ["a.example.com"],
        "operations": [
            {"match": {"method": "GET", "path": "/a", "query": {"b": "c"}}},
            {"match": {"method": "GET", "path": "/d"}, "upstream": "other"},
            {"match": {"method": "GET", "path": "/", "pathRegex": "/e+"}},
        ],
    }));
    let error = refuse_inexpressible(&cannot).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(
        error.message(),
        "the gateway cannot serve `orders`: it does not know APIs that are not REST, host names, \
         operations by header or query (`GET /a`), operations with an upstream of their own (`GET /d`), \
         operations by regular expression (`GET /`); \
         deploy it to another gateway, or change the API"
    );
}
