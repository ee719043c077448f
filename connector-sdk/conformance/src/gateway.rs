//! What other people and the network do to a gateway: the part of a test that only the connector's author can write.

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use async_trait::async_trait;
use gatehouse_connector_sdk::{connector::Connector, operation::Operation};
use gatehouse_schemas::{identity::ExternalRef, revision::RevisionContent};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::agent::{AgentPlace, RunningAgent};

/// A gateway under test, empty at first. What it cannot be brought to is answered with `false` or nothing; the
/// behaviours that need it are skipped.
///
/// ```
/// use std::{collections::BTreeMap, sync::Arc};
///
/// use async_trait::async_trait;
/// use gatehouse_connector_conformance::{
///     Connection, Disturbance, Edit, GatewayAnswer, Outcome, Permission, TestGateway, behaviours, test,
/// };
/// use gatehouse_connector_sdk::{
///     connector::Connector,
///     memory::{Fault, MemoryConnector, MemoryGateway},
///     error::ErrorKind,
///     operation::Operation,
///     schemas::{identity::ExternalRef, revision::RevisionContent},
/// };
///
/// /// A gateway that can be brought to little: what it cannot be brought to is skipped.
/// #[derive(Default)]
/// struct AcmeUnderTest(MemoryGateway);
///
/// #[async_trait]
/// impl TestGateway for AcmeUnderTest {
///     fn connector(&self) -> Arc<dyn Connector> {
///         Arc::new(MemoryConnector::new(self.0.clone()))
///     }
///
///     fn connection(&self) -> Connection {
///         Connection::default()
///     }
///
///     fn connection_without(&self, _permission: Permission) -> Option<Connection> {
///         None
///     }
///
///     async fn add_foreign(&self, name: &str, content: RevisionContent) -> ExternalRef {
///         self.0.add_foreign(name, content).unwrap()
///     }
///
///     async fn edit(&self, api: &ExternalRef, edit: Edit) -> bool {
///         edit == Edit::Name && self.0.rename(api, "edited").is_ok()
///     }
///
///     async fn delete(&self, api: &ExternalRef) {
///         self.0.delete(api).unwrap();
///     }
///
///     async fn holds(&self) -> BTreeMap<String, String> {
///         let apis = self.0.apis().into_iter();
///         apis.map(|(id, api)| (id.0, format!("{api:?}"))).collect()
///     }
///
///     async fn make_unreadable(&self, _api: &ExternalRef) -> bool {
///         false
///     }
///
///     async fn disturb(&self, operation: Operation, disturbance: Disturbance) -> bool {
///         if disturbance != Disturbance::Unreachable {
///             return false;
///         }
///         self.0.inject(operation, [Fault::Fail(ErrorKind::Unavailable)]);
///         true
///     }
///
///     async fn hide(&self) -> bool {
///         false
///     }
///
///     async fn ask(&self, _endpoint_url: &str, _path: &str, _key: Option<&str>) -> Option<GatewayAnswer> {
///         None
///     }
///
///     async fn calls(&self) -> Option<u64> {
///         None
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let sentence = "Deploying the same desired API again changes nothing and succeeds.";
/// let behaviour = behaviours().into_iter().find(|it| it.sentence == sentence).unwrap();
/// assert_eq!(test(&behaviour, Arc::new(AcmeUnderTest::default())).await, Outcome::Passed);
/// # });
/// ```
#[async_trait]
pub trait TestGateway: Send + Sync {
    /// A connector, as another process would make it: it shares nothing with the ones before but the gateway.
    fn connector(&self) -> Arc<dyn Connector>;

    /// What leads to the gateway.
    fn connection(&self) -> Connection;

    /// One with which a deploy takes several steps, if the connector ever takes several.
    fn connection_with_steps(&self) -> Option<Connection> {
        None
    }

    /// One whose credential lacks a permission.
    fn connection_without(&self, permission: Permission) -> Option<Connection>;

    /// Somebody else makes an API.
    async fn add_foreign(&self, name: &str, content: RevisionContent) -> ExternalRef;

    /// Somebody else makes several APIs; for gateways on which that is quicker than one after the other. The identities come
    /// in the order of the APIs.
    async fn add_several_foreign(&self, apis: Vec<(String, RevisionContent)>) -> Vec<ExternalRef> {
        let mut made = Vec::with_capacity(apis.len());
        for (name, content) in apis {
            made.push(self.add_foreign(&name, content).await);
        }
        made
    }

    /// Somebody else changes an API.
    async fn edit(&self, api: &ExternalRef, edit: Edit) -> bool;

    /// Lets somebody else change what an API is, right before the next deploy has its effect.
    async fn edit_during_next_deploy(&self, _api: &ExternalRef) -> bool {
        false
    }

    /// Somebody else deletes an API.
    async fn delete(&self, api: &ExternalRef);

    /// Every object on the gateway, unfinished ones included, by a name that tells it from all others; with
    /// something that changes whenever anything about it does.
    async fn holds(&self) -> BTreeMap<String, String>;

    /// Lets an API be listed and not be read.
    async fn make_unreadable(&self, api: &ExternalRef) -> bool;

    /// Lets the next call of an operation meet with something.
    async fn disturb(&self, operation: Operation, disturbance: Disturbance) -> bool;

    /// Whether the last disturbance has met a call; true if the gateway under test cannot tell.
    async fn has_disturbed(&self) -> bool {
        true
    }

    /// Ends what is left of disturbances of an operation. The suite says so after each call of it.
    async fn calm(&self, _operation: Operation) {}

    /// Lets every look from now on end without an answer.
    async fn hide(&self) -> bool;

    /// A consumer's request below an endpoint URL; none if the gateway under test answers no requests.
    async fn ask(&self, endpoint_url: &str, path: &str, key: Option<&str>) -> Option<GatewayAnswer>;

    /// How many calls of its own operations the gateway has taken so far; none if it does not count.
    async fn calls(&self) -> Option<u64>;

    /// What the connector's process has logged so far, where it is not the suite's own.
    async fn log(&self) -> Option<String> {
        None
    }

    /// How many times as long as usual everything may take: more than once where the vendor lets few calls through, or the way
    /// to the gateway is long.
    fn patience(&self) -> u32 {
        1
    }

    /// Whether the connector runs in the process of the suite. Behind the Agent API a runtime stands between them, which
    /// retries what can be retried, and tells less than a connector's errors do.
    fn is_in_process(&self) -> bool {
        true
    }

    /// Starts an agent, as a process would be started that knows nothing but its place. Unless the gateway under test comes
    /// with an agent of its own, it is the SDK's runtime around a connector.
    fn start_agent(&self, place: &AgentPlace) -> io::Result<RunningAgent> {
        RunningAgent::of_connector(self.connector(), place)
    }
}

/// What leads to a gateway.
#[derive(Debug, Clone, Default)]
pub struct Connection {
    /// `Environment.spec.settings`.
    pub settings: Map<String, Value>,
    /// The credentials, by the connector's name for each.
    pub credentials: BTreeMap<String, SecretString>,
}

impl Connection {
    /// Settings alone.
    pub fn of(settings: Map<String, Value>) -> Self {
        Self {
            settings,
            credentials: BTreeMap::new(),
        }
    }
}

/// What somebody else changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Edit {
    /// What the API is.
    Content,
    /// Its name on the gateway.
    Name,
    /// Its tags: from now on `edited` alone.
    Tags,
}

/// What a credential may be without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// To look at APIs.
    Read,
    /// To change APIs.
    Write,
}

/// What a call meets with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disturbance {
    /// Nothing answers; the call has no effect.
    Unreachable,
    /// The gateway answers with an error of its own; the call has no effect.
    ServerError,
    /// The gateway asks to come back later; the call has no effect.
    TooManyRequests {
        /// After which time, if it says so.
        retry_after: Option<Duration>,
    },
    /// The call has its effect, and the answer is lost.
    LoseReply,
    /// No answer comes, for as long as anybody waits; the call has no effect.
    Silence,
    /// The process ends when a step is recorded and not taken.
    DieBeforeStep(u32),
    /// The process ends when a step is taken and not recorded as done.
    DieAfterStep(u32),
}

/// What a consumer is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatewayAnswer {
    /// The HTTP status; 0 if no answer came.
    pub status: u16,
}
