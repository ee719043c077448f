//! The secrets that policies and upstreams refer to.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Policy;
use crate::identity::{ResourceName, ResourceVersion};

/// A place in a policy's parameters, or in an upstream, that names a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretReference<'a> {
    /// A JSON Pointer into the parameters (`with`), or into the upstream.
    pub pointer: String,
    /// The secret.
    pub name: &'a ResourceName,
}

/// A secret that a desired state refers to, at a version: a new version is a new desired state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretVersion {
    /// The secret.
    pub name: ResourceName,
    /// Its version.
    pub version: ResourceVersion,
}

impl Policy {
    /// The secrets it refers to.
    pub fn secret_names(&self) -> Vec<&ResourceName> {
        let references = self.secret_references().into_iter();
        references.map(|reference| reference.name).collect()
    }

    /// The places where it refers to secrets.
    pub fn secret_references(&self) -> Vec<SecretReference<'_>> {
        match self {
            Self::AuthApiKey(policy) => listed("keys", policy.keys.iter().map(|key| &key.secret_ref)),
            Self::AuthBasic(policy) => listed("users", policy.users.iter().map(|user| &user.secret_ref)),
            Self::AuthOAuth2(policy) => vec![SecretReference {
                pointer: "/clientSecretRef".to_owned(),
                name: &policy.client_secret_ref,
            }],
            _ => Vec::new(),
        }
    }
}

fn listed<'a>(field: &str, names: impl Iterator<Item = &'a ResourceName>) -> Vec<SecretReference<'a>> {
    names
        .enumerate()
        .map(|(index, name)| SecretReference {
            pointer: format!("/{field}/{index}/secretRef"),
            name,
        })
        .collect()
}
