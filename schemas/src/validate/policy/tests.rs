//! What is refused, where, and with what words.

use serde_json::{Value, json};

use crate::parse;

fn issues(policy: Value, operation: Option<&str>) -> Vec<String> {
    let spec = match operation {
        None => json!({"basePath": "/", "upstreams": {"main": {"url": "http://a"}}, "policies": [policy]}),
        Some(path) => json!({"basePath": "/", "upstreams": {"main": {"url": "http://a"}},
            "operations": [{"match": {"method": "GET", "path": path}, "policies": [policy]}]}),
    };
    let document = json!({"kind": "Api", "metadata": {"name": "a"}, "spec": spec});
    match parse::document(&document) {
        Ok(_) => Vec::new(),
        Err(issues) => issues.iter().map(ToString::to_string).collect(),
    }
}

fn check(kind: &str, with: Value, expected: &[&str]) {
    let found = issues(json!({"type": kind, "with": with}), None);
    let expected: Vec<String> = expected
        .iter()
        .map(|text| format!("/spec/policies/0/with{text}"))
        .collect();
    assert_eq!(found, expected);
}

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

#[test]
fn credentials() {
    check(
        "auth.basic",
        json!({"realm": "a\"b", "users": [{"username": "a:b", "secretRef": "s"}, {"username": "c", "secretRef": "s"}, {"username": "c", "secretRef": "t"}]}),
        &[
            "/realm: expected a short text of ASCII characters without `\"` and `\\`",
            "/users/0/username: expected a user name without `:` and control characters",
            "/users/2/username: user `c` is listed twice; which password would count?",
        ],
    );
    check(
        "auth.basic",
        json!({"users": []}),
        &["/users: needs at least one user"],
    );
    check(
        "auth.oauth2",
        json!({"introspectionUrl": "http://idp.example", "clientId": "", "clientSecretRef": "s", "cacheSeconds": 3601, "requiredScopes": ["a b"]}),
        &[
            "/introspectionUrl: tokens and secrets sent over `http` can be read on the way; use `https` (`http` is possible for localhost only)",
            "/clientId: the client's id cannot be empty",
            "/cacheSeconds: expected a whole number from 0 to 3600",
            "/requiredScopes/0: expected one word",
        ],
    );
    check(
        "auth.conditions",
        json!({}),
        &[": needs at least one condition in `require` or `deny`"],
    );
    check(
        "auth.conditions",
        json!({"require": ["claims.role == 'admin'"], "deny": ["user == 'x'"]}),
        &["/deny/0: nothing is called `user`; there are `claims`, `consumer`, `request`, `source`"],
    );
    check(
        "ext.authz",
        json!({"url": "http://authorizer.example", "timeoutMs": 0, "requestHeaders": ["a b", "Content-Length"], "upstreamHeaders": ["host"], "consumerHeader": ""}),
        &[
            "/url: tokens and secrets sent over `http` can be read on the way; use `https` (`http` is possible for localhost only)",
            "/timeoutMs: expected a whole number from 1 to 60000",
            "/requestHeaders/0: `a b` is not a header name: use letters, digits and `-`",
            "/requestHeaders/1: `Content-Length` belongs to the connection and cannot be changed by a policy",
            "/upstreamHeaders/0: `host` belongs to the connection and cannot be changed by a policy",
            "/consumerHeader: `` is not a header name: use letters, digits and `-`",
        ],
    );
    check(
        "ext.wasm",
        json!({"module": "../tenants", "sha256": "abc", "fuel": 1, "timeoutMs": 0, "memoryMib": 257}),
        &[
            "/module: expected the file's name without `.wasm`: 1 to 64 small letters, digits, `-`, `_` and `.`, a letter or digit first",
            "/sha256: expected the file's SHA-256 in 64 hexadecimal digits, as `sha256sum` prints it",
            "/fuel: expected a whole number from 10000 to 10000000000",
            "/timeoutMs: expected a whole number from 1 to 10000",
            "/memoryMib: expected a whole number from 1 to 256",
        ],
    );
    check(
        "auth.jwt",
        json!({"issuer": "a", "audiences": ["b"], "jwksUri": "https://a.example/keys", "alsoTrusted": [
            {"issuer": "", "audiences": [], "jwksUri": "https://b.example/keys"},
            {"issuer": "a", "audiences": [""], "jwksUri": "https://c.example/keys"},
        ]}),
        &[
            "/alsoTrusted/0/issuer: the issuer cannot be empty",
            "/alsoTrusted/0/audiences: needs at least one audience",
            "/alsoTrusted/1/audiences/0: expected one word",
            "/alsoTrusted/1/issuer: issuer `a` is listed twice; which keys would count?",
        ],
    );
    check(
        "ratelimit",
        json!({"limits": [{"requests": 1, "per": "day"}], "key": {"claim": ""}}),
        &["/key/claim: the claim needs a name"],
    );
    check(
        "auth.mtls",
        json!({"authorities": ["AAAA", CERTIFICATE, CERTIFICATE.replace("AAAA", "A?AA")], "allowedNames": ["a b"]}),
        &[
            "/authorities/0: expected one certificate in PEM, from `-----BEGIN CERTIFICATE-----` to `-----END CERTIFICATE-----`",
            "/authorities/2: what is between the first and the last line of the certificate is not base64",
            "/allowedNames/0: expected a DNS name, a URI or an e-mail address as certificates carry it",
        ],
    );
}

#[test]
fn requests() {
    check(
        "ip.filter",
        json!({}),
        &[": needs at least one network in `allow` or `deny`"],
    );
    check(
        "ip.filter",
        json!({"allow": ["10.0.0.1/8"], "deny": ["example.com"]}),
        &[
            "/allow/0: `10.0.0.1/8` has bits set behind its prefix; for the whole network write `10.0.0.0/8`",
            "/deny/0: `example.com` is not a network or address: write `10.0.0.0/8`, `192.0.2.7` or `2001:db8::/32`",
        ],
    );
    check(
        "request.validate",
        json!({}),
        &[
            ": needs at least one of `requiredHeaders`, `requiredQuery`, `contentTypes`, `bodySchema` and `definition`",
        ],
    );
    check(
        "request.validate",
        json!({"requiredHeaders": ["a b"], "requiredQuery": [""], "contentTypes": ["json", "text/*"],
            "bodySchema": {"properties": {"a": {"$ref": "https://example.com/a"}, "b": {"$ref": "#/$defs/b"}}}}),
        &[
            "/requiredHeaders/0: `a b` is not a header name: use letters, digits and `-`",
            "/requiredQuery/0: the query parameter needs a name",
            "/contentTypes/0: `json` is not a media type without parameters, for example `application/json`",
            "/contentTypes/1: `text/*` is not a media type without parameters, for example `application/json`",
            "/bodySchema/properties/a/$ref: refers to another document; put what it says under `$defs` and refer to `#/$defs/…`",
        ],
    );
}

#[test]
fn changed_bodies() {
    check("transform", json!({}), &[": needs a `request` or a `response`"]);
    check(
        "transform",
        json!({"request": {"root": "x"}, "response": {"to": "xml", "root": "a b", "remove": ["", "a"], "set": {"/a~2": 1}, "template": {"x": ["{/a~}", "{/b}"]}}}),
        &[
            "/request: changes nothing; it needs another format, `remove`, `set` or a `template`",
            "/request/root: names an XML element, so it goes with `to: xml` only",
            "/response/remove/0: cannot take away the whole body",
            "/response/remove/1: `a` is not a JSON Pointer; write for example `/order/items/0`",
            "/response/set/~1a~02: `/a~2` is not a JSON Pointer; write for example `/order/items/0`",
            "/response/template/x/0: `/a~` is not a JSON Pointer; write for example `/order/items/0`",
            "/response/root: `a b` is not the name of an XML element",
        ],
    );
    check(
        "respond",
        json!({"status": 201, "example": {"status": 99}, "expanded": {"operations": []}}),
        &[
            "/example: the example says status and body; leave out `status`, `body` and `redirect`, and write `example: {status: …}` for another status",
            "/example/status: expected a whole number from 200 to 599",
            "/expanded: is taken from the definition and never written; leave it out",
        ],
    );
}

#[test]
fn limits() {
    check(
        "timeout",
        json!({"responseMs": 0}),
        &["/responseMs: expected a whole number from 1 to 3600000"],
    );
    check(
        "quota",
        json!({"requests": 0, "per": "month", "key": {"header": "a b"}}),
        &[
            "/requests: at least 1; to refuse every request, undeploy the API",
            "/key/header: `a b` is not a header name: use letters, digits and `-`",
        ],
    );
    check(
        "retry",
        json!({"attempts": 11, "on": [], "statuses": [500, 200], "methods": ["get"], "backoffMs": 60_001}),
        &[
            "/attempts: expected a whole number from 1 to 10",
            "/backoffMs: expected a whole number from 0 to 60000",
            "/on: needs at least one condition",
            "/statuses/1: expected a whole number from 400 to 599",
            "/methods/0: methods are written in capitals: `GET`",
        ],
    );
    check(
        "retry",
        json!({"attempts": 1, "on": ["timeout"], "perTryTimeoutMs": 0}),
        &["/perTryTimeoutMs: expected a whole number from 1 to 3600000"],
    );
    check(
        "retry",
        json!({"attempts": 1, "perTryTimeoutMs": 500}),
        &[
            "/perTryTimeoutMs: a request whose attempt took too long is sent again only with `timeout` in `on`; add it",
        ],
    );
}

#[test]
fn messages() {
    check(
        "respond",
        json!({"status": 99, "headers": {"content-length": "1"}}),
        &[
            "/status: expected a whole number from 200 to 599",
            "/headers/content-length: `content-length` belongs to the connection and cannot be changed by a policy",
        ],
    );
    check(
        "respond",
        json!({"status": 204, "body": "a"}),
        &["/body: an answer of status 204 has no body"],
    );
    check(
        "respond",
        json!({"status": 200, "headers": {"location": "/a"}, "redirect": {}}),
        &[
            "/status: a redirect has the status 301, 302, 303, 307 or 308",
            "/headers/location: `redirect` says where callers are sent; leave this header out",
            "/redirect: needs another `scheme`, `host`, `port` or `path`, or callers would be sent where they are",
        ],
    );
    check(
        "respond",
        json!({"status": 301, "redirect": {"host": "a.test:80", "port": 0, "path": "/{id}"}}),
        &[
            "/redirect/host: `a.test:80` is not a host; the port is said with `port`",
            "/redirect/port: a port from 1 to 65535",
            "/redirect/path: `{id}` is part of an operation's path; write this policy at the operation",
        ],
    );
    check(
        "rewrite",
        json!({"host": "*.test"}),
        &["/host: `*.test` is not a host; write `api.example.com`, `api.example.com:8080` or `{host}`"],
    );
    check(
        "cache",
        json!({"ttlSeconds": 0, "varyQuery": [""], "varyHeaders": ["a b"]}),
        &[
            "/ttlSeconds: expected a whole number from 1 to 31536000",
            "/varyHeaders/0: `a b` is not a header name: use letters, digits and `-`",
            "/varyQuery/0: the query parameter needs a name",
        ],
    );
    check(
        "log",
        json!({"percent": 101, "requestHeaders": ["Authorization"]}),
        &[
            "/percent: expected a whole number from 0 to 100",
            "/requestHeaders/0: `Authorization` carries credentials, which are never written to a log",
        ],
    );
    check(
        "native",
        json!({"gatewayType": "kong", "config": {}}),
        &["/config: needs at least one field"],
    );
}

#[test]
fn a_rewritten_path_has_only_parameters_that_its_operation_has() {
    let rewrite = |path: &str| json!({"type": "rewrite", "with": {"path": path}});
    let detail = |path: &str, operation| {
        let found = issues(rewrite(path), operation);
        found
            .first()
            .map(|text| text.split_once(": ").expect("a place").1.to_owned())
    };
    assert_eq!(detail("/v2/{id}/{rest}", Some("/{id}/{rest...}")), None);
    assert_eq!(detail("/v2", None), None);
    for (path, operation, words) in [
        (
            "/v2/{id}",
            None,
            "`{id}` is part of an operation's path; write this policy at the operation",
        ),
        (
            "/v2/{id}",
            Some("/a"),
            "`{id}` is not in the operation's path `/a`, which has no parameters",
        ),
        (
            "/v2/{id}",
            Some("/{key}"),
            "`{id}` is not in the operation's path `/{key}`; it has `{key}`",
        ),
        (
            "/v2/{rest...}",
            Some("/{rest...}"),
            "write `{name}` without `...`; it stands for all that the operation's path has there",
        ),
        ("v2", None, "a path starts with `/`: `/v2`"),
        (
            "/v2?a=b",
            None,
            "a path has no `?` and no `#`; the query is changed with `query`",
        ),
    ] {
        assert_eq!(detail(path, operation).as_deref(), Some(words), "{path}");
    }
    check(
        "rewrite",
        json!({}),
        &[": needs a `path`, a `host`, or changes of the `query`"],
    );
}

#[test]
fn a_set_of_policies_locks_or_says_something() {
    let set = |spec: Value| {
        let document = json!({"kind": "Policy", "metadata": {"name": "a"}, "spec": spec});
        let issues = parse::document(&document).err().unwrap_or_default();
        issues.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let targets = json!([{"project": "p"}]);
    assert_eq!(
        set(json!({"targets": targets, "lock": ["respond"]})),
        Vec::<String>::new()
    );
    assert_eq!(
        set(json!({"targets": targets})),
        ["/spec/policies: needs at least one policy, or something to `lock`"]
    );
    assert_eq!(
        set(json!({"targets": targets, "lock": ["cors", "cors"]})),
        ["/spec/lock/1: is there twice"]
    );
    let unknown = set(json!({"targets": targets, "lock": ["auth.jwt"]}));
    assert_eq!(
        unknown,
        [
            "/spec/lock/0: unknown value `auth.jwt`; known values: `cors`, `headers`, `rewrite`, `transform`, `respond`, `retry`, `cache`, `log`, `native`"
        ]
    );
}
