//! What other people and the network do to a gateway: the part of a test that only the connector's author can write.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use gatehouse_connector_sdk::{connector::Connector, operation::Operation};
use gatehouse_schemas::{identity::ExternalRef, revision::RevisionContent};
use secrecy::SecretString;
use serde_json::{Map, Value};

/// A gateway under test, empty at first. What it cannot be brought to is answered with `false` or nothing; the
/// behaviours that need it are skipped.
#[async_trait]
pub trait TestGateway: Send + Sync {
    /// A connector, as another process would make it: it shares nothing with the ones before but the gateway.
    fn connector(&self) -> Arc<dyn Connector>;

    /// `Environment.spec.settings` that lead to the gateway.
    fn settings(&self) -> Map<String, Value>;

    /// The credentials, by the connector's name for each.
    fn credentials(&self) -> BTreeMap<String, SecretString> {
        BTreeMap::new()
    }

    /// Settings that make a deploy take several steps, if the connector ever takes several.
    fn settings_with_steps(&self) -> Option<Map<String, Value>> {
        None
    }

    /// Settings whose credential lacks a permission.
    fn settings_without(&self, permission: Permission) -> Option<Map<String, Value>>;

    /// Somebody else makes an API.
    async fn add_foreign(&self, name: &str, content: RevisionContent) -> ExternalRef;

    /// Somebody else changes an API.
    async fn edit(&self, api: &ExternalRef, edit: Edit) -> bool;

    /// Somebody else deletes an API.
    async fn delete(&self, api: &ExternalRef);

    /// Every object on the gateway, unfinished ones included, by a name that tells it from all others; with
    /// something that changes whenever anything about it does.
    async fn holds(&self) -> BTreeMap<String, String>;

    /// Lets an API be listed and not be read.
    async fn make_unreadable(&self, api: &ExternalRef) -> bool;

    /// Lets the next call of an operation meet with something.
    async fn disturb(&self, operation: Operation, disturbance: Disturbance) -> bool;

    /// Lets every look from now on end without an answer.
    async fn hide(&self) -> bool;

    /// A consumer's request below an endpoint URL; none if the gateway under test answers no requests.
    async fn ask(&self, endpoint_url: &str, path: &str, key: Option<&str>) -> Option<GatewayAnswer>;

    /// How many calls of its own operations the gateway has taken so far; none if it does not count.
    async fn calls(&self) -> Option<u64>;
}

/// What somebody else changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// The process ends when a step is recorded and not taken.
    DieBeforeStep(u32),
    /// The process ends when a step is taken and not recorded as done.
    DieAfterStep(u32),
}

/// What a consumer is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The values of the response headers that samples set, by name.
    pub headers: BTreeMap<String, String>,
}
