//! Policies compiled to what a request is checked with.

use crate::{config::ApiConfig, error::ApplyError};

/// Everything that must hold for a route.
#[derive(Debug, Default)]
pub(crate) struct Chain {}

/// Compiles policies.
#[derive(Debug, Default)]
pub(crate) struct Compiler {}

impl Compiler {
    /// The chain of the API or of one of its operations.
    pub(crate) fn chain(&self, config: &ApiConfig, operation: Option<usize>) -> Result<Chain, ApplyError> {
        let own = operation.map(|index| &config.content.operations[index].policies);
        let mut all = config.content.policies.iter().chain(own.into_iter().flatten());
        match all.next() {
            None => Ok(Chain {}),
            Some(policy) => Err(ApplyError::Policy {
                api: config.external_ref.clone(),
                policy: policy.type_name(),
                place: "the API".to_owned(),
                reason: "not supported yet".to_owned(),
            }),
        }
    }
}
