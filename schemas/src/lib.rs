//! The vocabulary every part of Gatehouse shares, and the pure decisions about it.
//!
//! Resources, policies, revisions, desired and observed state, and the functions that decide about
//! them: validate, canonicalise, fingerprint, compare, plan, classify. Nothing here reads a clock,
//! a file or the network, so every decision can be tested as data in, data out.

pub mod ability;
pub mod api;
pub mod canonical;
pub mod compatibility;
pub mod condition;
pub mod descriptor;
pub mod desired;
pub mod diff;
pub mod drift;
pub mod duplicate;
pub mod environment;
pub mod fidelity;
pub mod identity;
pub mod issue;
mod named;
pub mod observed;
pub mod openapi;
pub mod parse;
pub mod plan;
pub mod pointer;
pub mod policy;
pub mod quota;
pub mod reference;
pub mod removal;
pub mod resource;
pub mod revision;
pub mod route;
pub mod schedule;
pub mod select;
pub mod settings_form;
pub mod status;
pub mod three_way;
pub mod time;
pub mod upstream;
mod validate;
