//! The Admin API, `/api/v1`: what people and programs use. Each type is the JSON of a request or response.

mod drift;
mod inventory;
mod plans;

pub use self::{drift::*, inventory::*, plans::*};

use gatehouse_schemas::{
    api::ApiSpec,
    canonical::Fingerprint,
    condition::{Condition, Phase},
    descriptor::Descriptor,
    diff::Change,
    environment::{EnvironmentSpec, Mode},
    identity::{
        AgentId, ApiId, AuditEventId, DeploymentId, DiscoveredApiId, DiscoveryId, EnvironmentId, ExternalRef,
        GatewayType, Generation, ImportId, JoinTokenId, ResourceName, RevisionNumber, TokenId,
    },
    observed::{Classification, ObservedApi},
    resource::{Kind, Metadata, PolicySpec, ProjectSpec, SecretSpec},
    revision::RevisionContent,
    three_way::MergeConflict,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

macro_rules! resource {
    ($($(#[$docs:meta])* $name:ident { $spec:ty, $status:ty })+) => {$(
        $(#[$docs])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            /// `gatehouse.dev/v1`.
            pub api_version: String,
            /// The kind of resource.
            pub kind: Kind,
            /// Name, project, labels.
            pub metadata: Metadata,
            /// What is wanted.
            pub spec: $spec,
            /// What is so. Read-only.
            pub status: $status,
        }
    )+};
}

resource! {
    /// A project as it reads back.
    ProjectResource { ProjectSpec, ProjectStatus }
    /// A gateway environment as it reads back.
    EnvironmentResource { EnvironmentSpec, EnvironmentStatus }
    /// An API as it reads back; its definition is referred to by fingerprint.
    ApiResource { ApiSpec, ApiStatus }
    /// A reusable set of policies as it reads back.
    PolicyResource { PolicySpec, PolicyStatus }
    /// A secret as it reads back: without its value.
    SecretResource { SecretReadSpec, SecretStatus }
}

macro_rules! document {
    ($($(#[$docs:meta])* $name:ident { $(#[$field:meta])* $spec:ty })+) => {$(
        $(#[$docs])*
        #[derive(Debug, Clone, Deserialize, ToSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            /// `gatehouse.dev/v1`; may be left out.
            #[schema(pattern = "^gatehouse\\.dev/v1$")]
            pub api_version: Option<String>,
            /// The kind of resource; may be left out, for the path says it.
            pub kind: Option<Kind>,
            /// Name, project, labels.
            pub metadata: Metadata,
            /// What is wanted.
            $(#[$field])*
            pub spec: $spec,
            /// Ignored, so that what was read can be sent back.
            #[schema(value_type = Option<Object>)]
            pub status: Option<Value>,
        }
    )+};
}

document! {
    /// A project as people write it.
    ProjectDocument { #[serde(default)] ProjectSpec }
    /// A gateway environment as people write it.
    EnvironmentDocument { EnvironmentSpec }
    /// An API as people write it.
    ApiDocument { ApiSpec }
    /// A reusable set of policies as people write it.
    PolicyDocument { PolicySpec }
    /// A secret as people write it.
    SecretDocument { SecretSpec }
}

/// What is so of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProjectStatus {
    /// How many APIs it owns.
    pub apis: u64,
    /// How many environments it owns.
    pub environments: u64,
}

/// What is so of an environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentStatus {
    /// `Connected`, `SettingsValid`.
    pub conditions: Vec<Condition>,
    /// The agent that holds the lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// How many APIs should be deployed there.
    pub deployments: u64,
}

/// What is so of an API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiStatus {
    /// The newest revision.
    pub latest_revision: RevisionNumber,
    /// The fingerprint of the newest revision's content.
    pub fingerprint: Fingerprint,
    /// How many operations the newest revision has; 0 means everything below the base path.
    pub operations: u64,
    /// Where it is deployed.
    pub deployments: Vec<ApiDeployment>,
    /// Where it was imported from; absent for an API that was written here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported_from: Option<ImportSource>,
}

/// One place where an API is deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiDeployment {
    /// Which deployment.
    pub id: DeploymentId,
    /// Where.
    pub environment: ResourceName,
    /// Which revision.
    pub revision: RevisionNumber,
    /// How it goes.
    pub phase: Phase,
}

/// Where an API was imported from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportSource {
    /// The environment.
    pub environment: ResourceName,
    /// The gateway's own identity for it.
    pub external_ref: ExternalRef,
    /// Whether the latest complete discovery did not see it there. Once it counts as removed, it is not said any more
    /// where the API was imported from.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub missing: bool,
}

/// What is so of a set of policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyStatus {
    /// How many deployments it is in force for.
    pub deployments: u64,
}

/// A secret's `spec` as it reads back: empty, for the value is write-only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretReadSpec {}

/// What is so of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretStatus {
    /// Which environments, policies and APIs refer to it, as `kind/name`.
    pub used_by: Vec<String>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The objects.
    pub items: Vec<T>,
    /// To be sent as `cursor` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// One immutable revision of an API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// The API.
    pub api_id: ApiId,
    /// Its name.
    pub api: ResourceName,
    /// The number, from 1.
    pub number: RevisionNumber,
    /// The fingerprint of its content.
    pub fingerprint: Fingerprint,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom: the token's name.
    pub created_by: String,
    /// Everything it says. Left out in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<RevisionContent>,
}

/// Places a revision in an environment, or moves the deployment that is there to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeployRequest {
    /// The API's name.
    pub api: ResourceName,
    /// The revision. Default: the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 4_294_967_295_u32)]
    pub revision: Option<RevisionNumber>,
    /// The environment's name.
    pub environment: ResourceName,
    /// Whether policies that the gateway cannot express, other than security policies, may be lost.
    #[serde(default)]
    pub accept_loss: bool,
}

/// One API revision that should run in one environment, and how that goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// Which.
    pub id: DeploymentId,
    /// The API's name.
    pub api: ResourceName,
    /// The API.
    pub api_id: ApiId,
    /// The environment's name.
    pub environment: ResourceName,
    /// The environment.
    pub environment_id: EnvironmentId,
    /// The desired revision.
    pub revision: RevisionNumber,
    /// The generation of the desired state.
    pub generation: Generation,
    /// The generation that was last reported on.
    pub observed_generation: Generation,
    /// The summary.
    pub phase: Phase,
    /// `Accepted`, `Deployed`, `InSync`.
    pub conditions: Vec<Condition>,
    /// Where consumers reach it, best first.
    pub endpoint_urls: Vec<String>,
    /// The gateway's own identity for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_ref: Option<ExternalRef>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When anything about it last changed.
    pub updated_at: Timestamp,
}

/// An enrolled agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    /// Which.
    pub id: AgentId,
    /// The name it gave itself.
    pub name: String,
    /// The kind of gateway it serves.
    pub gateway_type: GatewayType,
    /// Whether it was heard of within the time of a lease.
    pub online: bool,
    /// Whether it was revoked.
    pub revoked: bool,
    /// When it last asked for work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<Timestamp>,
    /// When it enrolled.
    pub created_at: Timestamp,
    /// What its connector said of itself in the last session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub descriptor: Option<Descriptor>,
    /// The protocol version agreed in the last session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<u32>,
    /// The environments whose lease it holds, or that it replicates.
    pub environments: Vec<ResourceName>,
}

/// Asks for a join token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateJoinTokenRequest {
    /// The kind of gateway that may join with it.
    pub gateway_type: GatewayType,
    /// How long it may be used, in seconds. Default 3600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 2_592_000)]
    pub ttl_seconds: Option<u64>,
}

/// A join token. The text is shown this once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedJoinToken {
    /// Which.
    pub id: JoinTokenId,
    /// The token itself.
    pub token: String,
    /// The kind of gateway that may join with it.
    pub gateway_type: GatewayType,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A join token that no agent has used, without the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JoinToken {
    /// Which.
    pub id: JoinTokenId,
    /// The kind of gateway that may join with it.
    pub gateway_type: GatewayType,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// What a credential may do. Each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Read everything but secret values.
    Viewer,
    /// Also write APIs and policies, deploy, discover, import.
    Publisher,
    /// Also write projects, environments, secrets; tokens and agents.
    Admin,
}

/// Asks for an API token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateTokenRequest {
    /// Whose it is; appears in audit events.
    pub name: ResourceName,
    /// What it may do.
    pub role: Role,
    /// How long it lives, in seconds. Default: until revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 315_360_000)]
    pub ttl_seconds: Option<u64>,
}

/// An API token, without the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// Which.
    pub id: TokenId,
    /// Whose.
    pub name: ResourceName,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// A new API token. The text is shown this once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedToken {
    /// Everything but the token.
    #[serde(flatten)]
    pub description: Token,
    /// The token itself.
    pub token: String,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WhoAmI {
    /// The token's name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The control plane's version.
    pub server_version: String,
}

/// Starts a discovery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateDiscoveryRequest {
    /// The environment's name.
    pub environment: ResourceName,
}

/// One run that lists what a gateway has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Discovery {
    /// Which.
    pub id: DiscoveryId,
    /// Where.
    pub environment: ResourceName,
    /// How it goes.
    pub state: DiscoveryState,
    /// Why it is not complete, or why nothing happens, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How many findings there are of each class; while it runs, only `found` counts.
    pub counts: DiscoveryCounts,
    /// How many findings have arrived.
    #[serde(default)]
    pub found: u64,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

/// How a discovery goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[allow(missing_docs, reason = "the names say it")]
pub enum DiscoveryState {
    Pending,
    Running,
    Complete,
    Partial,
    Failed,
}

/// How many findings there are of each class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the names are the classes")]
pub struct DiscoveryCounts {
    pub new: u64,
    pub changed: u64,
    pub unchanged: u64,
    pub gone: u64,
    pub conflict: u64,
    pub ignored: u64,
    pub error: u64,
}

/// One finding of a discovery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiscoveredApi {
    /// Which.
    pub id: DiscoveredApiId,
    /// The gateway's own identity for it.
    pub external_ref: ExternalRef,
    /// The gateway's name for it.
    pub name: String,
    /// How it compares with the catalog.
    #[serde(flatten)]
    pub classification: Classification,
    /// The catalog's API it is, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<ResourceName>,
    /// Whether Gatehouse deployed it.
    pub managed: bool,
    /// What the gateway holds. Left out in lists and for findings that could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Box<ObservedApi>>,
}

/// Takes findings into the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateImportRequest {
    /// Which findings. Absent: all that are `new` or `changed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Vec<DiscoveredApiId>>,
    /// Which findings, by what they are: `status=new,tag=public,name=orders-*`. What is given must hold together;
    /// a key given twice means either. Not together with `items`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "status=new,tag=public")]
    pub select: Option<String>,
}

/// What became of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Import {
    /// Which.
    pub id: ImportId,
    /// Out of which discovery.
    pub discovery_id: DiscoveryId,
    /// When.
    pub created_at: Timestamp,
    /// By whom: the token's name.
    pub created_by: String,
    /// Finding by finding.
    pub results: Vec<ImportResult>,
}

/// What became of one finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportResult {
    /// Which finding.
    pub item: DiscoveredApiId,
    /// What was done.
    pub action: ImportAction,
    /// The catalog's API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<ResourceName>,
    /// A sentence for people.
    pub message: String,
    /// What people edited and the gateway changed too: the catalog's value was kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<MergeConflict>,
}

/// What was done with a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ImportAction {
    /// A catalog entry was made.
    Created,
    /// The catalog entry got a new revision.
    Updated,
    /// The catalog says the same already.
    Unchanged,
    /// Nothing was done; the message says why.
    Skipped,
}

/// Applies documents: all of them or none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplyRequest {
    /// Resources, in any order.
    #[schema(value_type = Vec<Object>)]
    pub documents: Vec<Value>,
    /// Says what would happen, and changes nothing.
    #[serde(default)]
    pub dry_run: bool,
}

/// What an apply did, or would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplyResponse {
    /// Whether nothing was changed on request.
    pub dry_run: bool,
    /// Document by document, in their order.
    pub results: Vec<ApplyResult>,
}

/// What became of one document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplyResult {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: ResourceName,
    /// What was done.
    pub action: ApplyAction,
    /// The fields that change: `/metadata/labels/…`, `/spec/…`. Secret values are never shown.
    pub changes: Vec<Change>,
    /// The new revision of an API, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<RevisionNumber>,
    /// What to know, although nothing is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What was done with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ApplyAction {
    /// It was new.
    Created,
    /// It was different.
    Updated,
    /// It was the same; nothing was written.
    Unchanged,
}

/// One change somebody made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    /// Which.
    pub id: AuditEventId,
    /// When.
    pub at: Timestamp,
    /// Who: `token/NAME`, `agent/ID`, `system`.
    pub actor: String,
    /// What: `api.created`, `deployment.requested`, `token.revoked`, …
    pub action: String,
    /// To what: `api/orders`, `environment/local`, …
    pub object: String,
    /// The fields that changed, without secret values; or other particulars.
    #[schema(value_type = Object)]
    pub details: Value,
    /// The request it came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// What an environment's mode lets people do, for messages.
pub fn mode_remedy(mode: Mode) -> &'static str {
    match mode {
        Mode::ReadOnly => "set its mode to `read-write` or `write-only` to deploy",
        Mode::WriteOnly => "set its mode to `read-write` or `read-only` to discover",
        Mode::ReadWrite => "its mode allows this",
    }
}
