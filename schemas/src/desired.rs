//! Desired state: what a gateway environment should hold of one API.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    canonical::Fingerprint,
    identity::{ApiId, EnvironmentId, ResourceName, ResourceVersion, RevisionNumber},
    policy::{Policy, SecretVersion},
    resource::{Metadata, PolicySpec, PolicyTarget},
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

/// What a revision becomes in an environment: the policies attached from outside come before its own,
/// and the secrets that any of them refers to are pinned to their versions.
///
/// `attached` is what [`attached`] found; `secrets` holds the current versions. A secret that is not
/// there is pinned to version 0, which no secret has: resolving it fails, and the API is not served
/// without its keys.
pub fn compose(
    mark: Mark,
    content: &RevisionContent,
    attached: &[&[Policy]],
    secrets: &BTreeMap<ResourceName, ResourceVersion>,
) -> DesiredApi {
    let mut content = content.clone();
    let own = std::mem::take(&mut content.policies);
    content.policies = attached.iter().copied().flatten().cloned().chain(own).collect();
    let secrets = pinned(&content, secrets);
    let fingerprint = Fingerprint::of_value(&json!({ "content": &content, "secrets": &secrets }));
    DesiredApi {
        mark,
        content,
        secrets,
        fingerprint,
    }
}

fn pinned(
    content: &RevisionContent,
    versions: &BTreeMap<ResourceName, ResourceVersion>,
) -> Vec<SecretVersion> {
    let of_operations = content
        .operations
        .iter()
        .flat_map(|operation| &operation.policies);
    let names: BTreeSet<&ResourceName> = content
        .policies
        .iter()
        .chain(of_operations)
        .flat_map(Policy::secret_names)
        .collect();
    names
        .into_iter()
        .map(|name| SecretVersion {
            name: name.clone(),
            version: versions.get(name).copied().unwrap_or_default(),
        })
        .collect()
}

/// The policies that reusable sets attach to an API in an environment, the least specific first: sets
/// that cover its project, then the environment, then its labels; by name within each. A set that covers
/// it in several ways counts once, as the least specific of them.
pub fn attached<'a>(
    api: &Metadata,
    environment: &ResourceName,
    policies: &'a [(ResourceName, PolicySpec)],
) -> Vec<&'a [Policy]> {
    let mut covering: Vec<(Reach, &ResourceName, &'a [Policy])> = policies
        .iter()
        .filter_map(|(name, set)| {
            let reaches = set
                .targets
                .iter()
                .filter_map(|target| reach(target, api, environment));
            reaches.min().map(|reach| (reach, name, set.policies.as_slice()))
        })
        .collect();
    covering.sort_by_key(|(reach, name, _)| (*reach, *name));
    covering.into_iter().map(|(_, _, policies)| policies).collect()
}

/// In what way a set of policies covers an API, the least specific first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Project,
    Environment,
    Labels,
}

fn reach(target: &PolicyTarget, api: &Metadata, environment: &ResourceName) -> Option<Reach> {
    match target {
        PolicyTarget::Project(project) => (*project == api.project).then_some(Reach::Project),
        PolicyTarget::Environment(name) => (name == environment).then_some(Reach::Environment),
        PolicyTarget::Labels(wanted) => wanted
            .iter()
            .all(|(key, value)| api.labels.get(key) == Some(value))
            .then_some(Reach::Labels),
    }
}

#[cfg(test)]
mod tests;
