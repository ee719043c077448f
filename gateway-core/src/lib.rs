//! The native gateway's data plane: router, policies, upstreams, TLS, snapshot store.
//!
//! It knows nothing of the control plane: whoever embeds it puts APIs in and takes them out.

pub mod config;
mod error;
mod gateway;
mod options;

pub use config::ApiConfig;
pub use error::{ApplyError, StartError};
pub use gateway::Gateway;
pub use options::{GatewayOptions, TlsOptions};
