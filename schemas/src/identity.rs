//! Names, identifiers, counters: each its own type, so that the compiler catches a swap.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// The longest name a resource may have, in characters; the limit of a DNS label (RFC 1123).
pub const NAME_MAX_LENGTH: usize = 63;

/// Why a text is not a resource name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` is not a valid name: use 1 to 63 lowercase letters, digits and `-`, starting and ending with a letter or digit"
)]
pub struct InvalidName {
    /// The refused text.
    pub name: String,
}

/// The name people use for a resource: a DNS label, unique within its kind.
///
/// ```
/// use gatehouse_schemas::identity::ResourceName;
///
/// assert!("kong-eu".parse::<ResourceName>().is_ok());
/// assert!("Kong_EU".parse::<ResourceName>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", max_length = 63, min_length = 1, example = "orders")]
pub struct ResourceName(String);

impl ResourceName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ResourceName {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = name.as_bytes();
        let allowed = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
        if bytes.len() <= NAME_MAX_LENGTH
            && edge(bytes.first())
            && edge(bytes.last())
            && bytes.iter().all(allowed)
        {
            Ok(Self(name.to_owned()))
        } else {
            Err(InvalidName {
                name: name.to_owned(),
            })
        }
    }
}

impl TryFrom<String> for ResourceName {
    type Error = InvalidName;

    fn try_from(name: String) -> Result<Self, InvalidName> {
        name.parse()
    }
}

impl From<ResourceName> for String {
    fn from(name: ResourceName) -> Self {
        name.0
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl AsRef<str> for ResourceName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

macro_rules! identifier {
    ($(#[$docs:meta] $name:ident),+ $(,)?) => {$(
        #[$docs]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = String, format = "uuid")]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                text.parse().map(Self)
            }
        }
    )+};
}

identifier! {
    /// Identifies a project.
    ProjectId,
    /// Identifies a gateway environment.
    EnvironmentId,
    /// Identifies an API; outlives its revisions and its name.
    ApiId,
    /// Identifies a reusable policy attachment.
    PolicyId,
    /// Identifies a secret.
    SecretId,
    /// Identifies the placement of one API in one environment.
    DeploymentId,
    /// Identifies an enrolled agent.
    AgentId,
    /// Identifies one run of a discovery.
    DiscoveryId,
    /// Identifies one finding of a discovery.
    DiscoveredApiId,
    /// Identifies one import out of a discovery.
    ImportId,
    /// Identifies a stored plan.
    PlanId,
    /// Identifies something an agent is asked to look at or to work out.
    TaskId,
    /// Identifies an API token of a person or a program.
    TokenId,
    /// Identifies a one-time join token of an agent.
    JoinTokenId,
    /// Identifies an audit event.
    AuditEventId,
}

macro_rules! counter {
    ($(#[$docs:meta] $name:ident),+ $(,)?) => {$(
        #[$docs]
        #[derive(
            Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
        )]
        #[serde(transparent)]
        #[schema(value_type = u64)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    )+};
}

counter! {
    /// Rises with every change of desired state anywhere; reports that speak of an older one are refused.
    Generation,
    /// Numbers the immutable revisions of one API, from 1.
    RevisionNumber,
    /// Rises whenever the lease of an environment moves to another agent.
    FencingNumber,
    /// Rises with every change of one resource; the ETag of the Admin API.
    ResourceVersion,
}

/// The gateway's own identity for an API, opaque to all but its connector.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String)]
pub struct ExternalRef(pub String);

impl fmt::Display for ExternalRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The kind of a gateway, announced by an agent: `native`, `kong`, `aws`, or a custom one.
pub type GatewayType = ResourceName;
