//! Who may call, and from where.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::aws::{a_plan, export, http, over, proxied, rest, told};
use crate::read::{Mapping, Snapshot, read};

fn check(snapshot: &Snapshot, expected: Expect) {
    expected.assert_eq(&told(snapshot));
}

fn guarded(security: Value) -> Value {
    over(
        proxied("https://orders.internal/a"),
        json!({"security": security}),
    )
}

/// The API with methods `/a`, security schemes and one method without security if wanted.
fn with_schemes(security: Value, schemes: Value) -> Snapshot {
    let mut snapshot = rest(json!({"/a": {"get": guarded(security)}}));
    snapshot.export["components"]["securitySchemes"] = schemes;
    snapshot
}

#[test]
fn keys_are_named_after_themselves_and_never_told() {
    let scheme = json!({"api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"}});
    let mut snapshot = with_schemes(json!([{"api_key": []}]), scheme);
    check(
        &snapshot,
        expect![[r#"
            /orders -> main=https://orders.internal (29000 ms)
            {"type":"native","with":{"config":{"apiKeyRequired":true},"gatewayType":"aws"}}
            GET /a
            note: GET /a: that a key is asked for is kept as a `native` policy: a key is asked for, and no usage plan of the stage has one that is enabled; elsewhere than on AWS nobody checks this; give it a policy of type `auth` before moving it"#]],
    );
    snapshot.usage_plans = vec![a_plan()];
    check(
        &snapshot,
        expect![[r#"
        /orders -> main=https://orders.internal (29000 ms)
        {"type":"auth.apiKey","with":{"forward":true,"in":"header","keys":[{"consumer":"alice","secretRef":"orders-alice-key"},{"consumer":"bob","secretRef":"orders-bob-key"}],"name":"x-api-key"}}
        GET /a"#]],
    );
    snapshot.api_key_source = Some("AUTHORIZER".to_owned());
    check(
        &snapshot,
        expect![[r#"
            /orders -> main=https://orders.internal (29000 ms)
            {"type":"native","with":{"config":{"apiKeyRequired":true},"gatewayType":"aws"}}
            GET /a
            note: GET /a: that a key is asked for is kept as a `native` policy: the authorizer says which key counts; elsewhere than on AWS nobody checks this; give it a policy of type `auth` before moving it"#]],
    );
}

#[test]
fn keys_are_as_they_were_applied() {
    let scheme = json!({"api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"}});
    let mut snapshot = with_schemes(json!([{"api_key": []}]), scheme);
    snapshot.usage_plans = vec![a_plan()];
    let mut applied = read(&snapshot, None).unwrap().content;
    let text = serde_json::to_string(&applied)
        .unwrap()
        .replace("orders-alice-key", "alices-key");
    applied = serde_json::from_str(&text).unwrap();
    applied.base_path = "/other".to_owned();
    let read = read(&snapshot, Some(&applied)).unwrap().content;
    assert_eq!(read, applied);
}

#[test]
fn keys_of_ours_say_which_secret_they_are() {
    let scheme = json!({"api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"}});
    let mut snapshot = with_schemes(json!([{"api_key": []}]), scheme);
    let mut plan = a_plan();
    plan.keys.truncate(1);
    "gatehouse.3f1c1d0e-5f2f-4b83-9c6b-3f6b0c1d2e3f.alices-key.v2".clone_into(&mut plan.keys[0].name);
    snapshot.usage_plans = vec![plan];
    let read = read(&snapshot, None).unwrap().content;
    let keys = serde_json::to_value(&read.policies[0]).unwrap()["with"]["keys"].take();
    assert_eq!(
        keys,
        json!([{"consumer": "alices-key", "secretRef": "alices-key"}])
    );
}

#[test]
fn tokens_of_an_issuer_are_checked() {
    let authorizer = |fields: Value| {
        let jwt = json!({
            "type": "jwt", "identitySource": "$request.header.Authorization",
            "jwtConfiguration": {"audience": ["orders"], "issuer": "https://idp.example.com"},
        });
        json!({"idp": {"type": "oauth2", "x-amazon-apigateway-authorizer": over(jwt, fields)}})
    };
    let snapshot = |security: Value, schemes: Value| {
        let method = over(guarded(security), json!({}));
        let mut snapshot = http(json!({"/a": {"get": method}}));
        snapshot.export["components"]["securitySchemes"] = schemes;
        snapshot
    };
    check(
        &snapshot(json!([{"idp": ["read"]}]), authorizer(json!({}))),
        expect![[r#"
        /orders -> main=https://orders.internal (30000 ms)
        {"type":"auth.jwt","with":{"algorithms":["RS256","RS384","RS512"],"audiences":["orders"],"clockSkewSeconds":60,"issuer":"https://idp.example.com","jwksUri":"https://idp.example.com/.well-known/jwks.json","requiredScopes":["read"]}}
        GET /a
        note: AWS finds the keys of `https://idp.example.com` by what it publishes of itself; check `jwksUri` before deploying it elsewhere"#]],
    );
    check(
        &snapshot(json!([{"idp": ["read", "write"]}]), authorizer(json!({}))),
        expect![[r#"
        /orders -> main=https://orders.internal (30000 ms)
        {"type":"auth.jwt","with":{"algorithms":["RS256","RS384","RS512"],"audiences":["orders"],"clockSkewSeconds":60,"issuer":"https://idp.example.com","jwksUri":"https://idp.example.com/.well-known/jwks.json","requiredScopes":["read","write"]}}
        GET /a
        note: AWS asks for one of several scopes; elsewhere, tokens must have all of them
        note: AWS finds the keys of `https://idp.example.com` by what it publishes of itself; check `jwksUri` before deploying it elsewhere"#]],
    );
    check(
        &snapshot(
            json!([{"idp": []}]),
            authorizer(json!({"identitySource": "$request.querystring.token"})),
        ),
        expect![[r#"
            /orders -> main=https://orders.internal (30000 ms)
            {"type":"native","with":{"config":{"authorizer":{"name":"idp","scheme":{"type":"oauth2","x-amazon-apigateway-authorizer":{"identitySource":"$request.querystring.token","jwtConfiguration":{"audience":["orders"],"issuer":"https://idp.example.com"},"type":"jwt"}},"scopes":[]}},"gatewayType":"aws"}}
            GET /a
            note: GET /a: authorizer `idp` is kept as a `native` policy: it takes tokens elsewhere than in the header `authorization`; elsewhere than on AWS nobody checks this; give it a policy of type `auth` before moving it"#]],
    );
}

#[test]
fn tokens_of_a_user_pool_are_checked() {
    let scheme = json!({"pool": {
        "type": "apiKey", "name": "Authorization", "in": "header",
        "x-amazon-apigateway-authtype": "cognito_user_pools",
        "x-amazon-apigateway-authorizer": {
            "type": "cognito_user_pools",
            "providerARNs": ["arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_AbC"],
        },
    }});
    check(
        &with_schemes(json!([{"pool": []}]), scheme),
        expect![[r#"
        /orders -> main=https://orders.internal (29000 ms)
        {"type":"auth.jwt","with":{"algorithms":["RS256","RS384","RS512"],"audiences":["eu-west-1_AbC"],"clockSkewSeconds":60,"issuer":"https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC","jwksUri":"https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC/.well-known/jwks.json"}}
        GET /a
        note: AWS takes tokens of every app client of user pool `eu-west-1_AbC`; write the clients' ids as `audiences` before deploying it elsewhere: until then, no token is taken there"#]],
    );
}

#[test]
fn functions_and_signatures_are_aws_own() {
    let scheme = json!({"decider": {
        "type": "apiKey", "name": "Authorization", "in": "header",
        "x-amazon-apigateway-authtype": "custom",
        "x-amazon-apigateway-authorizer": {
            "type": "token", "authorizerUri": "arn:aws:apigateway:eu-west-1:lambda:path/…/invocations",
            "authorizerResultTtlInSeconds": 300,
        },
    }});
    check(
        &with_schemes(json!([{"decider": []}]), scheme),
        expect![[r#"
            /orders -> main=https://orders.internal (29000 ms)
            {"type":"native","with":{"config":{"authorizer":{"name":"decider","scheme":{"in":"header","name":"Authorization","type":"apiKey","x-amazon-apigateway-authorizer":{"authorizerResultTtlInSeconds":300,"authorizerUri":"arn:aws:apigateway:eu-west-1:lambda:path/…/invocations","type":"token"},"x-amazon-apigateway-authtype":"custom"},"scopes":[]}},"gatewayType":"aws"}}
            GET /a
            note: GET /a: authorizer `decider` is kept as a `native` policy: a function of AWS Lambda decides who may call; elsewhere than on AWS nobody checks this; give it a policy of type `auth` before moving it"#]],
    );
    let scheme = json!({"sigv4": {
        "type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4",
    }});
    check(
        &with_schemes(json!([{"sigv4": []}]), scheme),
        expect![[r#"
            /orders -> main=https://orders.internal (29000 ms)
            {"type":"native","with":{"config":{"operation":{"x-amazon-apigateway-auth":{"type":"AWS_IAM"}}},"gatewayType":"aws"}}
            GET /a
            note: GET /a: authorization by IAM is kept as a `native` policy: callers sign their requests with credentials of AWS; elsewhere than on AWS nobody checks this; give it a policy of type `auth` before moving it"#]],
    );
    check(
        &with_schemes(json!([{"lost": []}]), json!({})),
        expect![[r#"
            /orders -> main=https://orders.internal (29000 ms)
            {"type":"native","with":{"config":{"authorizer":{"name":"lost","scheme":{},"scopes":[]}},"gatewayType":"aws"}}
            GET /a
            note: GET /a: authorizer `lost` is kept as a `native` policy: the export does not say what checks it; elsewhere than on AWS nobody checks this; give it a policy of type `auth` before moving it"#]],
    );
    let signed = over(
        proxied("https://orders.internal/a"),
        json!({"x-amazon-apigateway-auth": {"type": "AWS_IAM"}}),
    );
    check(
        &http(json!({"/a": {"get": signed}})),
        expect![[r#"
            /orders -> main=https://orders.internal (30000 ms)
            {"type":"native","with":{"config":{"operation":{"x-amazon-apigateway-auth":{"type":"AWS_IAM"}}},"gatewayType":"aws"}}
            GET /a
            note: GET /a: authorization by IAM is kept as a `native` policy: callers sign their requests with credentials of AWS; elsewhere than on AWS nobody checks this; give it a policy of type `auth` before moving it"#]],
    );
}

#[test]
fn what_guards_some_methods_stays_with_them() {
    let scheme = json!({"api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"}});
    let open = proxied("https://orders.internal/b");
    let mut snapshot = rest(json!({"/a": {"get": guarded(json!([{"api_key": []}]))}, "/b": {"get": open}}));
    snapshot.export["components"]["securitySchemes"] = scheme;
    snapshot.usage_plans = vec![a_plan()];
    check(
        &snapshot,
        expect![[r#"
        /orders -> main=https://orders.internal (29000 ms)
        GET /a
          {"type":"auth.apiKey","with":{"forward":true,"in":"header","keys":[{"consumer":"alice","secretRef":"orders-alice-key"},{"consumer":"bob","secretRef":"orders-bob-key"}],"name":"x-api-key"}}
        GET /b"#]],
    );
}

fn with_policy(statements: Value) -> Snapshot {
    let document = json!({"Version": "2012-10-17", "Statement": statements});
    let mut snapshot = rest(json!({"/a": {"get": proxied("https://orders.internal/a")}}));
    snapshot.policy = Some(document.to_string());
    snapshot
}

fn statement(effect: &str, fields: Value) -> Value {
    let statement = json!({
        "Effect": effect, "Principal": "*", "Action": "execute-api:Invoke",
        "Resource": "arn:aws:execute-api:eu-west-1:123456789012:abc123/*",
    });
    over(statement, fields)
}

#[test]
fn addresses_of_a_resource_policy_are_filtered() {
    let within = json!({"Condition": {"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "192.0.2.7"]}}});
    let outside = json!({"Condition": {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}});
    let (allow, deny) = (statement("Allow", json!({})), statement("Deny", within.clone()));
    check(
        &with_policy(json!([allow, deny])),
        expect![[r#"
        /orders -> main=https://orders.internal (29000 ms)
        {"type":"ip.filter","with":{"deny":["10.0.0.0/8","192.0.2.7/32"]}}
        GET /a"#]],
    );
    check(
        &with_policy(json!([allow, statement("Deny", outside.clone())])),
        expect![[r#"
        /orders -> main=https://orders.internal (29000 ms)
        {"type":"ip.filter","with":{"allow":["10.0.0.0/8"]}}
        GET /a"#]],
    );
    check(
        &with_policy(json!(statement("Allow", within))),
        expect![[r#"
        /orders -> main=https://orders.internal (29000 ms)
        {"type":"ip.filter","with":{"allow":["10.0.0.0/8","192.0.2.7/32"]}}
        GET /a"#]],
    );
    check(
        &with_policy(json!([allow])),
        expect![[r#"
        /orders -> main=https://orders.internal (29000 ms)
        GET /a"#]],
    );
    let mut escaped = with_policy(json!([allow, statement("Deny", outside)]));
    escaped.policy = escaped.policy.map(|text| text.replace('"', "\\\""));
    check(
        &escaped,
        expect![[r#"
        /orders -> main=https://orders.internal (29000 ms)
        {"type":"ip.filter","with":{"allow":["10.0.0.0/8"]}}
        GET /a"#]],
    );
}

#[test]
fn any_other_resource_policy_is_kept() {
    let vpc = json!({"Condition": {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}});
    check(
        &with_policy(json!([statement("Allow", json!({})), statement("Deny", vpc)])),
        expect![[r#"
        /orders -> main=https://orders.internal (29000 ms)
        {"type":"native","with":{"config":{"resourcePolicy":{"Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Principal":"*","Resource":"arn:aws:execute-api:eu-west-1:123456789012:abc123/*"},{"Action":"execute-api:Invoke","Condition":{"StringNotEquals":{"aws:SourceVpce":"vpce-1"}},"Effect":"Deny","Principal":"*","Resource":"arn:aws:execute-api:eu-west-1:123456789012:abc123/*"}],"Version":"2012-10-17"}},"gatewayType":"aws"}}
        GET /a
        note: its resource policy is kept as a `native` policy: a statement has another condition than one on `aws:SourceIp`; elsewhere than on AWS, nobody is kept out by it"#]],
    );
    let account = statement(
        "Allow",
        json!({"Principal": {"AWS": "arn:aws:iam::123456789012:root"}}),
    );
    check(
        &with_policy(json!([account])),
        expect![[r#"
        /orders -> main=https://orders.internal (29000 ms)
        {"type":"native","with":{"config":{"resourcePolicy":{"Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Resource":"arn:aws:execute-api:eu-west-1:123456789012:abc123/*"}],"Version":"2012-10-17"}},"gatewayType":"aws"}}
        GET /a
        note: its resource policy is kept as a `native` policy: a statement is for some callers or some methods alone; elsewhere than on AWS, nobody is kept out by it"#]],
    );
    let within = json!({"Condition": {"IpAddress": {"aws:SourceIp": ["10.0.0.0/8"]}}, "Resource": "execute-api:/prod/GET/a"});
    check(
        &with_policy(json!([statement("Allow", json!({})), statement("Deny", within)])),
        expect![[r#"
        /orders -> main=https://orders.internal (29000 ms)
        {"type":"native","with":{"config":{"resourcePolicy":{"Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Principal":"*","Resource":"arn:aws:execute-api:eu-west-1:123456789012:abc123/*"},{"Action":"execute-api:Invoke","Condition":{"IpAddress":{"aws:SourceIp":["10.0.0.0/8"]}},"Effect":"Deny","Principal":"*","Resource":"execute-api:/prod/GET/a"}],"Version":"2012-10-17"}},"gatewayType":"aws"}}
        GET /a
        note: its resource policy is kept as a `native` policy: a statement is for some callers or some methods alone; elsewhere than on AWS, nobody is kept out by it"#]],
    );
}

#[test]
fn certificates_at_a_domain_name_are_told() {
    let mut snapshot = rest(json!({"/a": {"get": proxied("https://orders.internal/a")}}));
    snapshot.mappings = vec![Mapping {
        domain: "api.example.com".to_owned(),
        base_path: "shop/orders".to_owned(),
        truststore: Some("s3://trust/authorities.pem".to_owned()),
    }];
    snapshot.disable_execute_api_endpoint = true;
    check(
        &snapshot,
        expect![[r#"
        api.example.com/shop/orders -> main=https://orders.internal (29000 ms)
        {"type":"native","with":{"config":{"domainNames":{"api.example.com":{"truststoreUri":"s3://trust/authorities.pem"}}},"gatewayType":"aws"}}
        GET /a
        note: callers present a certificate at its domain name; whose is said by a file that is not read: elsewhere than on AWS nobody checks this; give it a policy `auth.mtls` before moving it"#]],
    );
    assert_eq!(
        read(&snapshot, None).unwrap().endpoint_urls,
        ["https://api.example.com/shop/orders"]
    );
}

#[test]
fn validators_are_read() {
    let method = over(
        proxied("https://orders.internal/a"),
        json!({
            "parameters": [
                {"name": "X-Tenant", "in": "header", "required": true, "schema": {"type": "string"}},
                {"name": "page", "in": "query", "schema": {"type": "string"}},
                {"name": "q", "in": "query", "required": true, "schema": {"type": "string"}},
            ],
            "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}, "required": true},
            "x-amazon-apigateway-request-validator": "all",
        }),
    );
    let mut snapshot = rest(json!({"/a": {"post": method}}));
    let validators = json!({"all": {"validateRequestParameters": true, "validateRequestBody": true}});
    snapshot.export = over(
        snapshot.export,
        json!({"x-amazon-apigateway-request-validators": validators}),
    );
    check(
        &snapshot,
        expect![[r##"
        /orders -> main=https://orders.internal (29000 ms)
        {"type":"request.validate","with":{"bodySchema":{"$defs":{"Line":{"properties":{"count":{"type":"integer"}},"type":"object"},"Order":{"properties":{"id":{"type":"string"},"lines":{"items":{"$ref":"#/$defs/Line"},"type":"array"}},"required":["id"],"title":"Order","type":"object"}},"$ref":"#/$defs/Order"},"requiredHeaders":["x-tenant"],"requiredQuery":["q"]}}
        POST /a"##]],
    );
    snapshot.export = export(snapshot.export["paths"].clone(), json!({}));
    check(
        &snapshot,
        expect![[r#"
            /orders -> main=https://orders.internal (29000 ms)
            {"type":"native","with":{"config":{"requestValidator":"all"},"gatewayType":"aws"}}
            POST /a
            note: POST /a: its validator is kept as a `native` policy: the export does not say what it checks"#]],
    );
}
