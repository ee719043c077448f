//! The native gateway with its agent: the connector that feeds `gateway-core`, and what runs the two together
//! in one process.
#![doc = include_str!("docs.md")]

mod config;
mod connector;
mod error;
mod gateway;
mod local;
mod translate;

pub use config::{GATEWAY_TYPE, NativeOptions, NativeSettings};
pub use connector::NativeConnector;
pub use error::NativeError;
pub use gateway::NativeGateway;
