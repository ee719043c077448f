//! The conformance suite on a gateway that carries real requests.

use gatehouse_connector_conformance::{
    Connection, Disturbance, Edit, GatewayAnswer, Level, Outcome, Permission, TestGateway, run,
};
use gatehouse_connector_sdk::operation::Operation;
use gatehouse_schemas::revision::RevisionContent;

use super::*;

/// A gateway of its own for each behaviour.
struct NativeTestGateway {
    gateway: Arc<Gateway>,
    http: reqwest::Client,
}

impl NativeTestGateway {
    async fn start() -> Self {
        let options = GatewayOptions {
            worker_threads: Some(1),
            ..GatewayOptions::default()
        };
        Self {
            gateway: Arc::new(Gateway::start(options).await.unwrap()),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    async fn put(&self, name: &str, content: RevisionContent) -> ExternalRef {
        let external_ref = ExternalRef(format!("file/{name}"));
        let config = ApiConfig {
            external_ref: external_ref.clone(),
            mark: None,
            fingerprint: Fingerprint::of_value(&json!(content)),
            content,
            secret_hashes: BTreeMap::new(),
            secrets: BTreeMap::new(),
        };
        self.gateway.put_api(config).await.unwrap();
        external_ref
    }
}

#[async_trait]
impl TestGateway for NativeTestGateway {
    fn connector(&self) -> Arc<dyn Connector> {
        Arc::new(NativeConnector::new(self.gateway.clone()))
    }

    fn connection(&self) -> Connection {
        Connection::default()
    }

    /// It has no credential: it is in the same process.
    fn connection_without(&self, _permission: Permission) -> Option<Connection> {
        None
    }

    async fn add_foreign(&self, name: &str, content: RevisionContent) -> ExternalRef {
        self.put(name, content).await
    }

    async fn edit(&self, _api: &ExternalRef, _edit: Edit) -> bool {
        false
    }

    async fn delete(&self, api: &ExternalRef) {
        self.gateway.remove_api(api).await.unwrap();
    }

    async fn holds(&self) -> BTreeMap<String, String> {
        let apis = self.gateway.apis().into_iter();
        apis.map(|api| (api.external_ref.to_string(), format!("{api:?}")))
            .collect()
    }

    async fn make_unreadable(&self, _api: &ExternalRef) -> bool {
        false
    }

    async fn disturb(&self, _operation: Operation, _disturbance: Disturbance) -> bool {
        false
    }

    async fn hide(&self) -> bool {
        false
    }

    async fn ask(&self, endpoint_url: &str, path: &str, key: Option<&str>) -> Option<GatewayAnswer> {
        let mut request = self.http.get(format!("{endpoint_url}{path}"));
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        Some(GatewayAnswer {
            status: request.send().await.unwrap().status().as_u16(),
        })
    }

    async fn calls(&self) -> Option<u64> {
        None
    }
}

#[tokio::test]
async fn the_native_connector_passes_core_and_extended() {
    let report = run(Level::Extended, async || NativeTestGateway::start().await).await;
    let failures: Vec<_> = report.failures().collect();
    assert!(report.passed(), "{failures:#?}");
    let passed = report
        .behaviours
        .iter()
        .filter(|it| it.outcome == Outcome::Passed);
    assert!(passed.count() >= 20, "{:#?}", report.behaviours);
    assert_eq!(report.unproven(), []);
    let report = report.reproduced_by("cargo test -p gatehouse-gateway conformance");
    expect_test::expect_file!["../../../../../docs/conformance/native.yaml"]
        .assert_eq(&report.to_yaml().unwrap());
}

#[tokio::test]
async fn names_are_left_to_the_runtime_and_tags_let_nothing_through() {
    let gateway = NativeTestGateway::start().await;
    let content = desired_from(
        mark(1),
        json!({"basePath": "/foreign", "upstreams": {"main": {"url": "http://127.0.0.1:9"}}}),
    )
    .content;
    gateway.put("foreign", content).await;
    let filter = |tags: &[&str]| gatehouse_schemas::environment::DiscoveryFilter {
        tags: tags.iter().map(ToString::to_string).collect(),
        names: vec!["for*".to_owned()],
        ..Default::default()
    };
    for (tags, expected) in [(&[] as &[&str], 1), (&["public"], 0)] {
        let page = PageRequest {
            limit: 10,
            filter: filter(tags),
            ..PageRequest::default()
        };
        let listed = gateway
            .connector()
            .discover(&context(Vec::new()), page)
            .await
            .unwrap();
        assert_eq!(listed.items.len(), expected, "{tags:?}");
    }
}
