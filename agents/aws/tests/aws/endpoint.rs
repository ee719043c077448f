//! Anything that speaks AWS's API and is none of the project's own: LocalStack, or what the process's environment leads to.

use std::{
    collections::BTreeMap,
    env,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use aws_config::{BehaviorVersion, SdkConfig, meta::region::RegionProviderChain, retry::RetryConfig};
use gatehouse_agent_aws::{ACCESS_KEY_ID, AwsConnector, SECRET_ACCESS_KEY};
use gatehouse_connector_conformance::{
    Connection, Disturbance, Edit, FaultProxy, GatewayAnswer, Permission, TestGateway, ask,
};
use gatehouse_connector_sdk::{
    connector::Connector,
    operation::Operation,
    schemas::{identity::ExternalRef, revision::RevisionContent},
};
use gatehouse_fake_aws::emulators::RunningEmulator;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::{
    among_others::AmongOthers,
    owner::{EDITED, OF_TESTS, Owner},
    under_test::{SECRET, STAGE},
};

/// How often the owner of an account repeats a call that AWS throttles: quotas are as low as one call in half a minute.
const TRIES: u32 = 30;
/// How many times as long as usual a behaviour may take at an endpoint, which may be slow or far.
const PATIENCE_AT_ENDPOINTS: u32 = 10;
/// The same at AWS, where a behaviour may need ten deployments, of which AWS takes one in five seconds.
const PATIENCE_AT_AWS: u32 = 120;
/// After how many seconds all of AWS's machines serve what was deployed, or look so.
const SETTLING_OF_AWS: u64 = 15;

/// An account at an endpoint.
pub(crate) struct EndpointUnderTest {
    owner: Owner,
    settings: Value,
    credentials: BTreeMap<String, SecretString>,
    /// What disturbs the conversation. Behind one, AWS would not know the host name that requests are signed for.
    faults: Option<FaultProxy>,
    quotas_are_published: bool,
    patience: u32,
    /// How long what was deployed may take until it is served.
    settling: Duration,
}

impl EndpointUnderTest {
    /// An empty account of LocalStack: there, the twelve digits of an access key are an account.
    pub(crate) async fn localstack(localstack: &RunningEmulator) -> Self {
        static ACCOUNTS: AtomicU64 = AtomicU64::new(100_000_000_000);
        let account = ACCOUNTS.fetch_add(1, Ordering::Relaxed).to_string();
        let (endpoint, region) = (localstack.endpoint(), "eu-central-1");
        let faults = FaultProxy::start(endpoint).await.expect("a free port");
        let mut settings = settings(region, Some(&faults.url()));
        settings["dataPlaneUrl"] = json!(localstack.data_plane());
        let keys = [(ACCESS_KEY_ID, account.as_str()), (SECRET_ACCESS_KEY, SECRET)];
        Self {
            owner: Owner::new(endpoint, region, &account, SECRET),
            settings,
            credentials: keys
                .map(|(name, value)| (name.to_owned(), SecretString::from(value)))
                .into(),
            faults: Some(faults),
            quotas_are_published: false,
            patience: 1,
            settling: Duration::ZERO,
        }
    }

    /// Whether APIs of the kind can be made of OpenAPI documents where the process's environment leads to; why not, in the
    /// server's words. Some know REST APIs alone, and some make all APIs piece by piece.
    pub(crate) async fn takes_definitions(of_http_apis: bool) -> Result<(), String> {
        let owner = Owner::of(&config().await);
        owner.making_http_apis(of_http_apis).takes_definitions().await
    }

    /// The account that the process's environment leads to, without what a former test left in it. What others have there
    /// stays, and is not looked at.
    pub(crate) async fn of_environment(makes_http_apis: bool) -> Self {
        let config = config().await;
        let owner = Owner::of(&config).making_http_apis(makes_http_apis);
        let owner = owner.among_others().await;
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let endpoint = variable("AWS_ENDPOINT_URL");
        let region = config.region().expect("there is a default").to_string();
        let mut settings = settings(&region, endpoint.as_deref());
        settings["kind"] = json!(if makes_http_apis { "http" } else { "rest" });
        settings["tags"] = json!({OF_TESTS: "yes"});
        for (setting, name) in [
            ("stsEndpointUrl", "AWS_ENDPOINT_URL_STS"),
            ("dataPlaneUrl", "AWS_DATA_PLANE_URL"),
        ] {
            if let Some(url) = variable(name) {
                settings[setting] = json!(url);
            }
        }
        let is_aws = endpoint.is_none();
        let settling =
            variable("AWS_SETTLING_SECONDS").map(|text| text.parse().expect("a number of seconds"));
        let usual = if is_aws { SETTLING_OF_AWS } else { 0 };
        Self {
            owner,
            settings,
            credentials: BTreeMap::new(),
            faults: None,
            quotas_are_published: is_aws,
            patience: if is_aws {
                PATIENCE_AT_AWS
            } else {
                PATIENCE_AT_ENDPOINTS
            },
            settling: Duration::from_secs(settling.unwrap_or(usual)),
        }
    }
}

/// What the process's environment says of endpoint, region and credentials.
async fn config() -> SdkConfig {
    let region = RegionProviderChain::default_provider().or_else("eu-central-1");
    let patient = RetryConfig::standard().with_max_attempts(TRIES);
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(region)
        .retry_config(patient);
    config.load().await
}

fn settings(region: &str, endpoint: Option<&str>) -> Value {
    let mut settings = json!({"region": region, "stage": STAGE, "kind": "rest", "timeoutMs": 30_000});
    if let Some(endpoint) = endpoint {
        settings["endpointUrl"] = json!(endpoint);
        settings["stsEndpointUrl"] = json!(endpoint);
    }
    settings
}

#[async_trait]
impl TestGateway for EndpointUnderTest {
    fn connector(&self) -> Arc<dyn Connector> {
        let connector = AwsConnector::new();
        let connector = match self.quotas_are_published {
            true => connector,
            false => connector.with_quotas(Vec::new()),
        };
        Arc::new(AmongOthers {
            connector,
            owner: self.owner.clone(),
            settling: self.settling,
        })
    }

    fn connection(&self) -> Connection {
        Connection {
            settings: self.settings.as_object().cloned().unwrap(),
            credentials: self.credentials.clone(),
        }
    }

    fn connection_with_steps(&self) -> Option<Connection> {
        Some(self.connection())
    }

    fn connection_without(&self, _permission: Permission) -> Option<Connection> {
        None
    }

    async fn add_foreign(&self, name: &str, content: RevisionContent) -> ExternalRef {
        self.owner.make(name, &content).await
    }

    async fn edit(&self, api: &ExternalRef, edit: Edit) -> bool {
        match edit {
            Edit::Content => self.owner.change(api).await,
            Edit::Name => self.owner.rename(api, EDITED).await,
            Edit::Tags => return self.owner.tag(api, EDITED).await,
        }
        true
    }

    async fn edit_during_next_deploy(&self, api: &ExternalRef) -> bool {
        let Some(faults) = &self.faults else {
            return false;
        };
        let (owner, api) = (self.owner.clone(), api.clone());
        faults.before_next_change(move || Box::pin(async move { owner.change(&api).await }));
        true
    }

    async fn delete(&self, api: &ExternalRef) {
        self.owner.remove(api).await;
    }

    async fn holds(&self) -> BTreeMap<String, String> {
        self.owner.everything().await
    }

    async fn make_unreadable(&self, api: &ExternalRef) -> bool {
        self.owner.remove_stage(api).await;
        true
    }

    async fn disturb(&self, operation: Operation, disturbance: Disturbance) -> bool {
        let faults = self.faults.as_ref();
        faults.is_some_and(|faults| faults.disturb(operation, disturbance))
    }

    async fn has_disturbed(&self) -> bool {
        self.faults.as_ref().is_none_or(FaultProxy::has_disturbed)
    }

    async fn calm(&self, operation: Operation) {
        if let Some(faults) = &self.faults {
            faults.calm(operation);
        }
    }

    async fn hide(&self) -> bool {
        if let Some(faults) = &self.faults {
            faults.hide();
        }
        self.faults.is_some()
    }

    async fn ask(&self, endpoint_url: &str, path: &str, key: Option<&str>) -> Option<GatewayAnswer> {
        let is_served = self.quotas_are_published || self.settings.get("dataPlaneUrl").is_some();
        if !is_served {
            return None;
        }
        // The upstream of the suite's APIs is down. AWS answers 504 then, others 500 and whatever else says the same.
        let answer = ask(endpoint_url, path, key).await;
        Some(match answer.status {
            500.. => GatewayAnswer { status: 504 },
            _ => answer,
        })
    }

    fn patience(&self) -> u32 {
        self.patience
    }

    async fn calls(&self) -> Option<u64> {
        self.faults.as_ref().map(FaultProxy::calls)
    }
}
