//! The control plane's server: the Admin API (`/api/v1`) for people and programs, the Agent API
//! (`/agent/v1`) for agents, authentication, and an interactive page at `/docs`.
//!
//! Decisions are pure functions of `gatehouse-schemas`, and all SQL is in `gatehouse-control-plane-store`; this
//! crate reads requests, calls both in one transaction, and writes answers. Making gateways do what is desired is the
//! agents' job.

mod access;
mod admin_api;
mod agent_api;
mod authentication;
mod bootstrap;
mod drift_policy;
mod extract;
mod failure;
mod health;
mod metrics;
mod missing;
pub mod openapi;
mod options;
mod reconcile;
mod request;
mod rollouts;
mod routes;
mod schedules;
mod server;
mod state;
mod status;
mod token;
mod write;

pub use self::{
    bootstrap::{TokenError, create_join_token, create_token},
    options::ServerOptions,
    server::{Server, StartError},
};
