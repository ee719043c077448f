//! The connector between Gatehouse and Kong: Kong Gateway with a database or without, and Konnect.
//!
//! Rooms: `config` (the settings of an environment), `client` (the Admin API's HTTP), `error` (its refusals in the
//! contract's words), [`entities`] (what Kong holds), `translate` (our API to Kong's words), `holding`, `record` and
//! `observed` (what a Kong holds of an API of ours, back in our words), [`read`] (what others made, in our words),
//! `portal` (definitions that a portal has of it), `connector` (the contract).

mod client;
mod config;
mod connector;
pub mod entities;
mod error;
mod holding;
mod observed;
mod portal;
pub mod read;
mod record;
#[cfg(test)]
mod test_support;
mod translate;

pub use config::{ADMIN_TOKEN, CLIENT_CERTIFICATE, GATEWAY_TYPE, KongSettings};
pub use connector::KongConnector;
