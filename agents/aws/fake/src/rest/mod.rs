//! Version 1 of API Gateway: REST APIs, what is deployed of them, and who may use them.

mod account;
mod apis;
mod authorizers;
mod collection;
mod deployments;
mod documents;
pub(crate) mod domains;
mod gateway_responses;
mod keys;
mod methods;
mod parts;
mod patch;
mod plan_keys;
mod plans;
mod policy;
mod resources;
mod stages;
pub(crate) mod tags;
pub(crate) mod variables;

use crate::control::Operation;

pub(crate) use self::policy::{document as policy_document, expanded as expanded_policy};

/// The operations of version 1.
pub(crate) const OPERATIONS: &[&[Operation]] = &[
    account::OPERATIONS,
    apis::OPERATIONS,
    authorizers::OPERATIONS,
    deployments::OPERATIONS,
    documents::OPERATIONS,
    domains::OPERATIONS,
    gateway_responses::OPERATIONS,
    keys::OPERATIONS,
    methods::OPERATIONS,
    parts::OPERATIONS,
    plan_keys::OPERATIONS,
    plans::OPERATIONS,
    resources::OPERATIONS,
    stages::OPERATIONS,
    tags::OPERATIONS,
];
