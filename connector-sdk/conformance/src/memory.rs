//! The in-memory gateway under test.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use gatehouse_connector_sdk::{
    connector::Connector,
    error::ErrorKind,
    memory::{Fault, MemoryConnector, MemoryGateway},
    operation::Operation,
};
use gatehouse_schemas::{identity::ExternalRef, revision::RevisionContent};
use serde_json::{Map, Value, json};

use crate::gateway::{Connection, Disturbance, Edit, GatewayAnswer, Permission, TestGateway};

/// The in-memory gateway, and the connector to it.
#[derive(Debug, Clone, Default)]
pub struct MemoryTestGateway {
    gateway: MemoryGateway,
}

impl MemoryTestGateway {
    /// An empty gateway.
    pub fn new() -> Self {
        Self::default()
    }

    /// The gateway itself.
    pub fn gateway(&self) -> &MemoryGateway {
        &self.gateway
    }
}

#[async_trait]
impl TestGateway for MemoryTestGateway {
    fn connector(&self) -> Arc<dyn Connector> {
        Arc::new(MemoryConnector::new(self.gateway.clone()))
    }

    fn connection(&self) -> Connection {
        Connection::default()
    }

    fn connection_with_steps(&self) -> Option<Connection> {
        Some(setting("steps", json!(4)))
    }

    fn connection_without(&self, permission: Permission) -> Option<Connection> {
        let name = match permission {
            Permission::Read => "credentialMayRead",
            Permission::Write => "credentialMayWrite",
        };
        Some(setting(name, json!(false)))
    }

    #[expect(
        clippy::expect_used,
        reason = "it keeps nothing in a file, so nothing can fail"
    )]
    async fn add_foreign(&self, name: &str, content: RevisionContent) -> ExternalRef {
        self.gateway
            .add_foreign(name, content)
            .expect("no file is written")
    }

    async fn edit(&self, api: &ExternalRef, edit: Edit) -> bool {
        let edited = match edit {
            Edit::Content => self
                .gateway
                .edit(api, |content| "edited".clone_into(&mut content.display_name)),
            Edit::Name => self.gateway.rename(api, "edited"),
            Edit::Tags => self.gateway.set_tags(api, &["edited"]),
        };
        edited.is_ok()
    }

    async fn edit_during_next_deploy(&self, _api: &ExternalRef) -> bool {
        self.gateway.inject(Operation::Deploy, [Fault::EditFirst]);
        true
    }

    async fn delete(&self, api: &ExternalRef) {
        // One that is gone already is gone.
        let _ = self.gateway.delete(api);
    }

    async fn holds(&self) -> BTreeMap<String, String> {
        let apis = self.gateway.apis().into_iter();
        let apis = apis.map(|(external_ref, api)| (external_ref.0, json!(api).to_string()));
        let parts = self.gateway.parts().into_iter();
        apis.chain(parts.map(|part| (part, String::new()))).collect()
    }

    async fn make_unreadable(&self, api: &ExternalRef) -> bool {
        self.gateway.set_readable(api, false);
        true
    }

    async fn disturb(&self, operation: Operation, disturbance: Disturbance) -> bool {
        let fault = match disturbance {
            Disturbance::Unreachable | Disturbance::ServerError => Fault::Fail(ErrorKind::Unavailable),
            Disturbance::TooManyRequests { retry_after: None } => Fault::Fail(ErrorKind::RateLimited),
            Disturbance::TooManyRequests {
                retry_after: Some(time),
            } => Fault::SlowDown(time),
            Disturbance::LoseReply => Fault::LoseReply,
            Disturbance::Silence => Fault::Delay(Duration::from_secs(3_600)),
            Disturbance::DieBeforeStep(number) => Fault::FailBeforeStep(number),
            Disturbance::DieAfterStep(number) => Fault::FailAfterStep(number),
        };
        self.gateway.inject(operation, [fault]);
        true
    }

    async fn hide(&self) -> bool {
        self.gateway.set_blind(true);
        true
    }

    async fn ask(&self, _endpoint_url: &str, _path: &str, _key: Option<&str>) -> Option<GatewayAnswer> {
        None
    }

    async fn calls(&self) -> Option<u64> {
        Some(
            Operation::ALL
                .iter()
                .map(|operation| self.gateway.calls(*operation))
                .sum(),
        )
    }
}

fn setting(name: &str, value: Value) -> Connection {
    Connection::of(Map::from_iter([(name.to_owned(), value)]))
}
