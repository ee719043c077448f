//! Policies as plugins.

use serde_json::json;

use super::{api, config, form};

#[test]
fn policies_become_plugins() {
    let table = [
        (
            json!({"type": "ratelimit", "with": {"limits": [{"requests": 9, "per": "second"}, {"requests": 5, "per": "minute"}]}}),
            "rate-limiting",
            // Kong refuses a minute with fewer requests than a second has.
            json!({"policy": "local", "limit_by": "ip", "second": 5, "minute": 5}),
        ),
        (
            json!({"type": "quota", "with": {"requests": 100, "per": "month", "key": {"header": "x-team"}}}),
            "rate-limiting",
            json!({"policy": "local", "limit_by": "header", "header_name": "x-team", "month": 100}),
        ),
        (
            json!({"type": "ip.filter", "with": {"allow": ["10.0.0.0/8"], "deny": ["10.1.0.0/16"]}}),
            "ip-restriction",
            json!({"status": 403, "allow": ["10.0.0.0/8"], "deny": ["10.1.0.0/16"]}),
        ),
        (
            json!({"type": "request.size", "with": {"maxBytes": 1000}}),
            "request-size-limiting",
            json!({"allowed_payload_size": 1000, "size_unit": "bytes", "require_content_length": false}),
        ),
        (
            json!({"type": "headers", "with": {"request": {"remove": ["X-Debug"], "set": {"X-From": "shop"}, "add": {"Via": "a:b"}}}}),
            "request-transformer",
            json!({
                "remove": {"headers": ["x-debug"]}, "append": {"headers": ["via:a:b"]},
                "add": {"headers": ["x-from:shop"]},
                "replace": {"headers": ["x-from:shop"], "uri": "/api$(uri_captures.path)"},
            }),
        ),
        (
            json!({"type": "respond", "with": {"status": 410, "headers": {"Content-Type": "text/html"}, "body": "gone"}}),
            "request-termination",
            json!({"status_code": 410, "content_type": "text/html", "body": "gone"}),
        ),
    ];
    for (policy, plugin, expected) in table {
        let form = form(&api(&json!([policy]), &[("GET", "/items", json!([]))]));
        assert_eq!(config(&form, plugin), expected, "{policy}");
    }
}

#[test]
fn no_character_of_an_origin_means_another_one() {
    let table = [
        ("*", "*"),
        ("https://shop.example.com:8443", "https://shop.example.com:8443"),
        ("https://*.example.com", r"^https://[^/]+\.example\.com$"),
        // Kong takes what follows for regular expressions.
        ("https://my_shop.example.com", r"^https://my_shop\.example\.com$"),
        ("http://[::1]:3000", r"^http://\[::1\]:3000$"),
    ];
    for (origin, expected) in table {
        let policy = json!({"type": "cors", "with": {"allowOrigins": [origin], "allowMethods": ["GET"]}});
        let form = form(&api(&json!([policy]), &[("GET", "/items", json!([]))]));
        assert_eq!(config(&form, "cors")["origins"], json!([expected]));
    }
}
