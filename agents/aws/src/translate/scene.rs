//! What a policy is looked at in: an API, an environment's settings, a kind of API; and which policies hold where.

use gatehouse_connector_sdk::schemas::{
    descriptor::Fidelity,
    policy::{ApiKeyPolicy, Layer, Policy, merge},
    revision::{Operation, RevisionContent},
};

use super::{
    Kind, authorizers,
    integration::Spot,
    judge,
    paths::{self, Place},
};
use crate::config::AwsSettings;

/// An API that becomes one of a kind, in an environment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) content: &'a RevisionContent,
    pub(super) settings: &'a AwsSettings,
    pub(super) kind: Kind,
}

impl<'a> Scene<'a> {
    /// The policies that hold for an operation, or for the whole API, and that AWS gets, in order.
    pub(super) fn expressed(self, operation: Option<&'a Operation>) -> Vec<&'a Policy> {
        let mut expressed: Vec<&Policy> = Vec::new();
        for policy in self.in_force(operation) {
            let is_own = operation.filter(|operation| operation.policies.contains(policy));
            if !matches!(
                judge::judge(self, policy, is_own, &expressed),
                Fidelity::Unsupported { .. }
            ) {
                expressed.push(policy);
            }
        }
        expressed
    }

    /// The policies that hold for an operation, or for the whole API, whether AWS has words for them or not.
    pub(super) fn in_force(self, operation: Option<&'a Operation>) -> Vec<&'a Policy> {
        let mut layers = vec![Layer::of(&self.content.policies)];
        layers.extend(operation.map(|operation| Layer::of(&operation.policies)));
        merge(&layers, None)
    }

    /// Where the API answers.
    pub(super) fn places(self) -> Vec<Place<'a>> {
        paths::places(self.content, self.kind)
    }

    /// A place with the policies that hold there.
    pub(super) fn spot(self, place: &'a Place<'a>) -> Spot<'a> {
        Spot {
            scene: self,
            place,
            policies: self.expressed(place.operation),
        }
    }

    /// The keys that open the API: those of the first policy. AWS has one set of keys for all that a stage serves.
    pub(super) fn keys(self) -> Option<&'a ApiKeyPolicy> {
        let operations = self
            .content
            .operations
            .iter()
            .flat_map(|operation| &operation.policies);
        self.content
            .policies
            .iter()
            .chain(operations)
            .find_map(|policy| match policy {
                Policy::AuthApiKey(keys) => Some(keys),
                _ => None,
            })
    }

    /// Whether every request has a key that AWS checks.
    pub(super) fn has_keys_everywhere(self) -> bool {
        self.content.policies.iter().any(|policy| match policy {
            Policy::AuthApiKey(keys) => !matches!(
                authorizers::of_keys(self, keys, &[]),
                Fidelity::Unsupported { .. }
            ),
            _ => false,
        })
    }
}
