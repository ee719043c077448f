//! The driver of a gateway under test: a program in any language that does to the gateway what other people do to it.
//!
//! It reads one JSON object per line from standard input and answers each with one on standard output:
//!
//! | asked | answered |
//! |---|---|
//! | `{"do": "start"}` | the [`Started`] gateway, empty; the one before may end |
//! | `{"do": "addForeign", "name": "…", "content": {…}}` | `{"externalRef": "…"}`: somebody else has made this API |
//! | `{"do": "edit", "externalRef": "…", "what": "content"}` (or `name`, `tags`) | `{"done": true}`: its display name is changed, or its name to `edited`, or its tags to `edited` alone |
//! | `{"do": "delete", "externalRef": "…"}` | `{"done": true}`, also if it was not there |
//! | `{"do": "makeUnreadable", "externalRef": "…"}` | `{"done": true}`: it is listed, and cannot be read |
//! | `{"do": "holds"}` | `{"objects": {"NAME": "STATE"}}`: every object on the gateway, with a text that changes whenever anything about it does |
//!
//! `{"done": false}` says that the gateway cannot be brought to it; behaviours that need it are skipped. `{"error": "…"}` ends
//! the run. When standard input ends, the driver ends, and its gateway with it.

mod program;
mod serve;

use std::collections::BTreeMap;

use gatehouse_schemas::{identity::ExternalRef, revision::RevisionContent};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::{
    program::{Driver, DriverError},
    serve::serve,
};
use crate::gateway::{Connection, Edit, Permission, TestGateway};

/// What a driver is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "do")]
pub enum DriverRequest {
    /// For a gateway that holds nothing.
    Start,
    /// Somebody else makes an API.
    AddForeign {
        /// Its name on the gateway.
        name: String,
        /// What it is.
        content: Box<RevisionContent>,
    },
    /// Somebody else changes an API.
    Edit {
        /// Which.
        external_ref: ExternalRef,
        /// What of it.
        what: Edit,
    },
    /// Somebody else deletes an API.
    Delete {
        /// Which.
        external_ref: ExternalRef,
    },
    /// An API is to be listed and not to be read.
    MakeUnreadable {
        /// Which.
        external_ref: ExternalRef,
    },
    /// For every object on the gateway.
    Holds,
}

/// A gateway that was started.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Started {
    /// What leads to it.
    #[serde(flatten)]
    pub connection: DriverConnection,
    /// One with which a deploy takes several steps; absent if it never does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with_steps: Option<DriverConnection>,
    /// One whose credential may not look at APIs; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_read: Option<DriverConnection>,
    /// One whose credential may not change APIs; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_write: Option<DriverConnection>,
}

/// What leads to a gateway, as drivers spell it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DriverConnection {
    /// `Environment.spec.settings`.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// The credentials' values, by the connector's name for each. They are good for this gateway alone.
    #[serde(default)]
    pub credentials: BTreeMap<String, String>,
}

impl Started {
    fn of(gateway: &dyn TestGateway) -> Self {
        let without = |permission| gateway.connection_without(permission).map(|it| (&it).into());
        Self {
            connection: (&gateway.connection()).into(),
            with_steps: gateway.connection_with_steps().map(|it| (&it).into()),
            without_read: without(Permission::Read),
            without_write: without(Permission::Write),
        }
    }
}

impl From<&Connection> for DriverConnection {
    fn from(connection: &Connection) -> Self {
        let credentials = connection.credentials.iter();
        Self {
            settings: connection.settings.clone(),
            credentials: credentials
                .map(|(name, value)| (name.clone(), value.expose_secret().to_owned()))
                .collect(),
        }
    }
}

impl From<&DriverConnection> for Connection {
    fn from(connection: &DriverConnection) -> Self {
        let credentials = connection.credentials.iter();
        Self {
            settings: connection.settings.clone(),
            credentials: credentials
                .map(|(name, value)| (name.clone(), SecretString::from(value.clone())))
                .collect(),
        }
    }
}

/// The identity of an API that somebody else made.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Made {
    external_ref: ExternalRef,
}

/// Whether something was done.
#[derive(Debug, Serialize, Deserialize)]
struct Done {
    done: bool,
}

/// What a gateway holds.
#[derive(Debug, Serialize, Deserialize)]
struct Held {
    objects: BTreeMap<String, String>,
}

/// Why something was not done.
#[derive(Debug, Serialize, Deserialize)]
struct Refused {
    error: String,
}
