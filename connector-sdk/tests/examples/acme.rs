// What the examples in the documentation begin with, and include in hidden lines: an environment of a gateway of type
// `acme`, an API to deploy there, and a runtime to try it in. Connectors have such a file for their own tests.

use std::{collections::BTreeMap, error::Error, sync::Arc};

use gatehouse_connector_sdk::{
    connector::{ApiReference, DeployRequest},
    context::{Context, EnvironmentContext, SecretResolver},
    error::Result,
    journal::NoJournal,
    scheduler::NoQuotas,
    schemas::{
        api::{ApiType, Direction, Upstream},
        desired::{DesiredApi, Mark, compose},
        environment::Mode,
        identity::{ApiId, EnvironmentId, ResourceName, RevisionNumber},
        observed::Observation,
        plan::plan,
        revision::RevisionContent,
    },
};
use secrecy::SecretString;
use serde_json::Map;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Runs an example; one that fails panics with its error.
pub fn run(example: impl Future<Output = std::result::Result<(), Box<dyn Error>>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(example).unwrap();
}

/// The environment `acme-test`.
pub fn environment(mode: Mode) -> EnvironmentContext {
    EnvironmentContext {
        id: EnvironmentId(Uuid::from_u128(1)),
        name: "acme-test".parse().unwrap(),
        mode,
        settings: Map::new(),
        credentials: BTreeMap::new(),
        endpoints: Vec::new(),
    }
}

/// The surroundings of an operation there: nothing to record, no quotas, no secrets.
pub fn context(mode: Mode) -> Context {
    Context {
        environment: Arc::new(environment(mode)),
        secrets: Arc::new(NoSecrets),
        journal: Arc::new(NoJournal),
        quotas: Arc::new(NoQuotas),
        cancellation: CancellationToken::new(),
    }
}

#[derive(Debug)]
struct NoSecrets;

#[async_trait::async_trait]
impl SecretResolver for NoSecrets {
    async fn resolve(&self, _names: &[ResourceName]) -> Result<BTreeMap<ResourceName, SecretString>> {
        Ok(BTreeMap::new())
    }
}

/// The mark of the API `orders` in that environment.
pub fn mark() -> Mark {
    Mark {
        environment_id: EnvironmentId(Uuid::from_u128(1)),
        api_id: ApiId(Uuid::from_u128(2)),
        api_name: "orders".parse().unwrap(),
        revision: RevisionNumber(1),
    }
}

/// What the API `orders` is.
pub fn content() -> RevisionContent {
    let upstream = Upstream {
        timeout_ms: 15_000,
        ..Upstream::at("http://orders.internal:8080".to_owned())
    };
    RevisionContent {
        display_name: "Orders".to_owned(),
        version: "v1".to_owned(),
        r#type: ApiType::Rest,
        direction: Direction::Ingress,
        definition: None,
        hostnames: Vec::new(),
        base_path: "/orders".to_owned(),
        upstreams: BTreeMap::from([("main".to_owned(), upstream)]),
        policies: Vec::new(),
        operations: Vec::new(),
    }
}

/// The API `orders` as it should be in that environment.
pub fn orders() -> DesiredApi {
    let gateway_type = "acme".parse().unwrap();
    compose(mark(), &content(), &[], &gateway_type, &BTreeMap::new())
}

/// The first deploy of it.
pub fn first_deploy() -> DeployRequest {
    let desired = orders();
    DeployRequest {
        plan: plan(&desired, &Observation::Absent, None).unwrap(),
        desired,
        external_ref: None,
        adopt: false,
    }
}

/// The API, as long as its identity on the gateway is not known.
pub fn orders_by_mark() -> ApiReference {
    ApiReference {
        external_ref: None,
        mark: mark(),
    }
}
