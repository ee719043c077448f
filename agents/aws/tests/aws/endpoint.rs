//! Anything that speaks AWS's API and is none of the project's own: LocalStack, or what the process's environment leads to.

use std::{
    collections::BTreeMap,
    env,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, retry::RetryConfig};
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
    owner::{EDITED, Owner},
    under_test::{SECRET, STAGE},
};

/// How often the owner of an account repeats a call that AWS throttles: quotas are as low as one call in half a minute.
const PATIENCE: u32 = 30;

/// An account at an endpoint.
pub(crate) struct EndpointUnderTest {
    owner: Owner,
    settings: Value,
    credentials: BTreeMap<String, SecretString>,
    /// What disturbs the conversation. Behind one, AWS would not know the host name that requests are signed for.
    faults: Option<FaultProxy>,
    quotas_are_published: bool,
    /// Whether an upstream that is down, as that of the suite's APIs, is answered with 500. AWS answers 504.
    says_500_of_upstreams: bool,
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
            says_500_of_upstreams: true,
        }
    }

    /// The account that the process's environment leads to, without what a former test left in it.
    pub(crate) async fn of_environment() -> Self {
        let region = env::var("AWS_REGION").unwrap_or_else(|_| "eu-central-1".to_owned());
        let patient = RetryConfig::standard().with_max_attempts(PATIENCE);
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(region.clone()))
            .retry_config(patient);
        let owner = Owner::of(&config.load().await);
        owner.make_room().await;
        let endpoint = env::var("AWS_ENDPOINT_URL").ok();
        let mut settings = settings(&region, endpoint.as_deref());
        if let Ok(url) = env::var("AWS_DATA_PLANE_URL") {
            settings["dataPlaneUrl"] = json!(url);
        }
        Self {
            owner,
            settings,
            credentials: BTreeMap::new(),
            faults: None,
            quotas_are_published: endpoint.is_none(),
            says_500_of_upstreams: false,
        }
    }
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
        Arc::new(match self.quotas_are_published {
            true => connector,
            false => connector.with_quotas(Vec::new()),
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
        let answer = ask(endpoint_url, path, key).await;
        Some(match (answer.status, self.says_500_of_upstreams) {
            (500, true) => GatewayAnswer { status: 504 },
            _ => answer,
        })
    }

    async fn calls(&self) -> Option<u64> {
        self.faults.as_ref().map(FaultProxy::calls)
    }
}
