//! Plugins as policies.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::kong::{a_plugin, a_route, consumers, of_service, read, told, with_plugins, with_routes};
use crate::entities::Entity;

fn check(plugins: Vec<Entity>, expected: Expect) {
    let told = told(read(&with_plugins(plugins)));
    let (first, rest) = told.split_once('\n').unwrap_or((&told, ""));
    assert_eq!(first, "/orders -> http://orders.internal:8080/api", "{rest}");
    expected.assert_eq(rest);
}

fn one(name: &str, config: Value, expected: Expect) {
    check(vec![of_service(name, config)], expected);
}

#[test]
fn keys_are_named_after_their_consumers_and_never_told() {
    one(
        "key-auth",
        json!({}),
        expect![[r#"
        {"type":"auth.apiKey","with":{"forward":true,"in":"header","keys":[{"consumer":"alice","secretRef":"orders-alice-key"},{"consumer":"bob","secretRef":"orders-bob-key"}],"name":"apikey"}}
        note: keys are taken in the query, too; only header `apikey` is taken along"#]],
    );
    let strict = json!({"key_names": ["X-Key"], "key_in_query": false, "hide_credentials": true});
    one(
        "key-auth",
        strict.clone(),
        expect![[
            r#"{"type":"auth.apiKey","with":{"forward":false,"in":"header","keys":[{"consumer":"alice","secretRef":"orders-alice-key"},{"consumer":"bob","secretRef":"orders-bob-key"}],"name":"x-key"}}"#
        ]],
    );
    let groups = of_service("acl", json!({"allow": ["gold"]}));
    check(
        vec![of_service("key-auth", strict.clone()), groups],
        expect![[
            r#"{"type":"auth.apiKey","with":{"forward":false,"in":"header","keys":[{"consumer":"alice","secretRef":"orders-alice-key"}],"name":"x-key"}}"#
        ]],
    );
    let groups = of_service("acl", json!({"deny": ["gold"], "hide_groups_header": true}));
    check(
        vec![of_service("key-auth", strict), groups],
        expect![[
            r#"{"type":"auth.apiKey","with":{"forward":false,"in":"header","keys":[{"consumer":"bob","secretRef":"orders-bob-key"}],"name":"x-key"}}"#
        ]],
    );
}

#[test]
fn keys_that_are_checked_otherwise_stay_with_kong() {
    one(
        "key-auth",
        json!({"anonymous": "guest"}),
        expect![[r#"
        {"type":"native","with":{"config":{"plugins":[{"config":{"anonymous":"guest","hide_credentials":false,"key_in_body":false,"key_in_header":true,"key_in_query":true,"key_names":["apikey"],"run_on_preflight":true},"name":"key-auth"}]},"gatewayType":"kong"}}
        note: plugin `key-auth` is kept as a `native` policy: `anonymous` is not as usual"#]],
    );
    let nobody = of_service("acl", json!({"allow": ["nobody"]}));
    check(
        vec![of_service("key-auth", json!({})), nobody],
        expect![[r#"
        {"type":"native","with":{"config":{"plugins":[{"config":{"allow":["nobody"],"always_use_authenticated_groups":false,"hide_groups_header":false},"name":"acl"}]},"gatewayType":"kong"}}
        {"type":"native","with":{"config":{"plugins":[{"config":{"hide_credentials":false,"key_in_body":false,"key_in_header":true,"key_in_query":true,"key_names":["apikey"],"run_on_preflight":true},"name":"key-auth"}]},"gatewayType":"kong"}}
        note: plugin `acl` is kept as a `native` policy: what tells it who calls is not said in canonical words
        note: plugin `key-auth` is kept as a `native` policy: no consumer has a key that it takes"#]],
    );
    let hmac = a_plugin("hmac-auth", json!({}), json!({"service": {"id": "s1"}}));
    let gold = of_service("acl", json!({"allow": ["gold"]}));
    check(
        vec![of_service("key-auth", json!({"key_in_query": false})), hmac, gold],
        expect![[r#"
        {"type":"native","with":{"config":{"plugins":[{"config":{"allow":["gold"],"always_use_authenticated_groups":false,"hide_groups_header":false},"name":"acl"}]},"gatewayType":"kong"}}
        {"type":"native","with":{"config":{"plugins":[{"config":{},"name":"hmac-auth"}]},"gatewayType":"kong"}}
        {"type":"auth.apiKey","with":{"forward":true,"in":"header","keys":[{"consumer":"alice","secretRef":"orders-alice-key"}],"name":"apikey"}}
        note: plugin `acl` is kept as a `native` policy: what tells it who calls is not said in canonical words
        note: plugin `hmac-auth` is kept as a `native` policy: no canonical policy says what it does"#]],
    );
    one(
        "acl",
        json!({"allow": ["gold"]}),
        expect![[r#"
        {"type":"native","with":{"config":{"plugins":[{"config":{"allow":["gold"],"always_use_authenticated_groups":false,"hide_groups_header":false},"name":"acl"}]},"gatewayType":"kong"}}
        note: plugin `acl` is kept as a `native` policy: what tells it who calls is not said in canonical words"#]],
    );
    one(
        "jwt",
        json!({"key_claim_name": "iss"}),
        expect![[r#"
        {"type":"native","with":{"config":{"plugins":[{"config":{"key_claim_name":"iss"},"name":"jwt"}]},"gatewayType":"kong"}}
        note: plugin `jwt` is kept as a `native` policy: it checks tokens by keys of consumers, not by those that an issuer publishes"#]],
    );
}

#[test]
fn passwords_are_named_after_their_users() {
    one(
        "basic-auth",
        json!({"hide_credentials": true}),
        expect![[
            r#"{"type":"auth.basic","with":{"forward":false,"realm":"service","users":[{"secretRef":"orders-alice-password","username":"alice"},{"secretRef":"orders-bob-password","username":"bob"}]}}"#
        ]],
    );
}

#[test]
fn addresses_are_filtered() {
    one(
        "ip-restriction",
        json!({"allow": ["10.0.0.0/8", "192.0.2.7"], "deny": ["10.1.0.0/16"]}),
        expect![[
            r#"{"type":"ip.filter","with":{"allow":["10.0.0.0/8","192.0.2.7/32"],"deny":["10.1.0.0/16"]}}"#
        ]],
    );
    one(
        "ip-restriction",
        json!({"deny": ["10.1.0.0/16"], "status": 404}),
        expect![[r#"
        {"type":"native","with":{"config":{"plugins":[{"config":{"deny":["10.1.0.0/16"],"status":404},"name":"ip-restriction"}]},"gatewayType":"kong"}}
        note: plugin `ip-restriction` is kept as a `native` policy: `status` is not as usual"#]],
    );
}

#[test]
fn rates_are_limits_and_counts_of_all_nodes_are_quotas() {
    one(
        "rate-limiting",
        json!({"minute": 5, "day": 1000, "limit_by": "ip"}),
        expect![[
            r#"{"type":"ratelimit","with":{"key":"address","limits":[{"per":"minute","requests":5},{"per":"day","requests":1000}]}}"#
        ]],
    );
    one(
        "rate-limiting",
        json!({"month": 10000, "policy": "cluster"}),
        expect![[r#"{"type":"quota","with":{"key":"consumer","per":"month","requests":10000}}"#]],
    );
    one(
        "rate-limiting",
        json!({"year": 10000}),
        expect![[r#"
        {"type":"native","with":{"config":{"plugins":[{"config":{"error_code":429,"error_message":"API rate limit exceeded","fault_tolerant":true,"hide_client_headers":false,"limit_by":"consumer","policy":"local","redis":{"database":0,"port":6379,"ssl":false,"ssl_verify":false,"timeout":2000},"redis_database":0,"redis_port":6379,"redis_ssl":false,"redis_ssl_verify":false,"redis_timeout":2000,"sync_rate":-1,"year":10000},"name":"rate-limiting"}]},"gatewayType":"kong"}}
        note: plugin `rate-limiting` is kept as a `native` policy: `year` is not as usual"#]],
    );
    one(
        "rate-limiting",
        json!({"minute": 5, "limit_by": "header", "header_name": "x-a"}),
        expect![[r#"
        {"type":"native","with":{"config":{"plugins":[{"config":{"error_code":429,"error_message":"API rate limit exceeded","fault_tolerant":true,"header_name":"x-a","hide_client_headers":false,"limit_by":"header","minute":5,"policy":"local","redis":{"database":0,"port":6379,"ssl":false,"ssl_verify":false,"timeout":2000},"redis_database":0,"redis_port":6379,"redis_ssl":false,"redis_ssl_verify":false,"redis_timeout":2000,"sync_rate":-1},"name":"rate-limiting"}]},"gatewayType":"kong"}}
        note: plugin `rate-limiting` is kept as a `native` policy: requests without the header are counted by address"#]],
    );
    one(
        "rate-limiting",
        json!({"minute": 5, "policy": "redis", "redis": {"host": "r", "password": "p4ss"}}),
        expect![[r#"
        {"type":"native","with":{"config":{"plugins":[{"config":{"error_code":429,"error_message":"API rate limit exceeded","fault_tolerant":true,"hide_client_headers":false,"limit_by":"consumer","minute":5,"policy":"redis","redis":{"database":0,"host":"r","password":"{secret}","port":6379,"ssl":false,"ssl_verify":false,"timeout":2000},"redis_database":0,"redis_port":6379,"redis_ssl":false,"redis_ssl_verify":false,"redis_timeout":2000,"sync_rate":-1},"name":"rate-limiting"}]},"gatewayType":"kong"}}
        note: plugin `rate-limiting` is kept as a `native` policy: it counts in `redis`
        note: plugin `rate-limiting`: `config.redis.password` is a credential and is not taken along; put `{secret}` right before deploying it"#]],
    );
}

#[test]
fn sizes_are_in_bytes() {
    one(
        "request-size-limiting",
        json!({"allowed_payload_size": 2}),
        expect![[r#"{"type":"request.size","with":{"maxBytes":2097152}}"#]],
    );
    one(
        "request-size-limiting",
        json!({"allowed_payload_size": 2, "size_unit": "kilobytes"}),
        expect![[r#"{"type":"request.size","with":{"maxBytes":2048}}"#]],
    );
    one(
        "request-size-limiting",
        json!({"require_content_length": true}),
        expect![[r#"
        {"type":"native","with":{"config":{"plugins":[{"config":{"allowed_payload_size":128,"require_content_length":true,"size_unit":"megabytes"},"name":"request-size-limiting"}]},"gatewayType":"kong"}}
        note: plugin `request-size-limiting` is kept as a `native` policy: `require_content_length` is not as usual"#]],
    );
}

#[test]
fn origins_are_exact_or_all_of_a_domain() {
    one(
        "cors",
        json!({}),
        expect![[
            r#"{"type":"cors","with":{"allowCredentials":false,"allowMethods":["CONNECT","DELETE","GET","HEAD","OPTIONS","PATCH","POST","PUT","TRACE"],"allowOrigins":["*"]}}"#
        ]],
    );
    let config = json!({
        "origins": ["https://shop.example.com", r"^https://[^/]+\.example\.org"], "methods": ["GET"],
        "headers": ["X-A"], "exposed_headers": ["X-B"], "max_age": 60, "credentials": true
    });
    one(
        "cors",
        config,
        expect![[
            r#"{"type":"cors","with":{"allowCredentials":true,"allowHeaders":["x-a"],"allowMethods":["GET"],"allowOrigins":["https://*.example.org","https://shop.example.com"],"exposeHeaders":["x-b"],"maxAgeSeconds":60}}"#
        ]],
    );
    one(
        "cors",
        json!({"credentials": true}),
        expect![[r#"
        {"type":"native","with":{"config":{"plugins":[{"config":{"credentials":true,"methods":["GET","HEAD","PUT","PATCH","POST","DELETE","OPTIONS","TRACE","CONNECT"],"preflight_continue":false,"private_network":false},"name":"cors"}]},"gatewayType":"kong"}}
        note: plugin `cors` is kept as a `native` policy: it lets every site act for its visitors (`credentials` for every origin)"#]],
    );
    one(
        "cors",
        json!({"origins": [r"https://(a|b)\.example\.com"]}),
        expect![[r#"
        {"type":"native","with":{"config":{"plugins":[{"config":{"credentials":false,"methods":["GET","HEAD","PUT","PATCH","POST","DELETE","OPTIONS","TRACE","CONNECT"],"origins":["https://(a|b)\\.example\\.com"],"preflight_continue":false,"private_network":false},"name":"cors"}]},"gatewayType":"kong"}}
        note: plugin `cors` is kept as a `native` policy: origin `https://(a|b)\.example\.com` is neither an exact one nor all of a domain"#]],
    );
}

#[test]
fn headers_and_queries_are_changed() {
    let config = json!({
        "remove": {"headers": ["X-Gone", "X-Set"], "querystring": ["q"]},
        "add": {"headers": ["X-Set:1", "X-Both:2"], "querystring": ["q:1"]},
        "replace": {"headers": ["X-Both:2"]},
        "append": {"headers": ["X-More:3"]}
    });
    one(
        "request-transformer",
        config,
        expect![[r#"
        {"type":"headers","with":{"request":{"add":{"x-more":"3"},"remove":["x-gone"],"set":{"x-both":"2","x-set":"1"}}}}
        {"type":"rewrite","with":{"query":{"set":{"q":"1"}}}}"#]],
    );
    one(
        "response-transformer",
        json!({"remove": {"headers": ["Server"]}}),
        expect![[r#"{"type":"headers","with":{"response":{"remove":["server"]}}}"#]],
    );
    one(
        "request-transformer",
        json!({"add": {"headers": ["X-Maybe:1"]}}),
        expect![[r#"
        {"type":"native","with":{"config":{"plugins":[{"config":{"add":{"body":[],"headers":["X-Maybe:1"],"querystring":[]},"append":{"body":[],"headers":[],"querystring":[]},"remove":{"body":[],"headers":[],"querystring":[]},"rename":{"body":[],"headers":[],"querystring":[]},"replace":{"body":[],"headers":[],"querystring":[]}},"name":"request-transformer"}]},"gatewayType":"kong"}}
        note: plugin `request-transformer` is kept as a `native` policy: it adds `x-maybe` only where it is not there yet"#]],
    );
    one(
        "request-transformer",
        json!({"add": {"headers": ["X-Api-Key:s3cret", "X-Plain:1"]}}),
        expect![[r#"
        {"type":"native","with":{"config":{"plugins":[{"config":{"add":{"body":[],"headers":["X-Api-Key:{secret}","X-Plain:1"],"querystring":[]},"append":{"body":[],"headers":[],"querystring":[]},"remove":{"body":[],"headers":[],"querystring":[]},"rename":{"body":[],"headers":[],"querystring":[]},"replace":{"body":[],"headers":[],"querystring":[]}},"name":"request-transformer"}]},"gatewayType":"kong"}}
        note: plugin `request-transformer` is kept as a `native` policy: `X-Api-Key` carries a credential
        note: plugin `request-transformer`: `config.add.headers[X-Api-Key]` is a credential and is not taken along; put `{secret}` right before deploying it"#]],
    );
    one(
        "request-transformer",
        json!({"replace": {"uri": "/fixed/$(headers.host)"}}),
        expect![[r#"
        {"type":"native","with":{"config":{"plugins":[{"config":{"add":{"body":[],"headers":[],"querystring":[]},"append":{"body":[],"headers":[],"querystring":[]},"remove":{"body":[],"headers":[],"querystring":[]},"rename":{"body":[],"headers":[],"querystring":[]},"replace":{"body":[],"headers":[],"querystring":[],"uri":"/fixed/$(headers.host)"}},"name":"request-transformer"}]},"gatewayType":"kong"}}
        note: plugin `request-transformer` is kept as a `native` policy: `replace.uri` is not as usual"#]],
    );
    one(
        "response-transformer",
        json!({"add": {"json": ["a:1"]}}),
        expect![[r#"
        {"type":"native","with":{"config":{"plugins":[{"config":{"add":{"headers":[],"json":["a:1"],"json_types":[]},"append":{"headers":[],"json":[],"json_types":[]},"remove":{"headers":[],"json":[]},"rename":{"headers":[],"json":[]},"replace":{"headers":[],"json":[],"json_types":[]}},"name":"response-transformer"}]},"gatewayType":"kong"}}
        note: plugin `response-transformer` is kept as a `native` policy: `add.json` is not as usual"#]],
    );
}

#[test]
fn fixed_answers_are_given() {
    one(
        "request-termination",
        json!({"status_code": 403, "message": "closed"}),
        expect![[
            r#"{"type":"respond","with":{"body":"{\"message\":\"closed\"}","headers":{"content-type":"application/json; charset=utf-8"},"status":403}}"#
        ]],
    );
    one(
        "request-termination",
        json!({}),
        expect![[
            r#"{"type":"respond","with":{"body":"{\"message\":\"Service unavailable\"}","headers":{"content-type":"application/json; charset=utf-8"},"status":503}}"#
        ]],
    );
    one(
        "request-termination",
        json!({"status_code": 200, "body": "ok", "content_type": "text/plain"}),
        expect![[
            r#"{"type":"respond","with":{"body":"ok","headers":{"content-type":"text/plain"},"status":200}}"#
        ]],
    );
    one(
        "request-termination",
        json!({"trigger": "x-stop"}),
        expect![[r#"
        {"type":"native","with":{"config":{"plugins":[{"config":{"echo":false,"status_code":503,"trigger":"x-stop"},"name":"request-termination"}]},"gatewayType":"kong"}}
        note: plugin `request-termination` is kept as a `native` policy: `trigger` is not as usual"#]],
    );
}

#[test]
fn answers_are_kept_where_they_may_be() {
    one(
        "proxy-cache",
        json!({}),
        expect![[r#"
        {"type":"native","with":{"config":{"plugins":[{"config":{"cache_control":false,"cache_ttl":300,"content_type":["text/plain","application/json"],"ignore_uri_case":false,"memory":{"dictionary_name":"kong_db_cache"},"request_method":["GET","HEAD"],"response_code":[200,301,404],"response_headers":{"X-Cache-Key":true,"X-Cache-Status":true,"age":true},"strategy":"memory"},"name":"proxy-cache"}]},"gatewayType":"kong"}}
        note: plugin `proxy-cache` is kept as a `native` policy: `content_type` is not as usual"#]],
    );
    let config = json!({
        "response_code": [200], "content_type": ["*/*"], "cache_ttl": 60, "vary_headers": ["X-A"]
    });
    one(
        "proxy-cache",
        config,
        expect![[r#"
        {"type":"cache","with":{"perConsumer":true,"ttlSeconds":60,"varyHeaders":["x-a"]}}
        note: answers are kept also where they say they must not be; elsewhere than on Kong, those are not"#]],
    );
}

#[test]
fn tokens_of_an_issuer_are_read_where_nothing_is_discovered() {
    let usual = json!({
        "issuer": "https://id.example.com", "using_pseudo_issuer": true, "auth_methods": ["bearer"],
        "bearer_token_param_type": ["header"], "issuers_allowed": ["https://id.example.com"],
        "extra_jwks_uris": ["https://id.example.com/keys"], "audience_required": ["orders"], "audience_claim": ["aud"],
        "scopes_required": ["read write"], "leeway": 5, "verify_claims": true, "verify_signature": true,
        "session_secret": "s3cret", "cache_ttl": 3600, "consumer_by": ["username", "custom_id"], "timeout": 10000
    });
    let with = |fields: Value| {
        let mut config = usual.clone();
        config
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        config
    };
    one(
        "openid-connect",
        with(json!({})),
        expect![[
            r#"{"type":"auth.jwt","with":{"algorithms":["RS256","RS384","RS512","PS256","PS384","PS512","ES256","ES384","EdDSA"],"audiences":["orders"],"clockSkewSeconds":5,"issuer":"https://id.example.com","jwksUri":"https://id.example.com/keys","requiredScopes":["read","write"]}}"#
        ]],
    );
    let opaque = json!({
        "auth_methods": ["introspection"], "introspection_endpoint": "https://id.example.com/ask",
        "client_id": ["kong"], "client_secret": ["s3cret"], "cache_introspection": false
    });
    one(
        "openid-connect",
        with(opaque),
        expect![[
            r#"{"type":"auth.oauth2","with":{"audiences":["orders"],"cacheSeconds":0,"clientId":"kong","clientSecretRef":"orders-client-secret","introspectionUrl":"https://id.example.com/ask","requiredScopes":["read","write"]}}"#
        ]],
    );
    one(
        "openid-connect",
        with(json!({"groups_required": ["admin"]})),
        expect![[r#"
        {"type":"native","with":{"config":{"plugins":[{"config":{"audience_claim":["aud"],"audience_required":["orders"],"auth_methods":["bearer"],"bearer_token_param_type":["header"],"cache_ttl":3600,"consumer_by":["username","custom_id"],"extra_jwks_uris":["https://id.example.com/keys"],"groups_required":["admin"],"issuer":"https://id.example.com","issuers_allowed":["https://id.example.com"],"leeway":5,"scopes_required":["read write"],"session_secret":"{secret}","timeout":10000,"using_pseudo_issuer":true,"verify_claims":true,"verify_signature":true},"name":"openid-connect"}]},"gatewayType":"kong"}}
        note: plugin `openid-connect` is kept as a `native` policy: `groups_required` is not as usual
        note: plugin `openid-connect`: `config.session_secret` is a credential and is not taken along; put `{secret}` right before deploying it"#]],
    );
    one(
        "openid-connect",
        json!({"issuer": "https://id.example.com", "client_secret": ["{vault://env/it}"]}),
        expect![[r#"
        {"type":"native","with":{"config":{"plugins":[{"config":{"client_secret":["{vault://env/it}"],"issuer":"https://id.example.com"},"name":"openid-connect"}]},"gatewayType":"kong"}}
        note: plugin `openid-connect` is kept as a `native` policy: what its issuer publishes is discovered, and not written there"#]],
    );
}

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
fn the_closest_plugin_of_a_name_acts() {
    let size = |id: &str, bytes: u64, scope: Value| {
        let mut plugin = a_plugin(
            "request-size-limiting",
            json!({"allowed_payload_size": bytes, "size_unit": "bytes"}),
            scope,
        );
        plugin.0.insert("id".to_owned(), json!(id));
        plugin
    };
    let of_service = json!({"service": {"id": "s1"}});
    check(
        vec![size("1", 1, json!({})), size("2", 2, of_service.clone())],
        expect![[r#"{"type":"request.size","with":{"maxBytes":2}}"#]],
    );
    check(
        vec![size("1", 1, json!({}))],
        expect![[r#"
        {"type":"request.size","with":{"maxBytes":1}}
        note: plugin `request-size-limiting` is global on Kong; it is read into each API"#]],
    );
    check(
        vec![
            size("1", 1, json!({})),
            size("2", 2, json!({"service": {"id": "s1"}, "enabled": false})),
        ],
        expect![[r#"
            {"type":"request.size","with":{"maxBytes":1}}
            note: plugin `request-size-limiting` is global on Kong; it is read into each API"#]],
    );
    check(
        vec![size(
            "1",
            1,
            json!({"service": {"id": "s1"}, "consumer": {"id": "alice"}}),
        )],
        expect![
            "note: plugin `request-size-limiting` acts for consumer `alice` alone; it is not taken along"
        ],
    );
    check(
        vec![size("1", 1, json!({"service": {"id": "other"}}))],
        expect![[""]],
    );

    let routes =
        ["/orders", "/stock"].map(|path| a_route(path, json!({"paths": [path], "strip_path": false})));
    let mut snapshot = with_routes(routes.to_vec());
    snapshot.plugins = vec![
        size("1", 1, of_service),
        size("2", 2, json!({"route": {"id": "/stock"}})),
    ];
    consumers(&mut snapshot);
    expect![[r#"
        / -> http://orders.internal:8080/api
        * /orders {"type":"request.size","with":{"maxBytes":1}}
        * /orders/{rest...} {"type":"request.size","with":{"maxBytes":1}}
        * /stock {"type":"request.size","with":{"maxBytes":2}}
        * /stock/{rest...} {"type":"request.size","with":{"maxBytes":2}}"#]]
    .assert_eq(&told(read(&snapshot)));
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
