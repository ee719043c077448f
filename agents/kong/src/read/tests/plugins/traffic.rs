//! Plugins that limit, change or answer requests, as policies.

use expect_test::expect;
use serde_json::json;

use super::one;

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
