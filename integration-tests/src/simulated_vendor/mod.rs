//! A simulated vendor: a closed cloud API manager as its customers see it, for tests of what only vendors do.
//!
//! It is shaped like the API managers of the large clouds and is none of them. An account holds API objects; routes
//! and policies are put into an API's draft; a deployment is a snapshot of the draft; a stage points at a deployment,
//! and only what a stage points at is served. Calls are counted, throttled by published quotas, refused without
//! permission, seen late by readers, and answered wrongly on request. Everything that a test wants of it goes through
//! a second port, `/simulation/...`; the vendor's own port knows nothing of tests.

mod accounts;
mod answer;
mod behaviour;
mod decorate;
mod edits;
mod faults;
mod file;
mod hold;
mod invariants;
mod model;
mod operations;
mod quotas;
mod recorder;
mod routes;
mod seed;
mod server;
mod simulation;
mod store;
mod vendor;

pub use behaviour::PUBLISHED_QUOTAS;
pub use server::{Addresses, SimulatedVendor};

#[cfg(test)]
mod tests;
