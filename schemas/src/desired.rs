//! Desired state: what a gateway environment should hold of one API.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    canonical::Fingerprint,
    identity::{ApiId, EnvironmentId, GatewayType, ResourceName, ResourceVersion, RevisionNumber},
    policy::{Layer, Lockable, Origin, Policy, SecretVersion, merge},
    resource::{Metadata, PolicySpec, PolicyTarget},
    revision::RevisionContent,
};

/// One revision of one API as it should be in one environment: the revision's content, its policies merged with
/// those attached from outside (project, environment, labels).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DesiredApi {
    /// What everything created for it on the gateway is marked with.
    pub mark: Mark,
    /// What it must be.
    pub content: RevisionContent,
    /// The secrets its policies and upstreams refer to, at their versions, sorted by name.
    #[serde(default)]
    pub secrets: Vec<SecretVersion>,
    /// The fingerprint of the object `{"content": …, "secrets": …}`, with both as they are here.
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

/// What a revision becomes in an environment: its policies are merged with those attached from outside, fragments for
/// other gateway types and what a lock forbids are left out of it and of its operations, and the secrets that any
/// policy refers to are pinned to their versions.
///
/// What is in force for an operation is then [`merge`] of the content's policies and the operation's. `attached` is
/// what [`attached`] found; `secrets` holds the current versions. A secret that is not there is pinned to version 0,
/// which no secret has: resolving it fails, and the API is not served without its keys.
pub fn compose(
    mark: Mark,
    content: &RevisionContent,
    attached: &[Layer<'_>],
    gateway_type: &GatewayType,
    secrets: &BTreeMap<ResourceName, ResourceVersion>,
) -> DesiredApi {
    let content = resolved(content, attached, gateway_type);
    let secrets = pinned(&content, secrets);
    let fingerprint = Fingerprint::of_value(&json!({ "content": &content, "secrets": &secrets }));
    DesiredApi {
        mark,
        content,
        secrets,
        fingerprint,
    }
}

fn resolved(
    content: &RevisionContent,
    attached: &[Layer<'_>],
    gateway_type: &GatewayType,
) -> RevisionContent {
    let lock: Vec<Lockable> = attached.iter().flat_map(|layer| layer.lock).copied().collect();
    let locks = Layer {
        lock: &lock,
        ..Layer::default()
    };
    let mut resolved = content.clone();
    let mut layers = attached.to_vec();
    layers.push(Layer::of(&content.policies));
    resolved.policies = canonical(&merge(&layers, Some(gateway_type)));
    for (operation, written) in resolved.operations.iter_mut().zip(&content.operations) {
        let layers = [locks.clone(), Layer::of(&written.policies)];
        operation.policies = canonical(&merge(&layers, Some(gateway_type)));
    }
    resolved
}

/// Sets are kept as people wrote them.
fn canonical(policies: &[&Policy]) -> Vec<Policy> {
    policies.iter().map(|policy| policy.canonical()).collect()
}

fn pinned(
    content: &RevisionContent,
    versions: &BTreeMap<ResourceName, ResourceVersion>,
) -> Vec<SecretVersion> {
    content
        .secret_names()
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
) -> Vec<Layer<'a>> {
    covering(api, Some(environment), policies)
}

/// All places whose policies meet for an API, or for one of its operations by its index in the content, the least
/// specific first. Without an environment, sets attached to environments are left out.
///
/// This is what [`merge`] and [`explain`](crate::policy::explain) take.
pub fn layers<'a>(
    api: &Metadata,
    environment: Option<&ResourceName>,
    policies: &'a [(ResourceName, PolicySpec)],
    content: &'a RevisionContent,
    operation: Option<usize>,
) -> Vec<Layer<'a>> {
    let object = format!("api/{}", api.name);
    let own = |list: String, policies: &'a [Policy]| Layer {
        origin: Origin {
            object: object.clone().into(),
            list: list.into(),
        },
        policies,
        lock: &[],
    };
    let mut layers = covering(api, environment, policies);
    layers.push(own("/policies".to_owned(), &content.policies));
    let at = operation.and_then(|index| Some((index, content.operations.get(index)?)));
    if let Some((index, operation)) = at {
        layers.push(own(format!("/operations/{index}/policies"), &operation.policies));
    }
    layers
}

fn covering<'a>(
    api: &Metadata,
    environment: Option<&ResourceName>,
    policies: &'a [(ResourceName, PolicySpec)],
) -> Vec<Layer<'a>> {
    let mut covering: Vec<(Reach, &'a ResourceName, &'a PolicySpec)> = policies
        .iter()
        .filter_map(|(name, set)| {
            let reaches = set
                .targets
                .iter()
                .filter_map(|target| reach(target, api, environment));
            reaches.min().map(|reach| (reach, name, set))
        })
        .collect();
    covering.sort_by_key(|(reach, name, _)| (*reach, *name));
    let layer = |(_, name, set): (Reach, &'a ResourceName, &'a PolicySpec)| Layer {
        origin: Origin {
            object: format!("policy/{name}").into(),
            list: "/policies".into(),
        },
        policies: &set.policies,
        lock: &set.lock,
    };
    covering.into_iter().map(layer).collect()
}

/// In what way a set of policies covers an API, the least specific first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Project,
    Environment,
    Labels,
}

fn reach(target: &PolicyTarget, api: &Metadata, environment: Option<&ResourceName>) -> Option<Reach> {
    match target {
        PolicyTarget::Project(project) => (*project == api.project).then_some(Reach::Project),
        PolicyTarget::Environment(name) => (Some(name) == environment).then_some(Reach::Environment),
        PolicyTarget::Labels(wanted) => wanted
            .iter()
            .all(|(key, value)| api.labels.get(key) == Some(value))
            .then_some(Reach::Labels),
    }
}

#[cfg(test)]
mod tests;
