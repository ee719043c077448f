//! Policies beyond keys and limits, as callers and upstreams meet them.

use gatehouse_gateway_core::{ApiConfig, ApplyError, Gateway, policy_support};
use gatehouse_schemas::{canonical::Fingerprint, descriptor::Fidelity, policy::Policy, reference::EXAMPLES};
use http::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt as _, net::TcpListener};

use crate::{
    support::{api, document, echo, gateway, get, raw, status, upstream},
    wasm,
};

fn with_secret(mut config: ApiConfig, secret: &str, value: &str) -> ApiConfig {
    let Fingerprint(hash) = Fingerprint::of_bytes(value.as_bytes());
    let hash = hash.trim_start_matches("sha256:").to_owned();
    config.secret_hashes.insert(secret.parse().expect("a name"), hash);
    config
}

async fn serving(fields: Value) -> Gateway {
    let gateway = gateway().await;
    let config = with_secret(api("a", echo().await, fields), "shop", "pass:word");
    gateway.put_api(config).await.expect("applied");
    gateway
}

async fn with_policy(kind: &str, with: Value) -> Gateway {
    serving(json!({"policies": [{"type": kind, "with": with}]})).await
}

async fn send(gateway: &Gateway, method: &str, path: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    raw(
        gateway,
        &format!(
            "{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n{fields}\r\n{body}"
        ),
    )
    .await
}

#[tokio::test]
async fn only_the_networks_that_are_allowed_may_call_and_ask_whether_they_may() {
    let cors = json!({"type": "cors", "with": {"allowOrigins": ["*"]}});
    for (filter, expected) in [
        (json!({"allow": ["127.0.0.0/8"]}), 200),
        (json!({"allow": ["10.0.0.0/8", "::1"]}), 403),
        (json!({"deny": ["127.0.0.1"]}), 403),
        (json!({"deny": ["10.0.0.0/8"]}), 200),
    ] {
        let gateway = serving(json!({"policies": [cors, {"type": "ip.filter", "with": filter}]})).await;
        let answer = get(&gateway, "/a").await;
        assert_eq!(status(&answer), expected, "{filter}");
        let preflight = "Origin: https://b.example\r\nAccess-Control-Request-Method: GET\r\n";
        let answer = send(&gateway, "OPTIONS", "/a", preflight, "").await;
        assert_eq!(
            status(&answer),
            if expected == 200 { 204 } else { 403 },
            "{filter}"
        );
    }
}

#[tokio::test]
async fn no_spelling_of_a_path_slips_past_a_condition() {
    let deny =
        json!({"deny": ["request.path.startsWith('/a/admin')", "request.headers['x-role'] == 'root'"]});
    let gateway = with_policy("auth.conditions", deny).await;
    for (path, fields, expected) in [
        ("/a/orders", "X-Role: clerk\r\n", 200),
        ("/a/admin", "X-Role: clerk\r\n", 403),
        ("/a/%61dmin", "X-Role: clerk\r\n", 403),
        ("/a//admin", "X-Role: clerk\r\n", 403),
        ("/a/./x/../admin", "X-Role: clerk\r\n", 403),
        ("/a/orders", "X-Role: root\r\n", 403),
        ("/a/orders", "X-Role: clerk\r\nX-Role: root\r\n", 403),
        ("/a/orders", "X-Role: clerk\r\nConnection: x-role\r\n", 403),
        ("/a/orders", "", 403),
    ] {
        let answer = send(&gateway, "GET", path, fields, "").await;
        assert_eq!(status(&answer), expected, "{path} {fields:?}: {answer}");
    }
}

#[tokio::test]
async fn filters_of_api_and_operation_both_hold() {
    let gateway = serving(json!({
        "policies": [{"type": "ip.filter", "with": {"deny": ["127.0.0.1"]}}],
        "operations": [{"match": {"method": "GET", "path": "/"}, "policies": [{"type": "ip.filter", "with": {"allow": ["127.0.0.1"]}}]}],
    }))
    .await;
    let answer = get(&gateway, "/a").await;
    assert_eq!(status(&answer), 403);
    assert_eq!(
        document(&answer)["type"],
        "https://gatehouse.dev/problems/gateway/forbidden"
    );
}

#[tokio::test]
async fn users_sign_in_with_their_password_and_it_stays_here() {
    let users = json!({"realm": "orders", "users": [{"username": "shop", "secretRef": "shop"}]});
    let gateway = with_policy("auth.basic", users).await;
    let refused = get(&gateway, "/a").await;
    assert_eq!(status(&refused), 401);
    assert!(
        refused.contains("www-authenticate: Basic realm=\"orders\""),
        "{refused}"
    );
    // shop:wrong, shop:pass:word
    let wrong = send(
        &gateway,
        "GET",
        "/a",
        "Authorization: Basic c2hvcDp3cm9uZw==\r\n",
        "",
    )
    .await;
    assert_eq!(status(&wrong), 401);
    let right = send(
        &gateway,
        "GET",
        "/a",
        "Authorization: Basic c2hvcDpwYXNzOndvcmQ=\r\n",
        "",
    )
    .await;
    assert_eq!(status(&right), 200);
    assert_eq!(document(&right)["headers"]["authorization"], Value::Null);
}

#[tokio::test]
async fn an_upstream_that_takes_too_long_for_a_policy_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let silent = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 1024];
            let _ = stream.read(&mut head).await;
            kept.push(stream);
        }
    });
    let gateway = gateway().await;
    let fields = json!({
        "policies": [{"type": "timeout", "with": {"responseMs": 3_600_000}}],
        "operations": [{"match": {"method": "GET", "path": "/"}, "policies": [{"type": "timeout", "with": {"responseMs": 20}}]}],
    });
    gateway.put_api(api("a", silent, fields)).await.expect("applied");
    let answer = get(&gateway, "/a").await;
    assert_eq!(status(&answer), 504);
    assert_eq!(
        document(&answer)["type"],
        "https://gatehouse.dev/problems/gateway/upstream-timeout"
    );
}

#[tokio::test]
async fn a_fixed_answer_asks_no_upstream_and_only_comes_after_the_checks() {
    let gateway = gateway().await;
    let upstream = upstream(|_| {
        let mut answer = Response::new("from the upstream".to_owned());
        *answer.status_mut() = StatusCode::IM_A_TEAPOT;
        answer
    })
    .await;
    let fields = json!({"policies": [
        {"type": "respond", "with": {"status": 503, "headers": {"content-type": "application/json", "Retry-After": "9"}, "body": "{\"closed\": true}"}},
        {"type": "headers", "with": {"response": {"set": {"x-team": "orders"}}}},
        {"type": "auth.basic", "with": {"users": [{"username": "shop", "secretRef": "shop"}]}},
    ]});
    gateway
        .put_api(with_secret(api("a", upstream, fields), "shop", "pass:word"))
        .await
        .expect("applied");
    assert_eq!(status(&get(&gateway, "/a").await), 401);
    let signed = "Authorization: Basic c2hvcDpwYXNzOndvcmQ=\r\n";
    let answer = send(&gateway, "GET", "/a", signed, "").await;
    assert_eq!(status(&answer), 503);
    for expected in [
        "content-type: application/json",
        "retry-after: 9",
        "x-team: orders",
        "{\"closed\": true}",
    ] {
        assert!(answer.contains(expected), "{answer}");
    }
    let head = send(&gateway, "HEAD", "/a", signed, "").await;
    assert!(
        head.contains("content-length: 16") && !head.contains("closed"),
        "{head}"
    );
    let sent = send(&gateway, "POST", "/a", signed, "a body that nobody reads").await;
    assert_eq!(status(&sent), 503);
}

#[tokio::test]
async fn the_upstream_is_asked_for_what_the_rewrite_says() {
    let gateway = serving(json!({
        "policies": [{"type": "rewrite", "with": {"path": "/all", "query": {"remove": ["debug"]}}}],
        "operations": [
            {"match": {"method": "GET", "path": "/plain"}},
            {"match": {"method": "GET", "path": "/{id}/items/{item}"},
             "policies": [{"type": "rewrite", "with": {"path": "/v2/items/{item}/of/{id}", "query": {"set": {"by": "gate way"}}}}]},
            {"match": {"method": "GET", "path": "/files/{path...}"},
             "policies": [{"type": "rewrite", "with": {"path": "/store/{path}"}}]},
            {"match": {"method": "GET", "path": "/pair/{a}-{b}"},
             "policies": [{"type": "rewrite", "with": {"path": "/{a}/secret"}}]},
        ],
    }))
    .await;
    for (asked, target) in [
        ("/a/plain?x=1&debug=2", "/all?x=1"),
        ("/a/7/items/a%2Fb?x=1", "/v2/items/a%2Fb/of/7?x=1&by=gate%20way"),
        ("/a/files/x/y%20z?debug=1", "/store/x/y%20z?debug=1"),
        ("/a/pair/x-y", "/x/secret"),
    ] {
        let answer = get(&gateway, asked).await;
        assert_eq!(document(&answer)["target"], target, "{asked}");
    }
    assert_eq!(status(&get(&gateway, "/a/pair/..-y").await), 400);
}

#[tokio::test]
async fn what_is_not_as_the_policy_wants_it_does_not_reach_the_upstream() {
    let schema =
        json!({"type": "object", "required": ["count"], "properties": {"count": {"type": "integer"}}});
    let gateway = with_policy(
        "request.validate",
        json!({"requiredHeaders": ["x-tenant"], "requiredQuery": ["q"], "contentTypes": ["application/json"], "bodySchema": schema}),
    )
    .await;
    let fields = "X-Tenant: a\r\nContent-Type: application/json\r\n";
    let good = send(&gateway, "POST", "/a?q=1", fields, "{\"count\": 1}").await;
    assert_eq!(status(&good), 200);
    assert_eq!(document(&good)["body"], "{\"count\": 1}");
    for (path, fields, body, expected) in [
        (
            "/a?q=1",
            "Content-Type: application/json\r\n",
            "{\"count\": 1}",
            400,
        ),
        ("/a", fields, "{\"count\": 1}", 400),
        (
            "/a?q=1",
            "X-Tenant: a\r\nContent-Type: text/plain\r\n",
            "{\"count\": 1}",
            415,
        ),
        ("/a?q=1", fields, "{\"count\": \"1\"}", 400),
        ("/a?q=1", fields, "{\"count\": 1, \"count\": \"1\"}", 400),
        ("/a?q=1", fields, "", 400),
    ] {
        let answer = send(&gateway, "POST", path, fields, body).await;
        assert_eq!(status(&answer), expected, "{path} {fields} {body}");
    }
    let chunked = format!(
        "POST /a?q=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n{fields}\r\n5\r\n{{\"cou\r\n7\r\nnt\": 2}}\r\n0\r\n\r\n"
    );
    let answer = raw(&gateway, &chunked).await;
    assert_eq!(document(&answer)["body"], "{\"count\": 2}");
    let large = format!("{{\"count\": 1, \"more\": \"{}\"}}", "x".repeat(1024 * 1024));
    let answer = send(&gateway, "POST", "/a?q=1", fields, &large).await;
    assert_eq!(status(&answer), 413);
}

/// Every policy type, by its example.
fn examples() -> Vec<(Policy, Value)> {
    let types = EXAMPLES
        .into_iter()
        .filter(|(name, _)| Policy::TYPES.contains(name));
    types
        .map(|(_, example)| {
            let value = gatehouse_schemas::parse::documents(example)
                .expect("an example")
                .remove(0);
            (serde_json::from_value(value.clone()).expect("a policy"), value)
        })
        .collect()
}

#[tokio::test]
async fn every_policy_type_is_enforced_or_said_not_to_be_and_security_fails_closed() {
    let modules = wasm::Modules::new().await;
    let gateway = &modules.gateway;
    let upstream = echo().await;
    let support = policy_support();
    let all = examples();
    assert_eq!(all.len(), Policy::TYPES.len());
    for (policy, value) in all {
        let kind = policy.type_name();
        let mut value = value;
        if let Policy::ExtWasm(example) = &policy {
            value["with"]["sha256"] =
                modules.policy(&example.module, &wasm::passing())["with"]["sha256"].take();
        }
        let mut config = api(kind, upstream, json!({"policies": [value]}));
        for secret in policy.secret_names() {
            config = with_secret(config, secret.as_str(), "x");
            config.secrets.insert(secret.clone(), "x".to_owned().into());
        }
        let applied = gateway.put_api(config).await;
        let declared = support.iter().find(|entry| entry.policy == kind);
        match (
            &declared.expect("every type is declared").fidelity,
            policy.is_security(),
        ) {
            (Fidelity::Exact | Fidelity::Approximated { .. }, _) | (Fidelity::Unsupported { .. }, false) => {
                applied.expect(kind);
            }
            (Fidelity::Unsupported { reason }, true) => match applied.expect_err(kind) {
                ApplyError::Policy { reason: told, .. } => assert_eq!(told, *reason),
                other => panic!("{other}"),
            },
        }
    }
}
