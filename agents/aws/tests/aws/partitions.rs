//! The connector in parts of AWS where resources and servers have other names.

use gatehouse_agent_aws::{ACCESS_KEY_ID, AwsConnector, SECRET_ACCESS_KEY};
use gatehouse_connector_conformance::{Connection, Operator, desired};
use gatehouse_connector_sdk::{
    connector::{CheckSeverity, Connector as _},
    schemas::{desired::DesiredApi, environment::Mode},
};
use gatehouse_fake_aws::{AccessKey, FakeAws, FakeAwsOptions};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::under_test::{SECRET, STAGE, printed_policy};

const KEY: &str = "AKIAELSEWHERE0000000";

/// An API whose callers have keys, and a limit for all of them.
fn orders(revision: u64) -> DesiredApi {
    let keys = json!({"keys": [{"consumer": "shop", "secretRef": "shop-key"}]});
    desired(
        revision,
        &json!({
            "displayName": "Orders", "version": format!("v{revision}"), "type": "rest", "direction": "ingress",
            "basePath": "/orders",
            "upstreams": {"main": {"url": "https://orders.example.com", "timeoutMs": 3000, "connectTimeoutMs": 1000}},
            "policies": [{"type": "auth.apiKey", "with": keys}],
            "operations": [{"match": {"method": "GET", "path": format!("/items-{revision}")}}],
        }),
    )
}

/// Somebody with the printed policy of the region's partition.
async fn operator(region: &str) -> (FakeAws, Operator<AwsConnector>) {
    let policy = printed_policy(Mode::ReadWrite, &json!({ "region": region }));
    let options = FakeAwsOptions {
        access_keys: vec![AccessKey::new(KEY).with_policy(&policy)],
        ..FakeAwsOptions::default()
    };
    let aws = FakeAws::start(options).await.unwrap();
    let settings = json!({
        "region": region, "stage": STAGE, "kind": "rest", "timeoutMs": 5000,
        "endpointUrl": aws.control_url(), "stsEndpointUrl": aws.control_url(),
    });
    let keys = [(ACCESS_KEY_ID, KEY), (SECRET_ACCESS_KEY, SECRET)];
    let connection = Connection {
        settings: settings.as_object().cloned().unwrap(),
        credentials: keys
            .map(|(name, value)| (name.to_owned(), SecretString::from(value)))
            .into(),
    };
    let connector = AwsConnector::new().with_quotas(Vec::new());
    (aws, Operator::new(connector, connection))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_policy_is_enough_in_each_partition() {
    for (region, suffix) in [
        ("cn-north-1", "amazonaws.com.cn"),
        ("us-gov-west-1", "amazonaws.com"),
        ("eusc-de-east-1", "amazonaws.eu"),
    ] {
        let (aws, operator) = operator(region).await;
        let report = operator.connector.check(&operator.context).await.unwrap();
        let is_fine = |severity: CheckSeverity| severity == CheckSeverity::Ok;
        assert!(
            report.findings.iter().all(|it| is_fine(it.severity)),
            "{region}: {report:?}"
        );
        let deployed = operator.deploy(&orders(1)).await.unwrap();
        let id = deployed.external_ref.0.trim_start_matches("restapis/").to_owned();
        let url = format!("https://{id}.execute-api.{region}.{suffix}/{STAGE}");
        assert_eq!(deployed.endpoint_urls, [url]);
        operator.deploy(&orders(2)).await.unwrap();
        let observed = operator.observed(&orders(2)).await.unwrap();
        assert_eq!(observed.fingerprint, orders(2).fingerprint);
        operator
            .undeploy(&orders(2), Some(deployed.external_ref))
            .await
            .unwrap();
        let (_, left) = aws.call(region, "GET", "/restapis", &Value::Null);
        assert_eq!(left["item"], json!([]), "{region}");
        let denied = aws.calls().into_iter().filter(|call| call.status == Some(403));
        assert_eq!(denied.count(), 0, "{region}");
    }
}

#[test]
fn regions_of_every_partition_are_settings() {
    let connector = AwsConnector::new();
    let schema = &connector.descriptor().settings_schema;
    let validator = jsonschema::draft202012::new(schema).unwrap();
    let is_taken = |region: &str| validator.is_valid(&json!({"region": region, "stage": STAGE}));
    for region in [
        "eu-central-1",
        "cn-north-1",
        "us-gov-west-1",
        "eusc-de-east-1",
        "us-isob-east-1",
    ] {
        assert!(is_taken(region), "{region}");
    }
    for region in ["europe", "eu-central", "EU-CENTRAL-1", "europe-west-1"] {
        assert!(!is_taken(region), "{region}");
    }
}
