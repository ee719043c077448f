//! A connector of Gatehouse, and the agent that runs it.
//!
//! Six rooms: `config` (the settings of an environment), `client` (the gateway's HTTP), `error` (its refusals in the
//! contract's words), `translate` (our API to the gateway's words and back), `connector` (the contract), and the page
//! below. [`tiny_gateway`] is a gateway to try it on; remove it once the connector speaks to yours.
#![doc = include_str!("docs.md")]

pub mod client;
mod config;
mod connector;
mod error;
pub mod tiny_gateway;
mod translate;

pub use config::{ADMIN_TOKEN, GATEWAY_TYPE, ScaffoldSettings};
pub use connector::ScaffoldConnector;
