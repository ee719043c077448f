//! What goes wrong, and what people read then: what happened, to which object, and what to do.

use std::collections::BTreeMap;

use gatehouse_agent_kong::ADMIN_TOKEN;
use gatehouse_connector_conformance::TestGateway as _;
use gatehouse_connector_sdk::{
    connector::{CheckSeverity, Connector as _},
    error::{Error, ErrorKind},
};
use gatehouse_fake_kong::{FakeKongOptions, Plugins};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::{
    apis::{SECRET, content, desired, operator_of, operator_with},
    under_test::{Kind, KongUnderTest, options},
};

const URL: &str = "http://upstream.internal:9000";

async fn refused(kong: &KongUnderTest, policies: &Value) -> Error {
    let desired = desired(1, &content(URL, policies));
    operator_of(kong)
        .deploy(&desired)
        .await
        .expect_err("it is refused")
}

/// The Admin API's URL differs with each test.
fn text(error: &Error, kong: &KongUnderTest) -> String {
    let url = kong.connection().settings["adminUrl"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    error
        .message()
        .replace(&url, "(URL)")
        .replace(&kong.proxy_url, "(PROXY)")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_unauthorized() {
    let kong = KongUnderTest::start(&Kind::Database).await;
    let connection = kong.connection();
    let credentials = BTreeMap::from([(ADMIN_TOKEN.to_owned(), SecretString::from("wrong"))]);
    let operator = operator_with(&Value::Object(connection.settings), credentials);
    let report = operator.connector.check(&operator.context).await.unwrap();
    let worst = report
        .findings
        .iter()
        .max_by_key(|finding| finding.severity)
        .unwrap();
    assert_eq!(worst.severity, CheckSeverity::Error);
    assert_eq!(
        worst.message,
        "the Kong of environment `under-test` refused to read the node's information with 401: Unauthorized; correct the credential `adminToken` of the environment, or its setting `tokenHeader`"
    );
    let desired = desired(1, &content(URL, &json!([])));
    assert_eq!(
        operator.deploy(&desired).await.unwrap_err().kind(),
        ErrorKind::Unauthorized
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_may_only_read_is_forbidden_to_write() {
    let kong = KongUnderTest::start(&Kind::Database).await;
    let reading = kong
        .connection_without(gatehouse_connector_conformance::Permission::Write)
        .unwrap();
    let operator = operator_with(&Value::Object(reading.settings), reading.credentials);
    let desired = desired(1, &content(URL, &json!([])));
    let error = operator.deploy(&desired).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert!(
        error.message().contains("refused to create service `orders."),
        "{error}"
    );
    assert!(
        error.message().contains("give the token a role that may do this"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kong_that_is_down_is_unavailable() {
    let kong = KongUnderTest::start(&Kind::Database).await;
    kong.hide().await;
    let error = refused(&kong, &json!([])).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(
        text(&error, &kong),
        "the Kong of environment `under-test` did not answer the call to read the node's information; see that its Admin API is at (URL)/ and the agent can reach it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_of_somebody_else_with_the_name_is_a_conflict() {
    for kind in [Kind::Database, Kind::WithoutDatabase] {
        let kong = KongUnderTest::start(&kind).await;
        let service = json!({"id": "7f4d0d7e-6f0c-4f4e-9b55-0d5f3f0d7c11", "name": "orders", "host": "theirs.internal"});
        kong.admin.make_all(vec![vec![("services", service)]]).await;
        let before = kong.holds().await;
        let error = refused(&kong, &json!([])).await;
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert_eq!(
            error.message(),
            "Kong has a service `orders` (7f4d0d7e-6f0c-4f4e-9b55-0d5f3f0d7c11) that does not carry our mark and stays as it is; rename or remove it there, import and adopt it, or give the API another name"
        );
        assert_eq!(kong.holds().await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_is_not_enabled_is_named() {
    let plugins = Plugins::Only(vec![
        "request-termination".to_owned(),
        "request-transformer".to_owned(),
    ]);
    let kong = KongUnderTest::fake(FakeKongOptions {
        plugins,
        ..options(&Kind::Database)
    })
    .await;
    let before = kong.holds().await;
    let error = refused(
        &kong,
        &json!([{"type": "cors", "with": {"allowOrigins": ["*"], "allowMethods": ["GET"]}}]),
    )
    .await;
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(
        error.message(),
        "`orders` needs the plugin `cors`, which this Kong (open source) does not have; add it to `plugins` in kong.conf and restart Kong, or take the policy away"
    );
    assert_eq!(kong.holds().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_for_enterprise_is_refused_by_open_source() {
    let kong = KongUnderTest::start(&Kind::Database).await;
    let policy = json!([{"type": "auth.oauth2", "with": {
        "introspectionUrl": "https://login.example.com/introspect", "clientId": "kong", "clientSecretRef": "kong-client"}}]);
    let error = refused(&kong, &policy).await;
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(
        error.message(),
        "`orders` needs the plugin `openid-connect`, which this Kong (open source) does not have; it comes with Kong Enterprise and Konnect only; take the policy away, or deploy it to one of those"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_somebody_else_has_is_a_conflict_and_is_not_told() {
    let kong = KongUnderTest::start(&Kind::Database).await;
    let consumer = json!({"id": "11111111-2222-4333-8444-555555555555", "username": "theirs"});
    let key = json!({"key": format!("{SECRET}-shop-key"), "consumer": {"id": "11111111-2222-4333-8444-555555555555"}});
    kong.admin
        .make_all(vec![vec![
            ("consumers", consumer),
            ("consumers/theirs/key-auth", key),
        ]])
        .await;
    let before = kong.holds().await;
    let error = refused(
        &kong,
        &json!([{"type": "auth.apiKey", "with": {"keys": [{"consumer": "shop", "secretRef": "shop-key"}]}}]),
    )
    .await;
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let told = gatehouse_connector_sdk::error::chain(&error);
    assert!(!told.contains(SECRET), "{told}");
    assert!(told.contains("{secret shop-key}"), "{told}");
    assert_eq!(kong.holds().await, before, "what was begun is taken back");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kong_refuses_half_way_is_taken_back() {
    let kong = KongUnderTest::start(&Kind::Database).await;
    let before = kong.holds().await;
    let fragment = json!([{"type": "native", "with": {"gatewayType": "kong", "config": {"plugins": [
        {"name": "correlation-id", "config": {"generator": "dice"}}]}}}]);
    let error = refused(&kong, &fragment).await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error
            .message()
            .contains("refused to write plugin `correlation-id`"),
        "{error}"
    );
    assert_eq!(kong.holds().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_does_not_follow_is_told_and_the_old_revision_stays() {
    for kind in [Kind::Database, Kind::WithoutDatabase] {
        let kong = KongUnderTest::start(&kind).await;
        let operator = operator_of(&kong);
        let first = desired(1, &content(URL, &json!([])));
        operator.deploy(&first).await.unwrap();
        let before = kong.holds().await;
        let mut settings = Value::Object(kong.connection().settings);
        settings["proxyUrl"] = json!("http://127.0.0.1:9");
        settings["propagationTimeoutMs"] = json!(1000);
        let elsewhere = operator_with(&settings, kong.connection().credentials);
        let second = desired(
            2,
            &content(URL, &json!([{"type": "request.size", "with": {"maxBytes": 10}}])),
        );
        // Another attempt does not know more, and removes as little.
        for _ in 0..2 {
            let error = elsewhere.deploy(&second).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            let expected = "the Admin API took everything, but after 1 s the proxy at http://127.0.0.1:9 did not serve it; the earlier revision is still there";
            assert!(error.message().contains(expected), "{error}");
            let there = kong.holds().await;
            let is_there = before.keys().all(|entity| there.contains_key(entity));
            assert!(is_there, "{kind:?}: the earlier revision is still there");
        }
        operator.deploy(&second).await.unwrap();
        assert_eq!(
            operator.observed(&second).await.unwrap().fingerprint,
            second.fingerprint
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_lead_nowhere_are_told_by_name() {
    let cases = [
        (
            json!({"deployment": "self-managed"}),
            "a Kong that is `self-managed` needs `adminUrl`; add it to `spec.settings` of environment `under-test`",
        ),
        (
            json!({"deployment": "konnect", "region": "eu"}),
            "a Kong that is `konnect` needs `controlPlane`; add it to `spec.settings` of environment `under-test`",
        ),
        (
            json!({"deployment": "konnect", "controlPlane": "production"}),
            "a Kong that is `konnect` needs `region`; add it to `spec.settings` of environment `under-test`",
        ),
        (
            json!({"deployment": "cloud"}),
            "`cloud` is no deployment of Kong; write `self-managed` or `konnect` as `spec.settings.deployment` of environment `under-test`",
        ),
        (
            json!({"deployment": "self-managed", "adminUrl": "kong:8001"}),
            "`kong:8001` is not an http or https URL; correct `spec.settings.adminUrl` of environment `under-test`",
        ),
        (
            json!({"deployment": "konnect", "region": "eu", "controlPlane": "x"}),
            "Konnect wants a token; add the credential `adminToken` to `spec.credentials` of environment `under-test`",
        ),
    ];
    for (settings, expected) in cases {
        let operator = operator_with(&settings, BTreeMap::new());
        let error = operator.connector.check(&operator.context).await.unwrap_err();
        assert_eq!(error.message(), expected);
    }
}
