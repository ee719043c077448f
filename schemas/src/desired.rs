//! Desired state: what a gateway environment should hold of one API.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    canonical::Fingerprint,
    identity::{ApiId, EnvironmentId, ResourceName, RevisionNumber},
    policy::SecretVersion,
    revision::RevisionContent,
};

/// One revision of one API as it should be in one environment: the revision's content with the policies
/// attached from outside (project, environment, labels) put before its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DesiredApi {
    /// What everything created for it on the gateway is marked with.
    pub mark: Mark,
    /// What it must be.
    pub content: RevisionContent,
    /// The secrets its policies refer to, at their versions, sorted by name.
    #[serde(default)]
    pub secrets: Vec<SecretVersion>,
    /// The fingerprint of `content` and `secrets`.
    pub fingerprint: Fingerprint,
}

/// The mark of ownership on everything Gatehouse creates. What does not carry it is never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mark {
    /// The environment it was deployed to.
    pub environment_id: EnvironmentId,
    /// The API's identity.
    pub api_id: ApiId,
    /// The API's name, for people.
    pub api_name: ResourceName,
    /// The revision.
    pub revision: RevisionNumber,
}
