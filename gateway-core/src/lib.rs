//! The native gateway's data plane: router, policies, upstreams, TLS, snapshot store.
//!
//! It knows nothing of the control plane: whoever embeds it puts APIs in and takes them out.

mod admin;
mod api;
pub mod config;
mod core;
mod error;
pub mod explain;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod gateway;
mod guard;
mod metrics;
mod options;
mod policy;
mod prepared;
mod proxy;
mod router;
mod shared_limits;
mod snapshot;
mod table;
mod telemetry;
mod tls;
mod traffic;
mod upstream;
mod worker;

pub use config::{ApiConfig, Secret};
pub use error::{ApplyError, StartError};
pub use gateway::Gateway;
pub use options::{
    ClientAddressHeader, GatewayOptions, ListenerOptions, ListenerProtocol, RedisOptions, TlsOptions,
};
pub use policy::{support::policy_support, validate::unusable_schema};
pub use prepared::Prepared;
pub use telemetry::{OtlpReceiver, Sampler, TelemetryOptions, TraceContextFrom, VariableError};
pub use tls::CertificateError;
