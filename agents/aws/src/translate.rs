//! Between our words and Amazon API Gateway's. No effects: data in, data out.
//!
//! An API becomes one REST API or one HTTP API: one OpenAPI document with AWS's extensions, and beside it what no
//! document can hold (the stage's settings, a usage plan, keys by the names of their secrets).

mod authorizers;
mod certificates;
mod cors;
mod document;
mod endpoint;
mod fidelity;
mod form;
mod headers;
mod integration;
mod judge;
mod kind;
mod limits;
mod native;
mod obstacles;
mod paths;
mod permissions;
mod remarks;
mod scene;
mod source;
mod splitting;
mod stage;
#[cfg(test)]
mod tests;
mod usage;
mod validation;

pub(crate) use self::{
    fidelity::{fidelity, support},
    form::{Form, Key, MethodSettings, Quota, Stage, Throttle, Trust, UsagePlan, form},
    kind::{Kind, kind},
    limits::limits,
    permissions::permissions_needed,
    remarks::remarks,
};

/// The upstream that a revision always has.
const MAIN: &str = "main";
