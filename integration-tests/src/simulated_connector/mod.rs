//! The connector to the simulated vendor: written as a connector to a real one would be, against the SDK and over HTTP.

mod client;
mod config;
mod connector;
mod content;
mod deploy;
mod discover;
mod error;
mod form;
mod locate;
mod observe;
mod permissions;
mod policies;
mod translate;
mod undeploy;

pub use config::{GATEWAY_TYPE, SimulatedSettings};
pub use connector::SimulatedConnector;

#[cfg(test)]
mod tests;
