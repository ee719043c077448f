//! The connector between Gatehouse and Kong: Kong Gateway with a database or without, and Konnect.
//!
//! Rooms: `config` (the settings of an environment), `client` (the Admin API's HTTP), `error` (its refusals in the
//! contract's words), [`entities`] (what Kong holds), `portal` (definitions that Kong keeps), `translate` (our API to
//! Kong's words), `connector` (the contract).

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
