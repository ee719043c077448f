//! The in-memory connector: the reference implementation of the contract and everybody's test double.
//!
//! [`MemoryGateway`] is a gateway that lives in this process, or in a file so that it outlives it; faults can
//! be put in. [`MemoryConnector`] speaks to it, and is the shortest honest connector there is.
//!
//! ```
//! # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
//! # acme::run(async {
//! use gatehouse_connector_sdk::{
//!     connector::Connector,
//!     error::ErrorKind,
//!     memory::{Fault, MemoryConnector, MemoryGateway},
//!     operation::Operation,
//!     schemas::environment::Mode,
//! };
//!
//! # let context = acme::context(Mode::ReadWrite);
//! # let request = acme::first_deploy();
//! let gateway = MemoryGateway::new();
//! let connector = MemoryConnector::new(gateway.clone());
//! gateway.inject(Operation::Deploy, [Fault::Fail(ErrorKind::Unavailable)]);
//!
//! let failed = connector.deploy(&context, &request).await.unwrap_err();
//! assert_eq!(failed.kind(), ErrorKind::Unavailable);
//! assert!(gateway.apis().is_empty());
//!
//! let deployed = connector.deploy(&context, &request).await?;
//! assert!(gateway.apis().contains_key(&deployed.external_ref));
//! # Ok(())
//! # });
//! ```

mod check;
mod connector;
mod deploying;
mod edits;
mod faults;
mod file;
mod gateway;
mod settings;
mod stored;

pub use connector::MemoryConnector;
pub use faults::Fault;
pub use gateway::MemoryGateway;
pub use settings::MemorySettings;
pub use stored::StoredApi;

#[cfg(test)]
pub(crate) mod test_support;
#[cfg(test)]
mod tests;
