//! Plugins that tell who calls, as policies.

use expect_test::expect;
use serde_json::{Value, json};

use super::{check, one};
use crate::read::tests::kong::{a_plugin, of_service};

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
