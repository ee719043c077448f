//! The rules that a schema cannot say. Each function reports everything it finds.

mod api;
mod environment;
mod headers;
mod metadata;
mod path;
mod policy;
mod traffic;
mod upstream;
mod url;

pub(crate) use self::{
    api::api,
    environment::environment,
    metadata::metadata,
    path::{base_path as canonical_base_path, is_dots, spelling},
    policy::{policy_set, unknown_placeholder},
    url::{hostname, upstream_url},
};
use crate::{issue::Issue, resource::SecretSpec};

/// The rules of a secret.
pub(crate) fn secret(spec: &SecretSpec, at: &str) -> Vec<Issue> {
    use secrecy::ExposeSecret as _;
    if spec.value.expose_secret().is_empty() {
        return vec![Issue::new(format!("{at}/value"), "a secret cannot be empty")];
    }
    Vec::new()
}

/// Adds an issue at a place if a check failed.
fn note<T>(issues: &mut Vec<Issue>, at: impl Into<String>, outcome: Result<T, String>) {
    if let Err(detail) = outcome {
        issues.push(Issue::new(at, detail));
    }
}
