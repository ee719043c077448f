//! For people who write connectors: the contract, its errors, the layers around it, the runtime that
//! speaks with the control plane, and the in-memory connector that is the reference implementation.
//!
//! The whole of an agent's program, here with the connector of a gateway that lives in memory:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use gatehouse_connector_sdk::{
//!     memory::{MemoryConnector, MemoryGateway},
//!     runtime::run_agent,
//! };
//!
//! fn main() -> ExitCode {
//!     run_agent(MemoryConnector::new(MemoryGateway::new()))
//! }
//! ```
//!
//! A connector of one's own begins with [`connector::Connector`]; the words for APIs, policies and plans are in [`schemas`].

pub mod backoff;
pub mod conformance;
pub mod connector;
pub mod context;
pub mod error;
pub mod fidelity;
pub mod journal;
pub mod layers;
pub mod memory;
#[cfg(test)]
mod misbehaving;
pub mod monitor;
pub mod operation;
pub mod packed;
pub mod runtime;
pub mod scheduler;
pub mod settings;

/// The vocabulary and the pure decisions that connectors share with the rest of Gatehouse.
pub use gatehouse_schemas as schemas;
