//! The shape all resources share: `apiVersion`, `kind`, `metadata`, `spec`, `status`.

use std::{collections::BTreeMap, fmt};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use uuid::Uuid;

use crate::{
    api::ApiSpec,
    environment::EnvironmentSpec,
    identity::{ResourceName, ResourceVersion},
    policy::{Lockable, Policy},
    time::Timestamp,
};

/// The version of all resource schemas; documents may leave it out.
pub const API_VERSION: &str = "gatehouse.dev/v1";

/// The project of resources that name none.
pub const DEFAULT_PROJECT: &str = "default";

/// The kinds of resources people write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub enum Kind {
    /// A catalogue entry.
    Api,
    /// A gateway environment.
    Environment,
    /// A reusable set of policies, attached to others.
    Policy,
    /// An owner of resources.
    Project,
    /// A value that never leaves in clear text.
    Secret,
}

impl Kind {
    /// All kinds, in the order in which documents of one request depend on each other.
    pub const ALL: [Self; 5] = [
        Self::Project,
        Self::Secret,
        Self::Environment,
        Self::Policy,
        Self::Api,
    ];

    /// The kind as written in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "Api",
            Self::Environment => "Environment",
            Self::Policy => "Policy",
            Self::Project => "Project",
            Self::Secret => "Secret",
        }
    }

    /// The plural as in paths and commands: `apis`, `environments`.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Api => "apis",
            Self::Environment => "environments",
            Self::Policy => "policies",
            Self::Project => "projects",
            Self::Secret => "secrets",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What every resource carries: its name, its owner, its labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// Unique within its kind.
    pub name: ResourceName,
    /// The project that owns it. Default `default`. Projects themselves have none.
    #[serde(default = "default_project")]
    pub project: ResourceName,
    /// Free pairs to select by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The resource's identity. Read-only: given by the control plane, ignored in documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    pub uid: Option<Uuid>,
    /// Rises with every change; the ETag. Read-only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    pub resource_version: Option<ResourceVersion>,
    /// When it was created. Read-only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    pub created_at: Option<Timestamp>,
    /// When it was last changed. Read-only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(read_only)]
    pub updated_at: Option<Timestamp>,
}

impl Metadata {
    /// The metadata of a resource that carries nothing but a name.
    pub fn named(name: ResourceName) -> Self {
        Self {
            name,
            project: default_project(),
            labels: BTreeMap::new(),
            uid: None,
            resource_version: None,
            created_at: None,
            updated_at: None,
        }
    }
}

fn default_project() -> ResourceName {
    #[expect(clippy::expect_used, reason = "a constant that a test parses")]
    DEFAULT_PROJECT
        .parse()
        .expect("the default project's name is a name")
}

/// One document: what people write, for one resource.
#[derive(Debug, Clone)]
pub struct Document {
    /// Name, project, labels.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: Spec,
}

impl Document {
    /// The kind of the resource.
    pub fn kind(&self) -> Kind {
        match self.spec {
            Spec::Api(_) => Kind::Api,
            Spec::Environment(_) => Kind::Environment,
            Spec::Policy(_) => Kind::Policy,
            Spec::Project(_) => Kind::Project,
            Spec::Secret(_) => Kind::Secret,
        }
    }
}

/// What is wanted of a resource, by kind.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the names are the kinds")]
pub enum Spec {
    Api(Box<ApiSpec>),
    Environment(Box<EnvironmentSpec>),
    Policy(PolicySpec),
    Project(ProjectSpec),
    Secret(SecretSpec),
}

/// What people say of a project.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProjectSpec {
    /// The name people see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A reusable set of policies and what it is attached to. Parents come first: project, environment, label
/// selector, then the API's own, then the operation's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicySpec {
    /// What it is attached to; an API is covered when any target covers it.
    #[schema(min_items = 1)]
    pub targets: Vec<PolicyTarget>,
    /// What must hold there. May be empty if something is locked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<Policy>,
    /// Policy types that sets after this one, APIs and operations may not set: what they say of them is left out.
    /// Only of types that the most specific place decides; all others can only be tightened anyway.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lock: Vec<Lockable>,
}

/// What a set of policies is attached to. Exactly one of the three.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum PolicyTarget {
    /// Every API of a project.
    Project(ResourceName),
    /// Every API deployed to an environment.
    Environment(ResourceName),
    /// Every API that carries all of these labels.
    Labels(BTreeMap<String, String>),
}

/// A secret value. Write-only: nothing ever gives it back to people.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretSpec {
    /// The value. In files, the command line also takes `valueFrom: {env: NAME}` or `{file: PATH}`.
    #[schema(value_type = String, write_only, min_length = 1)]
    pub value: SecretString,
}
