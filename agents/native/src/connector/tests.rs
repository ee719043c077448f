//! The behaviours that the contract lists, on a real gateway that carries real requests.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use gatehouse_connector_sdk::context::{EnvironmentContext, SecretResolver};
use gatehouse_gateway_core::GatewayOptions;
use gatehouse_schemas::{
    canonical::Fingerprint,
    desired,
    environment::Mode,
    identity::{ApiId, EnvironmentId, ExternalRef, ResourceName, ResourceVersion, RevisionNumber},
    parse,
    plan::{PlanAction, plan},
    resource::Spec,
    revision,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::*;

mod conformance;

/// A gateway, the connector to it, and an upstream behind it.
struct Stage {
    gateway: Arc<Gateway>,
    connector: NativeConnector,
    upstream: SocketAddr,
    http: reqwest::Client,
}

impl Stage {
    async fn new() -> Self {
        let options = GatewayOptions {
            worker_threads: Some(1),
            ..GatewayOptions::default()
        };
        let gateway = Arc::new(Gateway::start(options).await.unwrap());
        Self {
            connector: NativeConnector::new(gateway.clone()),
            gateway,
            upstream: upstream().await,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    /// A desired API, with more fields of its spec.
    fn desired(&self, api: u128, base_path: &str, more: Value) -> DesiredApi {
        let mut spec = json!({
            "basePath": base_path,
            "upstreams": { "main": { "url": format!("http://{}", self.upstream) } },
        });
        spec.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        desired_from(mark(api), spec)
    }

    async fn deploy(&self, desired: &DesiredApi) -> Result<Deployed> {
        let context = context(Vec::new());
        let observation = self.connector.observe(&context, &reference(desired)).await?;
        let request = DeployRequest {
            adopt: false,
            desired: desired.clone(),
            plan: plan(desired, &observation, None).unwrap(),
            external_ref: None,
        };
        self.connector.deploy(&context, &request).await
    }

    async fn get(&self, url: &str, key: Option<&str>) -> (u16, String) {
        let mut request = self.http.get(url);
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }
}

fn desired_from(mark: Mark, spec: Value) -> DesiredApi {
    let document = json!({"kind": "Api", "metadata": {"name": mark.api_name}, "spec": spec});
    let document = parse::document(&document).unwrap();
    let Spec::Api(spec) = document.spec else {
        panic!("an Api was written")
    };
    let content = revision::build(&mark.api_name, &spec, None).unwrap();
    let secrets = BTreeMap::from([(name("key"), ResourceVersion(1))]);
    desired::compose(mark, &content, &[], &name(GATEWAY_TYPE), &secrets)
}

/// Answers with the path it was asked for.
async fn upstream() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let echo = axum::Router::new().fallback(|uri: axum::http::Uri| async move { uri.path().to_owned() });
    tokio::spawn(async move { axum::serve(listener, echo).await.unwrap() });
    address
}

#[derive(Debug)]
struct OneSecret;

#[async_trait]
impl SecretResolver for OneSecret {
    async fn resolve(&self, names: &[ResourceName]) -> Result<BTreeMap<ResourceName, SecretString>> {
        assert_eq!(names, [name("key")]);
        Ok(BTreeMap::from([(name("key"), "open sesame".into())]))
    }
}

fn name(text: &str) -> ResourceName {
    text.parse().unwrap()
}

fn mark(api: u128) -> Mark {
    Mark {
        environment_id: EnvironmentId(uuid::Uuid::from_u128(7)),
        api_id: ApiId(uuid::Uuid::from_u128(api)),
        api_name: name(&format!("api-{api}")),
        revision: RevisionNumber(1),
    }
}

fn reference(desired: &DesiredApi) -> ApiReference {
    ApiReference {
        external_ref: None,
        mark: desired.mark.clone(),
    }
}

fn context(endpoints: Vec<Endpoint>) -> Context {
    Context {
        journal: Arc::new(gatehouse_connector_sdk::journal::NoJournal),
        quotas: Arc::new(gatehouse_connector_sdk::scheduler::NoQuotas),
        environment: Arc::new(EnvironmentContext {
            id: mark(1).environment_id,
            name: name("local"),
            mode: Mode::ReadWrite,
            settings: serde_json::Map::new(),
            credentials: BTreeMap::new(),
            endpoints,
        }),
        secrets: Arc::new(OneSecret),
        cancellation: CancellationToken::new(),
    }
}

fn api_key() -> Value {
    json!({"policies": [{"type": "auth.apiKey", "with": {"keys": [{"consumer": "shop", "secretRef": "key"}]}}]})
}

#[tokio::test]
async fn traffic_flows_when_the_deploy_returns_and_nothing_is_left_to_do() {
    let stage = Stage::new().await;
    let desired = stage.desired(1, "/orders", json!({}));
    let deployed = stage.deploy(&desired).await.unwrap();
    let url = format!("{}/42", deployed.endpoint_urls[0]);
    assert_eq!(stage.get(&url, None).await, (200, "/42".to_owned()));
    assert_eq!(deployed.observed, desired.fingerprint);
    let observation = stage
        .connector
        .observe(&context(Vec::new()), &reference(&desired))
        .await
        .unwrap();
    let plan = plan(&desired, &observation, None).unwrap();
    assert_eq!((plan.action, plan.changes), (PlanAction::Nothing, vec![]));
}

#[tokio::test]
async fn keys_are_enforced_from_the_first_request_and_kept_as_hashes_only() {
    let stage = Stage::new().await;
    let desired = stage.desired(1, "/orders", api_key());
    let deployed = stage.deploy(&desired).await.unwrap();
    let url = &deployed.endpoint_urls[0];
    assert_eq!(stage.get(url, None).await.0, 401);
    assert_eq!(stage.get(url, Some("wrong")).await.0, 401);
    assert_eq!(stage.get(url, Some("open sesame")).await.0, 200);
    let held = format!("{:?}", stage.gateway.apis());
    assert!(!held.contains("open sesame"));
    let hash = Fingerprint::of_bytes(b"open sesame").0;
    assert!(held.contains(hash.trim_start_matches("sha256:")));
}

#[tokio::test]
async fn a_new_revision_takes_the_place_of_the_old_one() {
    let stage = Stage::new().await;
    let first = stage.deploy(&stage.desired(1, "/v1", json!({}))).await.unwrap();
    let second = stage.deploy(&stage.desired(1, "/v2", json!({}))).await.unwrap();
    assert_eq!(first.external_ref, second.external_ref);
    assert_eq!(stage.get(&first.endpoint_urls[0], None).await.0, 404);
    assert_eq!(stage.get(&second.endpoint_urls[0], None).await.0, 200);
}

#[tokio::test]
async fn undeploying_ends_the_traffic_and_may_be_repeated() {
    let stage = Stage::new().await;
    let desired = stage.desired(1, "/orders", json!({}));
    let deployed = stage.deploy(&desired).await.unwrap();
    let kept = stage.deploy(&stage.desired(2, "/kept", json!({}))).await.unwrap();
    for _ in 0..2 {
        stage
            .connector
            .undeploy(&context(Vec::new()), &reference(&desired))
            .await
            .unwrap();
    }
    assert_eq!(stage.get(&deployed.endpoint_urls[0], None).await.0, 404);
    assert_eq!(stage.get(&kept.endpoint_urls[0], None).await.0, 200);
}

#[tokio::test]
async fn what_does_not_carry_our_mark_is_a_conflict_and_stays() {
    let stage = Stage::new().await;
    let mut foreign = translate::config(&stage.desired(9, "/orders", json!({})), Secrets::default());
    foreign.mark = None;
    foreign.external_ref = ExternalRef("file/theirs".to_owned());
    stage.gateway.put_api(foreign.clone()).await.unwrap();
    let error = stage
        .deploy(&stage.desired(1, "/orders", json!({})))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.message().contains("file/theirs"), "{}", error.message());
    assert_eq!(stage.gateway.apis(), [Arc::new(foreign)]);
}

#[tokio::test]
async fn two_environments_on_one_gateway_do_not_take_each_others_place() {
    let stage = Stage::new().await;
    stage
        .deploy(&stage.desired(1, "/orders", json!({})))
        .await
        .unwrap();
    let mut elsewhere = stage.desired(1, "/orders", json!({}));
    elsewhere.mark.environment_id = EnvironmentId(uuid::Uuid::from_u128(8));
    let error = stage.deploy(&elsewhere).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(
        error.message().contains("another environment"),
        "{}",
        error.message()
    );
}

#[tokio::test]
async fn two_apis_of_one_environment_may_trade_places() {
    let stage = Stage::new().await;
    stage.deploy(&stage.desired(1, "/a", json!({}))).await.unwrap();
    stage.deploy(&stage.desired(2, "/b", json!({}))).await.unwrap();
    stage.deploy(&stage.desired(1, "/b", json!({}))).await.unwrap();
    stage.deploy(&stage.desired(2, "/a", json!({}))).await.unwrap();
    let places: Vec<String> = stage
        .gateway
        .apis()
        .iter()
        .map(|config| config.content.base_path.clone())
        .collect();
    assert_eq!(places, ["/b", "/a"]);
}

#[tokio::test]
async fn following_the_pages_lists_ours_and_others_once() {
    let stage = Stage::new().await;
    for api in 1..=5 {
        let desired = stage.desired(api, &format!("/api/{api}"), json!({}));
        stage.deploy(&desired).await.unwrap();
    }
    let (mut found, mut position) = (Vec::new(), None);
    loop {
        let request = PageRequest {
            position,
            limit: 2,
            ..PageRequest::default()
        };
        let page = stage
            .connector
            .discover(&context(Vec::new()), request)
            .await
            .unwrap();
        found.extend(page.items.into_iter().map(|item| match item {
            DiscoveredItem::Unchanged { .. } => panic!("nothing is known"),
            DiscoveredItem::Api(api) => api.name,
            DiscoveredItem::Unreadable { reason, .. } => panic!("{reason}"),
        }));
        position = page.next;
        if position.is_none() {
            break;
        }
    }
    assert_eq!(found, ["api-1", "api-2", "api-3", "api-4", "api-5"]);
}

#[tokio::test]
async fn endpoints_that_people_named_come_before_addresses() {
    let stage = Stage::new().await;
    let desired = stage.desired(1, "/orders", json!({}));
    let endpoints = vec![Endpoint {
        url: "https://api.example.com/".to_owned(),
    }];
    stage.deploy(&desired).await.unwrap();
    let observation = stage
        .connector
        .observe(&context(endpoints), &reference(&desired))
        .await
        .unwrap();
    let Observation::Present(observed) = observation else {
        panic!("it was deployed")
    };
    assert_eq!(observed.endpoint_urls, ["https://api.example.com/orders"]);
}

#[test]
fn endpoint_urls_are_ones_that_can_be_called() {
    let check = |hostnames: Value, plain: &str, tls: Option<&str>, expected: &[&str]| {
        let spec = json!({
            "basePath": "/orders",
            "hostnames": hostnames,
            "upstreams": { "main": { "url": "http://127.0.0.1:9" } },
        });
        let content = desired_from(mark(1), spec).content;
        let listeners = Listeners {
            plain: plain.parse().unwrap(),
            tls: tls.map(|address| address.parse().unwrap()),
        };
        let urls = translate::endpoint_urls(&content, &[], listeners);
        assert_eq!(urls, expected, "{hostnames}");
    };
    check(
        json!([]),
        "127.0.0.1:8080",
        None,
        &["http://127.0.0.1:8080/orders"],
    );
    check(json!([]), "0.0.0.0:80", None, &["http://127.0.0.1/orders"]);
    check(json!([]), "[::]:8080", None, &["http://[::1]:8080/orders"]);
    check(
        json!(["shop.example.com", "*.example.com"]),
        "127.0.0.1:8080",
        Some("127.0.0.1:443"),
        &[
            "http://shop.example.com:8080/orders",
            "https://shop.example.com/orders",
        ],
    );
    check(json!(["*.example.com"]), "127.0.0.1:8080", None, &[]);
}

#[tokio::test]
async fn settings_are_strict_and_the_descriptor_says_so() {
    let stage = Stage::new().await;
    let schema = &stage.connector.descriptor().settings_schema;
    assert_eq!(schema["additionalProperties"], json!(false), "{schema}");
    let mut context = context(Vec::new());
    let environment = Arc::get_mut(&mut context.environment).unwrap();
    environment.settings.insert("port".to_owned(), json!(1));
    let error = stage.connector.check(&context).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("`port`"), "{}", error.message());
}

#[tokio::test]
async fn every_policy_is_in_the_report_and_no_secret_in_the_vendor_form() {
    let stage = Stage::new().await;
    let translation = stage.connector.translate(
        &context(Vec::new()).environment,
        &stage.desired(1, "/orders", api_key()),
    );
    assert_eq!(translation.fidelity.len(), 1);
    assert_eq!(translation.vendor_form["secretHashes"], json!({}));
}

#[tokio::test]
async fn what_is_not_enforced_is_told_per_policy_and_security_that_cannot_be_built_is_refused() {
    let stage = Stage::new().await;
    let lossy = stage.desired(
        1,
        "/orders",
        json!({"policies": [
            {"type": "native", "with": {"gatewayType": "native", "config": {"a": 1}}},
            {"type": "ip.filter", "with": {"allow": ["127.0.0.0/8"]}},
            {"type": "native", "with": {"gatewayType": "kong", "config": {"a": 1}}},
        ]}),
    );
    let report = stage
        .connector
        .translate(&context(Vec::new()).environment, &lossy)
        .fidelity;
    let losses = gatehouse_schemas::fidelity::losses(&lossy, &report);
    assert_eq!(losses.unenforceable, []);
    let [lost] = &losses.others[..] else {
        panic!("{:?}", losses.others)
    };
    assert_eq!(
        (lost.policy.as_str(), lost.pointer.as_str()),
        ("native", "/policies/0")
    );
    let deployed = stage.deploy(&lossy).await.unwrap();
    assert_eq!(stage.get(&deployed.endpoint_urls[0], None).await.0, 200);

    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
    let unsafe_here = stage.desired(
        2,
        "/secure",
        json!({"policies": [{"type": "auth.mtls", "with": {"authorities": [no_certificate]}}]}),
    );
    let error = stage.deploy(&unsafe_here).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(
        error.message().contains("authority 1 cannot be used"),
        "{}",
        error.message()
    );
}

#[tokio::test]
async fn users_sign_in_and_their_passwords_are_kept_as_hashes_only() {
    let stage = Stage::new().await;
    let users = json!({"policies": [{"type": "auth.basic", "with": {"users": [{"username": "shop", "secretRef": "key"}]}}]});
    let deployed = stage.deploy(&stage.desired(1, "/orders", users)).await.unwrap();
    let url = deployed.endpoint_urls[0].replace("http://", "http://shop:open%20sesame@");
    assert_eq!(stage.get(&deployed.endpoint_urls[0], None).await.0, 401);
    assert_eq!(stage.get(&url, None).await.0, 200);
    assert!(!format!("{:?}", stage.gateway.apis()).contains("open sesame"));
}

#[tokio::test]
async fn what_the_gateway_presents_to_others_reaches_it_as_it_is_and_shows_itself_nowhere() {
    let stage = Stage::new().await;
    let with =
        json!({"introspectionUrl": "http://127.0.0.1:1/", "clientId": "gateway", "clientSecretRef": "key"});
    let desired = stage.desired(
        1,
        "/orders",
        json!({"policies": [{"type": "auth.oauth2", "with": with}]}),
    );
    stage.deploy(&desired).await.unwrap();
    let [config] = &stage.gateway.apis()[..] else {
        panic!("one API was deployed");
    };
    let expected = gatehouse_gateway_core::Secret::from("open sesame".to_owned());
    assert_eq!(config.secrets.get(&name("key")), Some(&expected));
    assert_eq!(
        config.secret_hashes,
        BTreeMap::new(),
        "a hash of what callers never present is of no use"
    );
    assert!(!format!("{config:?} {}", json!(**config)).contains("open sesame"));
}

#[tokio::test]
async fn requests_never_fail_while_revisions_alternate() {
    let stage = Arc::new(Stage::new().await);
    let revisions = [
        stage.desired(1, "/orders", json!({"displayName": "one"})),
        stage.desired(1, "/orders", json!({"displayName": "two"})),
    ];
    let url = stage.deploy(&revisions[0]).await.unwrap().endpoint_urls[0].clone();
    let stop = CancellationToken::new();
    let load = {
        let (stage, stop) = (stage.clone(), stop.clone());
        tokio::spawn(async move {
            let mut answered = 0_u32;
            while !stop.is_cancelled() {
                assert_eq!(stage.get(&url, None).await.0, 200);
                answered += 1;
            }
            answered
        })
    };
    for round in 0..50 {
        stage.deploy(&revisions[round % 2]).await.unwrap();
        tokio::task::yield_now().await;
    }
    stop.cancel();
    let answered = tokio::time::timeout(Duration::from_secs(10), load)
        .await
        .unwrap()
        .unwrap();
    assert!(answered > 0);
}

#[test]
fn the_reference_page_is_current() {
    expect_test::expect_file!["../../../../docs/reference/connectors/native.md"]
        .assert_eq(&gatehouse_schemas::settings_form::page(&descriptor()));
}
