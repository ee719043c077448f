use serde_json::json;

use super::*;

fn policies(value: serde_json::Value) -> Vec<Policy> {
    serde_json::from_value(value).expect("valid policies")
}

#[test]
fn the_canonical_form_sorts_sets_and_lowers_names_that_ignore_case() {
    let written = policies(json!([
        {"type": "cors", "with": {"allowOrigins": ["https://B.example", "https://a.example", "https://a.example"], "allowHeaders": ["X-A"], "allowMethods": ["PUT", "GET"]}},
        {"type": "headers", "with": {"request": {"set": {"X-Team": "Blue"}, "remove": ["X-B", "x-a"]}}},
        {"type": "ratelimit", "with": {"limits": [{"requests": 5, "per": "day"}, {"requests": 1, "per": "second"}], "key": {"header": "X-Tenant"}}},
        {"type": "auth.apiKey", "with": {"name": "X-Key", "keys": [{"consumer": "b", "secretRef": "b"}, {"consumer": "a", "secretRef": "a"}]}},
        {"type": "auth.basic", "with": {"users": [{"username": "b", "secretRef": "b"}, {"username": "A", "secretRef": "a"}]}},
        {"type": "auth.oauth2", "with": {"introspectionUrl": "https://idp.example/introspect", "clientId": "g", "clientSecretRef": "s", "requiredScopes": ["b", "a", "a"]}},
        {"type": "ext.wasm", "with": {"module": "m", "sha256": "AB", "config": {"b": 1.0, "a": 2}}},
        {"type": "auth.mtls", "with": {"authorities": ["-----BEGIN CERTIFICATE-----\r\nAAAA\r\n-----END CERTIFICATE-----\r\n"]}},
        {"type": "ip.filter", "with": {"allow": ["2001:DB8::/32", "10.0.0.1"], "deny": ["::ffff:10.0.0.2"]}},
        {"type": "request.validate", "with": {"requiredHeaders": ["X-B", "x-a"], "contentTypes": ["Application/JSON"], "bodySchema": {"b": 1.0, "a": 2}}},
        {"type": "quota", "with": {"requests": 1, "per": "month", "key": {"header": "X-Tenant"}}},
        {"type": "rewrite", "with": {"path": "/a", "query": {"remove": ["b", "a"]}}},
        {"type": "respond", "with": {"status": 200, "headers": {"Content-Type": "text/plain"}}},
        {"type": "retry", "with": {"attempts": 1, "on": ["unavailable", "connectFailure"], "statuses": [500, 429, 500], "methods": ["PUT", "GET"]}},
        {"type": "cache", "with": {"ttlSeconds": 1, "varyQuery": ["b", "a"], "varyHeaders": ["Accept"]}},
        {"type": "log", "with": {"requestHeaders": ["User-Agent"]}},
    ]));
    let expected = policies(json!([
        {"type": "cors", "with": {"allowOrigins": ["https://a.example", "https://b.example"], "allowHeaders": ["x-a"], "allowMethods": ["GET", "PUT"]}},
        {"type": "headers", "with": {"request": {"set": {"x-team": "Blue"}, "remove": ["x-a", "x-b"]}}},
        {"type": "ratelimit", "with": {"limits": [{"requests": 1, "per": "second"}, {"requests": 5, "per": "day"}], "key": {"header": "x-tenant"}}},
        {"type": "auth.apiKey", "with": {"name": "x-key", "keys": [{"consumer": "a", "secretRef": "a"}, {"consumer": "b", "secretRef": "b"}]}},
        {"type": "auth.basic", "with": {"users": [{"username": "A", "secretRef": "a"}, {"username": "b", "secretRef": "b"}]}},
        {"type": "auth.oauth2", "with": {"introspectionUrl": "https://idp.example/introspect", "clientId": "g", "clientSecretRef": "s", "requiredScopes": ["a", "b"]}},
        {"type": "ext.wasm", "with": {"module": "m", "sha256": "ab", "config": {"a": 2, "b": 1}}},
        {"type": "auth.mtls", "with": {"authorities": ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]}},
        {"type": "ip.filter", "with": {"allow": ["10.0.0.1/32", "2001:db8::/32"], "deny": ["10.0.0.2/32"]}},
        {"type": "request.validate", "with": {"requiredHeaders": ["x-a", "x-b"], "contentTypes": ["application/json"], "bodySchema": {"a": 2, "b": 1}}},
        {"type": "quota", "with": {"requests": 1, "per": "month", "key": {"header": "x-tenant"}}},
        {"type": "rewrite", "with": {"path": "/a", "query": {"remove": ["a", "b"]}}},
        {"type": "respond", "with": {"status": 200, "headers": {"content-type": "text/plain"}}},
        {"type": "retry", "with": {"attempts": 1, "on": ["connectFailure", "unavailable"], "statuses": [429, 500], "methods": ["GET", "PUT"]}},
        {"type": "cache", "with": {"ttlSeconds": 1, "varyQuery": ["a", "b"], "varyHeaders": ["accept"]}},
        {"type": "log", "with": {"requestHeaders": ["user-agent"]}},
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

#[test]
fn every_type_knows_its_name_and_whether_it_is_one_of_security() {
    let security: Vec<&str> = Policy::TYPES
        .into_iter()
        .filter(|name| Policy::is_security_type(name))
        .collect();
    assert_eq!(
        security,
        [
            "auth.apiKey",
            "auth.jwt",
            "auth.basic",
            "auth.oauth2",
            "auth.mtls",
            "auth.conditions",
            "ext.authz",
            "ext.wasm",
            "ip.filter"
        ]
    );
    for (name, example) in crate::reference::EXAMPLES {
        let Some(kind) = Policy::TYPES.into_iter().find(|kind| *kind == name) else {
            continue;
        };
        let documents = crate::parse::documents(example).expect("an example");
        let policy: Policy = serde_json::from_value(documents[0].clone()).expect("a policy");
        assert_eq!(policy.type_name(), kind);
    }
}

#[test]
fn references_to_secrets_are_told_with_their_place() {
    let all = policies(json!([
        {"type": "auth.apiKey", "with": {"keys": [{"consumer": "a", "secretRef": "key-a"}, {"consumer": "b", "secretRef": "key-b"}]}},
        {"type": "auth.basic", "with": {"users": [{"username": "a", "secretRef": "password-a"}]}},
        {"type": "auth.oauth2", "with": {"introspectionUrl": "https://a", "clientId": "g", "clientSecretRef": "client"}},
        {"type": "cors", "with": {"allowOrigins": ["*"]}},
    ]));
    let found: Vec<String> = all
        .iter()
        .flat_map(Policy::secret_references)
        .map(|reference| format!("{} {}", reference.name, reference.pointer))
        .collect();
    assert_eq!(
        found,
        [
            "key-a /keys/0/secretRef",
            "key-b /keys/1/secretRef",
            "password-a /users/0/secretRef",
            "client /clientSecretRef"
        ]
    );
}
