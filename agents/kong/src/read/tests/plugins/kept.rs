//! Plugins that stay in Kong's words, without their credentials.

use expect_test::expect;
use serde_json::json;

use super::{check, one};
use crate::read::tests::kong::{a_plugin, of_service, read, told, with_plugins};

#[test]
fn other_plugins_are_kept_without_their_credentials() {
    let config = json!({
        "http_endpoint": "https://logs.example.com/in?token=abc", "headers": {"x-token": "abc"}, "method": "POST"
    });
    one(
        "http-log",
        config,
        expect![[r#"
        {"type":"native","with":{"config":{"plugins":[{"config":{"headers":{"x-token":"{secret}"},"http_endpoint":"{secret}","method":"POST"},"name":"http-log"}]},"gatewayType":"kong"}}
        note: plugin `http-log` is kept as a `native` policy: no canonical policy says what it does
        note: plugin `http-log`: `config.headers.x-token` is a credential and is not taken along; put `{secret}` right before deploying it
        note: plugin `http-log`: `config.http_endpoint` is a credential and is not taken along; put `{secret}` right before deploying it"#]],
    );
    one(
        "aws-lambda",
        json!({"aws_key": "AKIA", "aws_secret": "s3cret", "function_name": "f", "aws_region": null}),
        expect![[r#"
        {"type":"native","with":{"config":{"plugins":[{"config":{"aws_key":"{secret}","aws_secret":"{secret}","function_name":"f"},"name":"aws-lambda"}]},"gatewayType":"kong"}}
        note: plugin `aws-lambda` is kept as a `native` policy: no canonical policy says what it does
        note: plugin `aws-lambda`: `config.aws_key` is a credential and is not taken along; put `{secret}` right before deploying it
        note: plugin `aws-lambda`: `config.aws_secret` is a credential and is not taken along; put `{secret}` right before deploying it"#]],
    );
    one(
        "bot-detection",
        json!({"deny": ["curl"]}),
        expect![[r#"
        {"type":"native","with":{"config":{"plugins":[{"config":{"deny":["curl"]},"name":"bot-detection"}]},"gatewayType":"kong"}}
        note: plugin `bot-detection` is kept as a `native` policy: no canonical policy says what it does"#]],
    );
    one(
        "zipkin",
        json!({"http_endpoint": "{vault://env/zipkin}", "x": "https://u:p@h/"}),
        expect![[r#"
        {"type":"native","with":{"config":{"plugins":[{"config":{"http_endpoint":"{vault://env/zipkin}","x":"{secret}"},"name":"zipkin"}]},"gatewayType":"kong"}}
        note: plugin `zipkin` is kept as a `native` policy: no canonical policy says what it does
        note: plugin `zipkin`: `config.x` is a credential and is not taken along; put `{secret}` right before deploying it"#]],
    );
}

#[test]
fn a_plugin_for_some_protocols_stays_with_kong() {
    let plugin = a_plugin(
        "ip-restriction",
        json!({"deny": ["10.0.0.1"]}),
        json!({"protocols": ["tcp"]}),
    );
    check(
        vec![plugin],
        expect![[r#"
        {"type":"native","with":{"config":{"plugins":[{"config":{"deny":["10.0.0.1"]},"name":"ip-restriction","protocols":["tcp"]}]},"gatewayType":"kong"}}
        note: plugin `ip-restriction` is global on Kong; it is read into each API
        note: plugin `ip-restriction` is kept as a `native` policy: it acts on tcp alone"#]],
    );
}

/// The fields that Kong 3.9.3 keeps encrypted, and others that hold credentials.
const SECRETS: [(&str, &str); 31] = [
    ("acme", "account_email"),
    ("acme", "eab_kid"),
    ("acme", "eab_hmac_key"),
    ("acme", "storage_config.redis.password"),
    ("acme", "storage_config.consul.token"),
    ("acme", "storage_config.vault.token"),
    ("ai-proxy", "auth.header_value"),
    ("ai-proxy", "auth.param_value"),
    ("ai-proxy", "auth.gcp_service_account_json"),
    ("ai-proxy", "auth.aws_access_key_id"),
    ("ai-proxy", "auth.aws_secret_access_key"),
    ("ai-request-transformer", "llm.auth.header_value"),
    ("aws-lambda", "aws_key"),
    ("aws-lambda", "aws_secret"),
    ("aws-lambda", "aws_assume_role_arn"),
    ("azure-functions", "apikey"),
    ("azure-functions", "clientid"),
    ("http-log", "http_endpoint"),
    ("http-log", "headers.authorization"),
    ("loggly", "key"),
    ("oauth2", "provision_key"),
    ("openid-connect", "client_secret"),
    ("openid-connect", "client_jwk.d"),
    ("openid-connect", "session_secret"),
    ("openid-connect", "redis.sentinel_password"),
    ("openid-connect", "http_proxy_authorization"),
    ("opentelemetry", "headers.x-honeycomb-team"),
    ("rate-limiting", "redis.password"),
    ("rate-limiting", "redis_password"),
    ("session", "secret"),
    ("standard-webhooks", "secret_v1"),
];

#[test]
fn no_credential_of_a_plugin_is_told() {
    for (name, path) in SECRETS {
        for secret in [json!("s3cret-value"), json!(["s3cret-value"])] {
            let config = path
                .rsplit('.')
                .fold(secret, |value, field| json!({field: value}));
            let mut plugin = of_service(name, config);
            plugin.0.insert("protocols".to_owned(), json!(["https"]));
            let told = told(read(&with_plugins(vec![plugin])));
            assert!(
                told.contains("native") && !told.contains("s3cret-value"),
                "{name} {path}: {told}"
            );
        }
    }
}
