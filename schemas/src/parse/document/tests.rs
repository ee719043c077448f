use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn check(value: Value, expected: Expect) {
    let text = match document(&value) {
        Ok(document) => format!("{} {}", document.kind(), document.metadata.name),
        Err(issues) => issues
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n"),
    };
    expected.assert_eq(&text);
}

fn check_api(spec: Value, expected: Expect) {
    check(
        json!({"kind": "Api", "metadata": {"name": "orders"}, "spec": spec}),
        expected,
    );
}

fn check_policy(policy: Value, expected: Expect) {
    let spec = json!({"targets": [{"project": "p"}], "policies": [policy]});
    check(
        json!({"kind": "Policy", "metadata": {"name": "p"}, "spec": spec}),
        expected,
    );
}

#[test]
fn what_was_read_back_can_be_applied_again() {
    check(
        json!({
            "apiVersion": "gatehouse.dev/v1", "kind": "Project",
            "metadata": {
                "name": "payments", "project": "default", "labels": {"example.com/team": "blue"},
                "uid": "0198c0de-0000-7000-8000-000000000000", "resourceVersion": 3,
                "createdAt": "2026-01-31T12:00:00Z", "updatedAt": "anything",
            },
            "spec": {}, "status": {"anything": 1},
        }),
        expect!["Project payments"],
    );
    check(
        json!({"kind": "Project", "metadata": {"name": "a"}}),
        expect!["Project a"],
    );
}

#[test]
fn the_envelope_is_strict() {
    check(
        json!("text"),
        expect!["expected a resource: an object with `kind`, `metadata` and `spec`"],
    );
    check(
        json!({}),
        expect![[r#"
        missing field `kind`; it is one of `Project`, `Secret`, `Environment`, `Policy`, `Api`
        missing field `metadata`; it holds at least `name`"#]],
    );
    check(
        json!({"kind": "Apis", "metadata": {"name": "A_b", "label": {}}, "specs": {}}),
        expect![[r#"
            /specs: unknown field `specs`; did you mean `spec`?
            /kind: unknown kind `Apis`; did you mean `Api`?
            /metadata/label: unknown field `label`; did you mean `labels`?
            /metadata/name: `A_b` is not a valid name: use 1 to 63 lowercase letters, digits and `-`, starting and ending with a letter or digit"#]],
    );
    check(
        json!({"apiVersion": "v2", "kind": 7, "metadata": [], "spec": {}}),
        expect![[r#"
            /apiVersion: expected `gatehouse.dev/v1`, or no `apiVersion` at all
            /kind: expected one of `Project`, `Secret`, `Environment`, `Policy`, `Api`
            /metadata: expected an object, found a list"#]],
    );
    check(
        json!({"kind": "Deployment", "metadata": {}, "spec": {}}),
        expect![[r#"
            /kind: unknown kind `Deployment`; it is one of `Project`, `Secret`, `Environment`, `Policy`, `Api`
            /metadata: missing field `name`"#]],
    );
    check(
        json!({"kind": "Api", "metadata": {"name": "a", "labels": {"-x": "y", "a/b/c": "", "ok": "not ok"}}, "spec": {"basePath": "/"}}),
        expect![[r#"
            /metadata/labels/-x: `-x` is not a label key: up to 63 letters, digits, `-`, `_`, `.`, with a letter or digit at both ends; a prefix like `example.com/` may go before
            /metadata/labels/a~1b~1c: `a/b/c` is not a label key: up to 63 letters, digits, `-`, `_`, `.`, with a letter or digit at both ends; a prefix like `example.com/` may go before
            /metadata/labels/ok: `not ok` is not a label value: up to 63 letters, digits, `-`, `_`, `.`, with a letter or digit at both ends
            /spec: missing field `upstreams`"#]],
    );
}

#[test]
fn all_rules_of_an_api_are_reported_together() {
    check_api(
        json!({
            "version": "", "basePath": "orders/{id}", "hostnames": ["a.example", "a b"],
            "upstreams": {"other": {"url": "ftp://a", "timeoutMs": 0, "connectTimeoutMs": 600_001}},
            "operations": [
                {"match": {"method": "get", "path": "/a/{x}"}, "upstream": "nowhere"},
                {"match": {"method": "GET", "path": "/b/{x}"}},
                {"match": {"method": "GET", "path": "/b/{y}", "headers": {}}},
                {"match": {"method": "*", "path": "/{x}/{x}", "headers": {"a b": "1", "c": "\n"}, "query": {"": "1"}}},
            ],
        }),
        expect![[r#"
            /spec/version: the version cannot be empty
            /spec/basePath: a base path starts with `/`: `/orders/{id}`
            /spec/hostnames/1: `a b` is not a host name: use letters, digits, `-` and `.`, with `*.` only at the start
            /spec/upstreams: needs an upstream called `main`; requests go there
            /spec/upstreams/other/url: scheme `ftp` is not supported; use `http` or `https`
            /spec/upstreams/other/timeoutMs: a time from 1 to 3600000 milliseconds
            /spec/upstreams/other/connectTimeoutMs: a time from 1 to 600000 milliseconds
            /spec/operations/0/match/method: methods are written in capitals: `GET`
            /spec/operations/0/upstream: there is no upstream `nowhere`; known upstreams: `other`
            /spec/operations/2/match: the same operation as `/spec/operations/1`; write it once (parameter names make no difference)
            /spec/operations/3/match/path: parameter `{x}` is there twice; give each its own name
            /spec/operations/3/match/headers/a b: `a b` is not a header name: use letters, digits and `-`
            /spec/operations/3/match/headers/c: not a header value: no line breaks or control characters
            /spec/operations/3/match/query: a query parameter needs a name"#]],
    );
}

#[test]
fn endpoints_of_an_upstream_and_what_is_said_of_them_must_make_sense_together() {
    check_api(
        json!({
            "basePath": "/orders",
            "upstreams": {
                "main": {
                    "url": "https://a.internal/v1",
                    "endpoints": [
                        {"url": "https://b.internal:443", "weight": 0},
                        {"url": "https://B.internal"},
                        {"url": "http://c.internal"},
                        {"url": "https://d.internal/v1"},
                        {"url": "https://a.internal", "weight": 3},
                    ],
                    "loadBalancing": {"key": {"header": "a b"}},
                    "healthCheck": {"active": {"path": "healthz", "intervalSeconds": 0, "timeoutMs": 60_001, "healthyAfter": 0, "unhealthyAfter": 101}},
                    "outlier": {"consecutiveErrors": 1_001, "ejectionSeconds": 0, "maxEjectedPercent": 101},
                    "maxPending": 5,
                    "idleTimeoutMs": 0,
                },
                "other": {"url": "http://a", "loadBalancing": {"algorithm": "round-robin"}, "outlier": {}, "maxConnections": 0},
            },
        }),
        expect![[r#"
            /spec/upstreams/main/idleTimeoutMs: a time from 1 to 3600000 milliseconds
            /spec/upstreams/main/endpoints/0/weight: expected a whole number from 1 to 1000
            /spec/upstreams/main/endpoints/1/url: this endpoint is there twice; give it a `weight` instead
            /spec/upstreams/main/endpoints/2/url: the scheme must be that of the upstream's `url`
            /spec/upstreams/main/endpoints/3/url: expected scheme, host and port only, for example `https://api.example.com`
            /spec/upstreams/main/loadBalancing/key: only `consistent-hash` has a key; set `algorithm: consistent-hash`, or leave the key out
            /spec/upstreams/main/loadBalancing/key/header: `a b` is not a header name: use letters, digits and `-`
            /spec/upstreams/main/healthCheck/active/path: a path that begins with `/`, for example `/healthz`
            /spec/upstreams/main/healthCheck/active/intervalSeconds: expected a whole number from 1 to 3600
            /spec/upstreams/main/healthCheck/active/timeoutMs: expected a whole number from 1 to 60000
            /spec/upstreams/main/healthCheck/active/healthyAfter: expected a whole number from 1 to 100
            /spec/upstreams/main/healthCheck/active/unhealthyAfter: expected a whole number from 1 to 100
            /spec/upstreams/main/outlier/consecutiveErrors: expected a whole number from 0 to 1000
            /spec/upstreams/main/outlier/ejectionSeconds: expected a whole number from 1 to 3600
            /spec/upstreams/main/outlier/maxEjectedPercent: expected a whole number from 1 to 100
            /spec/upstreams/main/maxPending: requests wait only where `maxConnections` is set; add it, or leave this out
            /spec/upstreams/other/loadBalancing: means nothing for one endpoint; add `endpoints`, or leave it out
            /spec/upstreams/other/outlier: means nothing for one endpoint; add `endpoints`, or leave it out
            /spec/upstreams/other/maxConnections: expected a whole number from 1 to 1000000"#]],
    );
}

#[test]
fn policies_that_cannot_hold_are_refused() {
    check_policy(
        json!({"type": "auth.apiKey", "with": {"name": "a b", "keys": []}}),
        expect![[r#"
            /spec/policies/0/with/keys: needs at least one key
            /spec/policies/0/with/name: `a b` is not a header name: use letters, digits and `-`"#]],
    );
    check_policy(
        json!({"type": "auth.apiKey", "with": {"in": "query", "name": "", "keys": [{"consumer": "a", "secretRef": "s"}, {"consumer": "b", "secretRef": "s"}]}}),
        expect![[r#"
            /spec/policies/0/with/name: the query parameter needs a name
            /spec/policies/0/with/keys/1/secretRef: secret `s` is listed twice; a key must tell one consumer from another"#]],
    );
    check_policy(
        json!({"type": "auth.jwt", "with": {"issuer": "", "audiences": [], "jwksUri": "http://idp.example/jwks", "algorithms": [], "clockSkewSeconds": 601, "requiredScopes": ["a b"]}}),
        expect![[r#"
            /spec/policies/0/with/issuer: the issuer cannot be empty
            /spec/policies/0/with/audiences: needs at least one audience
            /spec/policies/0/with/algorithms: needs at least one algorithm
            /spec/policies/0/with/jwksUri: keys fetched over `http` can be replaced on the way; use `https` (`http` is possible for localhost only)
            /spec/policies/0/with/clockSkewSeconds: at most 600 seconds
            /spec/policies/0/with/requiredScopes/0: expected one word"#]],
    );
    check_policy(
        json!({"type": "auth.jwt", "with": {"issuer": "i", "audiences": ["a"], "jwksUri": "http://127.0.0.1:9000/jwks", "algorithms": ["none"]}}),
        expect![
            "/spec/policies/0/with/algorithms/0: unknown value `none`; known values: `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`, `ES384`, `EdDSA`"
        ],
    );
    check_policy(
        json!({"type": "cors", "with": {"allowOrigins": ["*", "https://*.example.com", "https://a.*.b", "https://a/x", "a"], "allowCredentials": true, "allowMethods": ["get"], "allowHeaders": [""]}}),
        expect![[r#"
            /spec/policies/0/with/allowOrigins/2: `*` stands only for the first label, for example `https://shop.example.com`, `https://*.example.com` or `*`
            /spec/policies/0/with/allowOrigins/3: an origin is scheme, host and port only, for example `https://shop.example.com`, `https://*.example.com` or `*`
            /spec/policies/0/with/allowOrigins/4: expected a URL with scheme and host, for example `https://orders.internal:8443`
            /spec/policies/0/with/allowCredentials: credentials cannot be allowed for origin `*`: any site could act for its visitors; list the origins
            /spec/policies/0/with/allowMethods/0: methods are written in capitals: `GET`
            /spec/policies/0/with/allowHeaders/0: `` is not a header name: use letters, digits and `-`"#]],
    );
    check_policy(
        json!({"type": "headers", "with": {"request": {"set": {"Host": "x", "X-A": "1", "x-a": "2"}, "remove": ["Connection", "é"]}, "response": {"add": {"Content-Length": "1", "x": "a\r\nb"}}}}),
        expect![[r#"
            /spec/policies/0/with/request/remove/0: `Connection` belongs to the connection and cannot be changed by a policy
            /spec/policies/0/with/request/remove/1: `é` is not a header name: use letters, digits and `-`
            /spec/policies/0/with/request/set/Host: `Host` belongs to the connection and cannot be changed by a policy
            /spec/policies/0/with/request/set/x-a: header `x-a` is there twice: names are the same in any case
            /spec/policies/0/with/response/add/Content-Length: `Content-Length` belongs to the connection and cannot be changed by a policy
            /spec/policies/0/with/response/add/x: not a header value: no line breaks or control characters"#]],
    );
    check_policy(
        json!({"type": "ratelimit", "with": {"limits": [{"requests": 0, "per": "second"}], "key": {"header": "a b"}}}),
        expect![[r#"
            /spec/policies/0/with/limits/0/requests: at least 1; to refuse every request, undeploy the API
            /spec/policies/0/with/key/header: `a b` is not a header name: use letters, digits and `-`"#]],
    );
    check_policy(
        json!({"type": "ratelimit", "with": {"limits": []}}),
        expect!["/spec/policies/0/with/limits: needs at least one limit"],
    );
    check_policy(
        json!({"type": "request.size", "with": {"maxBytes": 0}}),
        expect!["Policy p"],
    );
}

#[test]
fn a_set_of_policies_needs_targets() {
    check(
        json!({"kind": "Policy", "metadata": {"name": "p"}, "spec": {"targets": [], "policies": []}}),
        expect![[r#"
            /spec/targets: needs at least one target
            /spec/policies: needs at least one policy, or something to `lock`"#]],
    );
    check(
        json!({"kind": "Policy", "metadata": {"name": "p"}, "spec": {"targets": [{"labels": {}}, {"labels": {"a b": "c"}}], "policies": [{"type": "headers", "with": {}}]}}),
        expect![[r#"
            /spec/targets/0/labels: needs at least one label
            /spec/targets/1/labels/a b: `a b` is not a label key: up to 63 letters, digits, `-`, `_`, `.`, with a letter or digit at both ends; a prefix like `example.com/` may go before"#]],
    );
}

#[test]
fn the_rules_of_an_environment() {
    check(
        json!({"kind": "Environment", "metadata": {"name": "e"}, "spec": {
            "gatewayType": "kong",
            "endpoints": [{"url": "https://api.example.com/"}, {"url": "https://api.example.com/v1"}, {"url": "api"}],
            "discovery": {"schedule": "every day"},
            "credentials": {"a": {"env": "1X"}, "b": {"file": "relative"}, "c": {"env": "KONG_TOKEN"}},
        }}),
        expect![[r#"
            /spec/endpoints/1/url: expected scheme, host and port only, for example `https://api.example.com`
            /spec/endpoints/2/url: expected a URL with scheme and host, for example `https://orders.internal:8443`
            /spec/discovery/schedule: a schedule has five fields in UTC (minute, hour, day of month, month, day of week), like `*/15 * * * *`; `every day` has 2
            /spec/credentials/a: `1X` is not the name of an environment variable
            /spec/credentials/b: `relative` is a relative path; write it from `/`, as the agent has a folder of its own"#]],
    );
}

#[test]
fn a_secret_is_never_repeated() {
    for spec in [
        json!({"value": 123_456_789}),
        json!({"value": ["123456789"]}),
        json!({"value": {"x": "123456789"}}),
        json!("123456789"),
        json!({"value": ""}),
    ] {
        let secret = json!({"kind": "Secret", "metadata": {"name": "s"}, "spec": spec});
        let issues = document(&secret).expect_err("it is wrong");
        assert!(!format!("{issues:?}").contains("123456789"), "{issues:?}");
    }
    let good = json!({"kind": "Secret", "metadata": {"name": "s"}, "spec": {"value": "123456789"}});
    let document = document(&good).expect("a secret");
    assert!(!format!("{document:?}").contains("123456789"));
}

proptest! {
    #[test]
    fn any_value_is_read_or_refused(value in crate::diff::tests::any_value(), kind in 0usize..5) {
        let kind = Kind::ALL[kind].as_str();
        let _ = document(&value);
        let _ = document(&json!({"kind": kind, "metadata": {"name": "a"}, "spec": value.clone()}));
        let _ = document(&json!({"kind": kind, "metadata": value.clone(), "spec": {"policies": [{"type": "cors", "with": value.clone()}]}}));
        let api = json!({"basePath": "/", "upstreams": {"main": {"url": "http://a"}}, "definition": {"openapi": {"inline": value.clone()}}, "operations": value});
        let _ = document(&json!({"kind": "Api", "metadata": {"name": "a"}, "spec": api}));
    }

    #[test]
    fn any_url_path_and_name_is_accepted_or_refused(text in ".{0,24}") {
        let api = json!({
            "basePath": text, "hostnames": [text], "upstreams": {"main": {"url": text}},
            "operations": [{"match": {"method": text, "path": text, "headers": {&text: text}}}],
            "policies": [{"type": "cors", "with": {"allowOrigins": [text]}}],
        });
        let _ = document(&json!({"kind": "Api", "metadata": {"name": "a", "labels": {&text: text}}, "spec": api}));
        let api = json!({"basePath": "/", "upstreams": {"main": {"url": format!("http://{text}")}}});
        let _ = document(&json!({"kind": "Api", "metadata": {"name": "a"}, "spec": api}));
    }
}

#[test]
fn whom_an_upstream_is_to_be_is_said_for_https_and_with_all_that_belongs_together() {
    check_api(
        json!({
            "basePath": "/",
            "upstreams": {
                "main": {
                    "url": "http://a",
                    "tls": {"authorities": ["no PEM"], "clientKey": {"secretRef": "our-key"}, "serverName": "*.example.com"},
                },
                "other": {
                    "url": "https://a",
                    "tls": {"clientCertificate": {"secretRef": "our-name"}, "serverName": "a_b:1", "allowedNames": ["spiffe://a/b", "*.a.test", "a test:x"]},
                },
            },
        }),
        expect![[r#"
            /spec/upstreams/main/tls: means nothing for a URL that begins with `http`; write `https`, or leave it out
            /spec/upstreams/main/tls/authorities/0: expected one certificate in PEM, from `-----BEGIN CERTIFICATE-----` to `-----END CERTIFICATE-----`
            /spec/upstreams/main/tls/clientKey: a certificate and its key come together; add `clientCertificate`, or leave this out
            /spec/upstreams/main/tls/serverName: expected one name, without `*`
            /spec/upstreams/other/tls/clientCertificate: a certificate and its key come together; add `clientKey`, or leave this out
            /spec/upstreams/other/tls/serverName: `a_b:1` is not a host name: leave the port out
            /spec/upstreams/other/tls/allowedNames/1: expected one name, without `*`
            /spec/upstreams/other/tls/allowedNames/2: expected a URI as certificates carry it, without spaces"#]],
    );
}

#[test]
fn regular_expressions_of_headers_and_parameters_are_checked_where_they_are_written() {
    check_api(
        json!({
            "basePath": "/",
            "upstreams": {"main": {"url": "http://a"}},
            "operations": [
                {"match": {
                    "method": "GET", "path": "/a",
                    "headerRegex": {"a b": "x", "x-version": "2|(3"},
                    "queryRegex": {"": "x", "page": "[0-9]+)", "long": "x".repeat(1_025), "wide": "(a{1000}){1000}"},
                }},
                {"match": {"method": "GET", "path": "/b", "headerRegex": {"X-Version": "2"}}},
                {"match": {"method": "GET", "path": "/b", "headerRegex": {"x-version": "2"}}},
            ],
        }),
        expect![[r#"
            /spec/operations/0/match/headerRegex/a b: `a b` is not a header name: use letters, digits and `-`
            /spec/operations/0/match/headerRegex/x-version: not a regular expression: unclosed group
            /spec/operations/0/match/queryRegex/long: a regular expression has at most 1024 bytes
            /spec/operations/0/match/queryRegex/page: not a regular expression: unopened group
            /spec/operations/0/match/queryRegex/wide: not a regular expression: Compiled regex exceeds size limit of 262144 bytes.
            /spec/operations/0/match/queryRegex: a query parameter needs a name
            /spec/operations/2/match: the same operation as `/spec/operations/1`; write it once (parameter names make no difference)"#]],
    );
}
