//! Reading requests: bodies, query parameters, path parameters, preconditions. All refusals are problems.

mod body;
mod parameters;
mod precondition;

pub(crate) use self::{
    body::{Body, STRANGER_BODY_LIMIT, field_errors},
    parameters::{Path, Query},
    precondition::{Precondition, PreconditionHeaders, entity_tag},
};
