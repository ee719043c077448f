//! Client certificates: a domain name with a truststore checks them, and nothing goes round it.

use gatehouse_agent_aws::AwsConnector;
use gatehouse_connector_conformance::{Operator, TestGateway as _, desired};
use gatehouse_connector_sdk::{
    connector::Deployed,
    error::{Error, ErrorKind},
    schemas::{desired::DesiredApi, observed::ObservedApi},
};
use serde_json::{Value, json};

use crate::under_test::{AwsUnderTest, Place, REGION, STAGE};

const DOMAIN: &str = "api.example.com";
const TRUSTSTORE: &str = "s3://trust/partners.pem";

/// An account with a domain name, to which nothing leads yet.
struct Account {
    aws: AwsUnderTest,
    operator: Operator<AwsConnector>,
}

impl Account {
    async fn new(place: Place, truststore: Option<&str>, more: Value) -> Self {
        let aws = AwsUnderTest::start(place).await;
        let mut connection = aws.connection();
        connection.settings.insert("domainName".to_owned(), json!(DOMAIN));
        connection.settings.extend(more.as_object().cloned().unwrap());
        let operator = Operator::new(AwsConnector::new().with_quotas(Vec::new()), connection);
        let account = Self { aws, operator };
        let mut domain = json!({
            "domainName": DOMAIN,
            "domainNameConfigurations": [{"certificateArn": "arn:aws:acm:eu-central-1:111111111111:certificate/1"}],
        });
        if let Some(truststore) = truststore {
            domain["mutualTlsAuthentication"] = json!({"truststoreUri": truststore});
        }
        account.call("POST", "/v2/domainnames", &domain);
        account
    }

    fn call(&self, method: &str, path: &str, body: &Value) {
        let (status, answer) = self.aws.fake().call(REGION, method, path, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
    }

    fn trust(&self, truststore: &str) {
        let trusted = json!({"mutualTlsAuthentication": {"truststoreUri": truststore}});
        self.call("PATCH", &format!("/v2/domainnames/{DOMAIN}"), &trusted);
    }

    async fn deploy(&self, desired: &DesiredApi) -> Result<Deployed, Error> {
        self.operator.deploy(desired).await
    }

    /// Whether the address that AWS gives the API lets anybody in.
    async fn is_open(&self, deployed: &Deployed) -> bool {
        let (kind, id) = deployed.external_ref.0.split_once('/').unwrap();
        let url = format!("{}/{id}/{STAGE}/items", self.aws.fake().data_url());
        let status = reqwest::get(url).await.unwrap().status().as_u16();
        status != if kind == "restapis" { 403 } else { 404 }
    }

    /// The types of the policies that are seen.
    async fn seen(&self, desired: &DesiredApi) -> (Vec<&'static str>, ObservedApi) {
        let observed = self.operator.observed(desired).await.unwrap();
        let types = observed.content.policies.iter().map(|policy| policy.type_name());
        (types.collect(), observed)
    }
}

fn api(revision: u64, policies: &Value) -> DesiredApi {
    desired(
        revision,
        &json!({
            "displayName": "Orders", "version": "v1", "type": "rest", "direction": "ingress", "basePath": "/orders",
            "upstreams": {"main": {"url": "http://127.0.0.1:10009", "timeoutMs": 3000, "connectTimeoutMs": 1000}},
            "policies": policies, "operations": [{"match": {"method": "GET", "path": "/items"}}],
        }),
    )
}

fn guarded(revision: u64) -> DesiredApi {
    let authorities = json!(["-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"]);
    api(
        revision,
        &json!([{"type": "auth.mtls", "with": {"authorities": authorities}}]),
    )
}

const KINDS: [Place; 2] = [Place::FakeRest, Place::FakeHttp];

#[tokio::test(flavor = "multi_thread")]
async fn only_the_domain_name_leads_to_the_api() {
    for place in KINDS {
        let account = Account::new(place, Some(TRUSTSTORE), json!({})).await;
        let guarded = guarded(1);
        let deployed = account.deploy(&guarded).await.unwrap();
        assert_eq!(deployed.endpoint_urls, ["https://api.example.com/orders"]);
        assert_eq!(deployed.observed, guarded.fingerprint);
        assert!(!account.is_open(&deployed).await, "{place:?}");
        let (_, observed) = account.seen(&guarded).await;
        assert_eq!(observed.fingerprint, guarded.fingerprint);
        assert_eq!(observed.content, guarded.content);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_name_that_checks_nothing_is_refused_before_anything_is_changed() {
    for place in KINDS {
        let account = Account::new(place, None, json!({})).await;
        let refused = account.deploy(&guarded(1)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        let message = refused.message();
        assert!(
            message.contains("the domain name `api.example.com` checks none"),
            "{message}"
        );
        assert!(account.aws.owner.everything().await.is_empty());
        account.trust(TRUSTSTORE);
        account.deploy(&guarded(1)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_truststore_than_the_environment_says_is_refused() {
    let table = [
        (
            json!({"truststoreUri": "s3://trust/others.pem"}),
            "`s3://trust/others.pem`",
        ),
        (
            json!({"truststoreUri": TRUSTSTORE, "truststoreVersion": "v7"}),
            "version `v7` of `s3://trust/partners.pem`",
        ),
    ];
    for (wanted, said) in table {
        let account = Account::new(Place::FakeRest, Some(TRUSTSTORE), json!({"mutualTls": wanted})).await;
        let refused = account.deploy(&guarded(1)).await.unwrap_err();
        let message = refused.message();
        assert!(message.contains(said), "{message}");
        assert!(account.aws.owner.everything().await.is_empty());
    }
}

/// What is rolled back to is served by a snapshot that was kept, which says nothing of the address.
#[tokio::test(flavor = "multi_thread")]
async fn an_api_is_as_closed_as_its_revision_also_when_it_is_rolled_back() {
    for place in KINDS {
        let account = Account::new(place, Some(TRUSTSTORE), json!({})).await;
        let deployed = account.deploy(&guarded(1)).await.unwrap();
        let open = api(2, &json!([]));
        account.deploy(&open).await.unwrap();
        assert!(account.is_open(&deployed).await, "{place:?}");
        for revision in [guarded(1), guarded(3)] {
            let deployed = account.deploy(&revision).await.unwrap();
            assert_eq!(deployed.observed, revision.fingerprint);
            assert!(!account.is_open(&deployed).await, "{place:?}");
        }
        account.deploy(&open).await.unwrap();
        assert!(account.is_open(&deployed).await, "{place:?}");
        let (_, observed) = account.seen(&open).await;
        assert_eq!(observed.fingerprint, open.fingerprint);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truststore_that_somebody_changes_is_seen_and_not_accepted() {
    for place in KINDS {
        let account = Account::new(place, Some(TRUSTSTORE), json!({})).await;
        let guarded = guarded(1);
        account.deploy(&guarded).await.unwrap();
        account.trust("s3://trust/others.pem");
        let (types, observed) = account.seen(&guarded).await;
        assert_eq!(types, ["native"], "{place:?}: {:?}", observed.content.policies);
        assert_ne!(observed.fingerprint, guarded.fingerprint);
        let message = account.deploy(&guarded).await.unwrap_err().message().to_owned();
        assert!(message.contains("when it was deployed last"), "{message}");
        account.trust("");
        let (types, _) = account.seen(&guarded).await;
        assert!(types.is_empty(), "{types:?}");
        account.trust(TRUSTSTORE);
        let (_, observed) = account.seen(&guarded).await;
        assert_eq!(observed.fingerprint, guarded.fingerprint);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_somebody_switches_on_is_seen_and_switched_off() {
    for place in KINDS {
        let account = Account::new(place, Some(TRUSTSTORE), json!({})).await;
        let guarded = guarded(1);
        let deployed = account.deploy(&guarded).await.unwrap();
        let (kind, id) = deployed.external_ref.0.split_once('/').unwrap();
        match kind {
            "restapis" => {
                let patch =
                    json!([{"op": "replace", "path": "/disableExecuteApiEndpoint", "value": "false"}]);
                account.call(
                    "PATCH",
                    &format!("/restapis/{id}"),
                    &json!({"patchOperations": patch}),
                );
            }
            _ => account.call(
                "PATCH",
                &format!("/v2/apis/{id}"),
                &json!({"disableExecuteApiEndpoint": false}),
            ),
        }
        let (types, observed) = account.seen(&guarded).await;
        assert_eq!(types, ["native"], "{place:?}: {:?}", observed.content.policies);
        assert_ne!(observed.fingerprint, guarded.fingerprint);
        let deployed = account.deploy(&guarded).await.unwrap();
        assert!(!account.is_open(&deployed).await, "{place:?}");
        let (_, observed) = account.seen(&guarded).await;
        assert_eq!(observed.fingerprint, guarded.fingerprint);
    }
}
