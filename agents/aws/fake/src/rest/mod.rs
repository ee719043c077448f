//! Version 1 of API Gateway: REST APIs, what is deployed of them, and who may use them.

mod apis;
mod deployments;
mod documents;
mod keys;
mod patch;
mod plan_keys;
mod plans;
mod policy;
mod resources;
mod stages;
mod tags;
mod variables;

use crate::control::Operation;

pub(crate) use self::policy::{document as policy_document, expanded as expanded_policy};

/// The operations of version 1.
pub(crate) const OPERATIONS: &[&[Operation]] = &[
    apis::OPERATIONS,
    deployments::OPERATIONS,
    documents::OPERATIONS,
    keys::OPERATIONS,
    plan_keys::OPERATIONS,
    plans::OPERATIONS,
    resources::OPERATIONS,
    stages::OPERATIONS,
    tags::OPERATIONS,
];
