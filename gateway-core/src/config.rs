//! What the gateway is told to serve.

use std::{collections::BTreeMap, fmt};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use gatehouse_schemas::{
    canonical::Fingerprint,
    desired::Mark,
    identity::{ExternalRef, ResourceName},
    revision::RevisionContent,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

/// One API as the gateway serves it: routes, policies and keys together, so that they can only change
/// together. This is also what the snapshot on disk holds, with the values of secrets sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiConfig {
    /// The gateway's own identity for the API.
    pub external_ref: ExternalRef,
    /// Whose it is; APIs from a local file have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    /// What it is: host names, base path, upstreams, policies, operations.
    pub content: RevisionContent,
    /// SHA-256 in hexadecimal of each secret that a policy refers to, by the secret's name.
    #[serde(default)]
    pub secret_hashes: BTreeMap<ResourceName, String>,
    /// The values of those secrets that the gateway itself presents to others, by name: the client's secret of
    /// `auth.oauth2`, certificates and keys of upstreams. They are in no serialised form of this; the snapshot seals
    /// them.
    #[serde(skip)]
    pub secrets: BTreeMap<ResourceName, Secret>,
    /// The fingerprint of the desired state this came from.
    pub fingerprint: Fingerprint,
}

/// The value of a secret. It is not shown, not serialised, compared in constant time, and wiped when it goes away.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<SecretString> for Secret {
    fn from(value: SecretString) -> Self {
        Self(value)
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self(value.into())
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(self.expose().as_bytes(), other.expose().as_bytes()).is_ok()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret([REDACTED])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_itself_to_nobody() {
        let secret = Secret::from("s3cret".to_owned());
        assert_eq!(
            format!("{secret:?} {:?}", Some(&secret)),
            "Secret([REDACTED]) Some(Secret([REDACTED]))"
        );
        assert_eq!(secret, Secret::from("s3cret".to_owned()));
        assert_ne!(secret, Secret::from("s3cre".to_owned()));
    }
}
