//! What a connector's operation is told about its surroundings.

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
use gatehouse_schemas::{
    environment::{Endpoint, Mode},
    identity::{EnvironmentId, ResourceName},
};
use secrecy::SecretString;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::{error::Result, journal::Journal, scheduler::Quotas};

/// The surroundings of one operation: the environment, its secrets, and the wish to stop.
#[derive(Debug, Clone)]
pub struct Context {
    /// The environment it is about.
    pub environment: Arc<EnvironmentContext>,
    /// Resolves secrets that the desired state refers to.
    pub secrets: Arc<dyn SecretResolver>,
    /// Records steps before they are taken.
    pub journal: Arc<dyn Journal>,
    /// Says when the vendor's operations may be called.
    pub quotas: Arc<dyn Quotas>,
    /// Cancelled when the deadline has passed or the agent stops; long operations look at it between steps.
    pub cancellation: CancellationToken,
}

/// One environment as its connector sees it.
#[derive(Debug)]
pub struct EnvironmentContext {
    /// Which.
    pub id: EnvironmentId,
    /// Its name.
    pub name: ResourceName,
    /// What may be done there.
    pub mode: Mode,
    /// The connection's parameters, valid against the connector's settings schema.
    pub settings: Map<String, Value>,
    /// The gateway's credentials, resolved, by the connector's name for each.
    pub credentials: BTreeMap<String, SecretString>,
    /// Where consumers reach the gateway, if people said so.
    pub endpoints: Vec<Endpoint>,
}

/// Gives the values of secrets, just when they are needed.
#[async_trait]
pub trait SecretResolver: fmt::Debug + Send + Sync {
    /// The values of these secrets, by name; an error if one cannot be had.
    async fn resolve(&self, names: &[ResourceName]) -> Result<BTreeMap<ResourceName, SecretString>>;
}
