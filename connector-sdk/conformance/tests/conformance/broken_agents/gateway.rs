//! An in-memory gateway whose agents hear their control plane through a liar.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use gatehouse_connector_conformance::{
    Connection, Disturbance, Edit, GatewayAnswer, MemoryTestGateway, Permission, TestGateway,
    agent::{AgentPlace, RunningAgent},
};
use gatehouse_connector_sdk::{connector::Connector, memory::Fault, operation::Operation};
use gatehouse_schemas::{identity::ExternalRef, revision::RevisionContent};

use super::{
    connector::{RETRY_AFTER, WEARY, WearyConnector},
    liar::{Breach, Liar},
};

/// The gateway, and the lie.
pub(super) struct LiarsGateway {
    memory: MemoryTestGateway,
    breach: Option<Breach>,
    /// The same for all agents of this gateway, so that it knows of the one before.
    liar: Mutex<Option<Liar>>,
}

impl LiarsGateway {
    pub(super) fn new(breach: Option<Breach>) -> Self {
        Self {
            memory: MemoryTestGateway::new(),
            breach,
            liar: Mutex::default(),
        }
    }
}

#[async_trait]
impl TestGateway for LiarsGateway {
    fn connector(&self) -> Arc<dyn Connector> {
        Arc::new(WearyConnector::new(self.memory.gateway().clone(), self.breach))
    }

    fn connection(&self) -> Connection {
        self.memory.connection()
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
        let later = Disturbance::TooManyRequests {
            retry_after: Some(RETRY_AFTER),
        };
        if disturbance == later {
            let gateway = self.memory.gateway();
            gateway.inject(operation, [Fault::Fail(WEARY)]);
            return true;
        }
        self.memory.disturb(operation, disturbance).await
    }

    async fn hide(&self) -> bool {
        self.memory.hide().await
    }

    async fn ask(&self, endpoint_url: &str, path: &str, key: Option<&str>) -> Option<GatewayAnswer> {
        self.memory.ask(endpoint_url, path, key).await
    }

    async fn calls(&self) -> Option<u64> {
        self.memory.calls().await
    }

    fn start_agent(&self, place: &AgentPlace) -> io::Result<RunningAgent> {
        let mut liar = self.liar.lock().unwrap_or_else(PoisonError::into_inner);
        if liar.is_none() {
            *liar = Some(Liar::start(&place.control_plane, self.breach)?);
        }
        let control_plane = liar.as_ref().map(|liar| liar.url()).unwrap_or_default();
        let place = AgentPlace {
            control_plane,
            ..place.clone()
        };
        RunningAgent::of_connector(self.connector(), &place)
    }
}
