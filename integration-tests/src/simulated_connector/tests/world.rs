//! A vendor with one account, a connector to it, and desired APIs.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use gatehouse_connector_sdk::{
    connector::{ApiReference, Connector, DeployRequest, Deployed, DiscoveryPage, PageRequest},
    context::{Context, EnvironmentContext, SecretResolver},
    error::{Error, ErrorKind, Result},
    journal::{Journal, Step, StepIntent, StepState},
    scheduler::{NoQuotas, Quotas},
};
use gatehouse_schemas::{
    desired::{DesiredApi, Mark, compose},
    environment::Mode,
    identity::{ApiId, EnvironmentId, ExternalRef, Generation, ResourceName, RevisionNumber},
    observed::{Observation, ObservedApi},
    plan::plan,
    revision::RevisionContent,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    simulated_connector::SimulatedConnector,
    simulated_vendor::{Addresses, SimulatedVendor},
};

pub(super) const ACCOUNT: &str = "account-1";

/// A vendor, a connector, and what is told to it.
#[derive(Debug)]
pub(super) struct World {
    pub(super) connector: SimulatedConnector,
    pub(super) context: Context,
    vendor: SimulatedVendor,
    http: reqwest::Client,
}

impl World {
    pub(super) async fn start() -> Self {
        Self::start_with(0).await
    }

    pub(super) async fn start_with(quota_divisor: u32) -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let addresses = Addresses {
            api: any,
            simulation: any,
        };
        let vendor = SimulatedVendor::start(addresses, None).await.unwrap();
        let settings = json!({
            "url": format!("http://{}", vendor.addresses().api),
            "account": ACCOUNT,
            "consistencyWindowMs": 600,
        });
        let world = Self {
            connector: SimulatedConnector::new(quota_divisor),
            context: context(settings),
            vendor,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        };
        world
            .tell("keys", json!({"key": "secret", "account": ACCOUNT}))
            .await;
        world
            .tell("behaviour", json!({"quotaDivisor": quota_divisor}))
            .await;
        world
    }

    /// Has the vendor simulate something.
    pub(super) async fn tell(&self, what: &str, body: Value) -> Value {
        let url = format!("http://{}/simulation/{what}", self.vendor.addresses().simulation);
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        answer.json().await.unwrap()
    }

    /// Looks into the vendor.
    pub(super) async fn look(&self, what: &str) -> Value {
        let url = format!("http://{}/simulation/{what}", self.vendor.addresses().simulation);
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    pub(super) async fn forget_faults(&self) {
        let url = format!("http://{}/simulation/faults", self.vendor.addresses().simulation);
        self.http.delete(url).send().await.unwrap();
    }

    /// All calls that changed something since the counters were reset.
    pub(super) async fn writes(&self) -> u64 {
        let counters = self.look("counters").await;
        let writes = counters.as_object().unwrap().iter();
        writes
            .filter(|(operation, _)| !operation.starts_with("Get"))
            .map(|(_, count)| count["calls"].as_u64().unwrap())
            .sum()
    }

    pub(super) async fn edit(&self, api: &str, edit: Value) {
        self.tell("edits", json!({"account": ACCOUNT, "api": api, "edit": edit}))
            .await;
    }

    pub(super) async fn fault(&self, fault: Value) {
        self.tell("faults", fault).await;
    }

    /// The vendor's objects.
    pub(super) async fn objects(&self) -> Vec<Value> {
        let state = self.look("state").await;
        state
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["api"].clone())
            .collect()
    }

    /// Nothing that must never be so was so.
    pub(super) async fn assert_sound(&self) {
        assert_eq!(self.look("invariants").await, json!([]));
        assert_eq!(self.look("orphans").await, json!([]));
    }

    pub(super) async fn deploy(&self, desired: &DesiredApi) -> Result<Deployed> {
        self.deploy_as(desired, None, false).await
    }

    pub(super) async fn deploy_as(
        &self,
        desired: &DesiredApi,
        external_ref: Option<&str>,
        adopt: bool,
    ) -> Result<Deployed> {
        let external_ref = external_ref.map(|id| ExternalRef(id.to_owned()));
        let request = DeployRequest {
            plan: plan(desired, &Observation::Absent, None).unwrap(),
            desired: desired.clone(),
            external_ref,
            adopt,
        };
        self.connector.deploy(&self.context, &request).await
    }

    pub(super) async fn observe(&self, desired: &DesiredApi) -> Result<Observation> {
        self.connector
            .observe(&self.context, &reference(desired, None))
            .await
    }

    pub(super) async fn present(&self, desired: &DesiredApi) -> ObservedApi {
        match self.observe(desired).await.unwrap() {
            Observation::Present(api) => *api,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn undeploy(&self, desired: &DesiredApi) -> Result<()> {
        self.connector
            .undeploy(&self.context, &reference(desired, None))
            .await
    }

    pub(super) async fn page(&self, request: PageRequest) -> Result<DiscoveryPage> {
        self.connector.discover(&self.context, request).await
    }

    /// A journal that remembers, for the attempts to come.
    pub(super) fn with_journal(&mut self, journal: &Arc<Remembering>) {
        self.context.journal = journal.clone();
    }

    pub(super) fn with_quotas(&mut self, quotas: Arc<dyn Quotas>) {
        self.context.quotas = quotas;
    }

    pub(super) fn in_mode(&mut self, mode: Mode) {
        let old = &self.context.environment;
        self.context.environment = Arc::new(EnvironmentContext {
            id: old.id,
            name: old.name.clone(),
            mode,
            settings: old.settings.clone(),
            credentials: old.credentials.clone(),
            endpoints: Vec::new(),
        });
    }
}

pub(super) fn context(settings: Value) -> Context {
    Context {
        environment: Arc::new(EnvironmentContext {
            id: EnvironmentId(Uuid::from_u128(7)),
            name: "vendor".parse().unwrap(),
            mode: Mode::ReadWrite,
            settings: settings.as_object().unwrap().clone(),
            credentials: BTreeMap::from([("key".to_owned(), SecretString::from("secret"))]),
            endpoints: Vec::new(),
        }),
        secrets: Arc::new(OneSecret),
        journal: Arc::new(Remembering::default()),
        quotas: Arc::new(NoQuotas),
        cancellation: CancellationToken::new(),
    }
}

/// Knows the secret `shop-key` and no other.
#[derive(Debug)]
struct OneSecret;

#[async_trait]
impl SecretResolver for OneSecret {
    async fn resolve(&self, names: &[ResourceName]) -> Result<BTreeMap<ResourceName, SecretString>> {
        names
            .iter()
            .map(|name| match name.as_str() {
                "shop-key" => Ok((name.clone(), "the value of the key".into())),
                _ => Err(Error::new(
                    ErrorKind::Invalid,
                    format!("there is no secret `{name}`"),
                )),
            })
            .collect()
    }
}

/// Remembers the steps of earlier attempts; on request, a step is refused, as after the end of a lease.
#[derive(Debug, Default)]
pub(super) struct Remembering {
    pub(super) steps: Mutex<Vec<Step>>,
    pub(super) refuse: Mutex<Option<u32>>,
}

#[async_trait]
impl Journal for Remembering {
    fn recorded(&self) -> Vec<Step> {
        self.steps.lock().unwrap().clone()
    }

    async fn intend(&self, step: StepIntent) -> Result<()> {
        if *self.refuse.lock().unwrap() == Some(step.number) {
            return Err(Error::new(ErrorKind::Conflict, "the lease has ended"));
        }
        self.steps.lock().unwrap().push(Step {
            generation: Generation(1),
            number: step.number,
            of: step.of,
            description: step.description,
            object: step.object,
            state: StepState::Intended,
        });
        Ok(())
    }

    async fn done(&self, number: u32) -> Result<()> {
        let mut steps = self.steps.lock().unwrap();
        for step in steps.iter_mut().filter(|step| step.number == number) {
            step.state = StepState::Done;
        }
        Ok(())
    }
}

pub(super) fn reference(desired: &DesiredApi, external_ref: Option<&str>) -> ApiReference {
    ApiReference {
        external_ref: external_ref.map(|id| ExternalRef(id.to_owned())),
        mark: desired.mark.clone(),
    }
}

/// A desired API with two operations and these policies; more revisions are more desired APIs.
pub(super) fn desired(api: u128, revision: u64, policies: Value) -> DesiredApi {
    desired_with(api, revision, json!({"policies": policies}))
}

/// A desired API with these fields of its content.
pub(super) fn desired_with(api: u128, revision: u64, fields: Value) -> DesiredApi {
    let mut content = json!({
        "displayName": "Orders",
        "version": "v1",
        "type": "rest",
        "direction": "ingress",
        "basePath": "/orders",
        "upstreams": {"main": {"url": "http://127.0.0.1:9", "timeoutMs": 1000, "connectTimeoutMs": 500}},
        "operations": [
            {"match": {"method": "GET", "path": "/{id}"}, "id": "getOrder", "summary": "One order"},
            {"match": {"method": "*", "path": "/files/{rest...}"}},
        ],
    });
    for (name, value) in fields.as_object().unwrap() {
        content[name] = value.clone();
    }
    let content: RevisionContent = serde_json::from_value(content).unwrap();
    let mark = Mark {
        environment_id: EnvironmentId(Uuid::from_u128(7)),
        api_id: ApiId(Uuid::from_u128(api)),
        api_name: format!("orders-{api}").parse().unwrap(),
        revision: RevisionNumber(revision),
    };
    compose(
        mark,
        &content,
        &[],
        &"simulated".parse().unwrap(),
        &BTreeMap::new(),
    )
}

pub(super) fn key_required() -> Value {
    json!({"type": "auth.apiKey", "with": {"keys": [{"consumer": "shop", "secretRef": "shop-key"}]}})
}

pub(super) fn size_limit(bytes: u64) -> Value {
    json!({"type": "request.size", "with": {"maxBytes": bytes}})
}
