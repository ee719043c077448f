//! An in-memory gateway that answers requests, with a connector that breaks one promise.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use async_trait::async_trait;
use gatehouse_connector_conformance::{
    Connection, Disturbance, Edit, GatewayAnswer, MemoryTestGateway, Permission, TestGateway,
};
use gatehouse_connector_sdk::{connector::Connector, operation::Operation};
use gatehouse_schemas::{identity::ExternalRef, policy::Policy, revision::RevisionContent};

use super::connector::{Breach, BrokenConnector, Surroundings};

/// The gateway, and which promise its connector breaks.
pub(super) struct BrokenGateway {
    memory: MemoryTestGateway,
    breach: Option<Breach>,
    surroundings: Arc<Surroundings>,
}

impl BrokenGateway {
    pub(super) fn new(breach: Option<Breach>) -> Self {
        Self {
            memory: MemoryTestGateway::new(),
            breach,
            surroundings: Arc::default(),
        }
    }
}

#[async_trait]
impl TestGateway for BrokenGateway {
    fn connector(&self) -> Arc<dyn Connector> {
        Arc::new(BrokenConnector::new(
            self.memory.connector(),
            self.memory.gateway().clone(),
            self.breach,
            self.surroundings.clone(),
        ))
    }

    fn connection(&self) -> Connection {
        self.memory.connection()
    }

    fn connection_with_steps(&self) -> Option<Connection> {
        self.memory.connection_with_steps()
    }

    fn connection_without(&self, permission: Permission) -> Option<Connection> {
        self.memory.connection_without(permission)
    }

    async fn add_foreign(&self, name: &str, content: RevisionContent) -> ExternalRef {
        self.memory.add_foreign(name, content).await
    }

    async fn edit(&self, api: &ExternalRef, edit: Edit) -> bool {
        self.memory.edit(api, edit).await
    }

    async fn edit_during_next_deploy(&self, api: &ExternalRef) -> bool {
        self.surroundings.is_edited.store(true, Ordering::Relaxed);
        self.memory.edit_during_next_deploy(api).await
    }

    async fn delete(&self, api: &ExternalRef) {
        self.memory.delete(api).await;
    }

    async fn holds(&self) -> BTreeMap<String, String> {
        self.memory.holds().await
    }

    async fn make_unreadable(&self, api: &ExternalRef) -> bool {
        self.memory.make_unreadable(api).await
    }

    async fn disturb(&self, operation: Operation, disturbance: Disturbance) -> bool {
        self.memory.disturb(operation, disturbance).await
    }

    async fn hide(&self) -> bool {
        self.memory.hide().await
    }

    async fn ask(&self, endpoint_url: &str, _path: &str, key: Option<&str>) -> Option<GatewayAnswer> {
        let mut apis = self.memory.gateway().apis().into_values();
        let api = apis.find(|api| endpoint_url.ends_with(&api.content.base_path));
        let wants_key = |policy: &Policy| matches!(policy, Policy::AuthApiKey(_));
        let status = match api {
            None => 404,
            Some(api) if api.content.policies.iter().any(wants_key) && key.is_none() => 401,
            Some(_) => 502,
        };
        Some(GatewayAnswer { status })
    }

    async fn calls(&self) -> Option<u64> {
        self.memory.calls().await
    }
}
