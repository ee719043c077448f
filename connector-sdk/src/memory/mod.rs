//! The in-memory connector: the reference implementation of the contract and everybody's test double.
//!
//! [`MemoryGateway`] is a gateway that lives in this process, or in a file so that it outlives it; faults can
//! be put in. [`MemoryConnector`] speaks to it, and is the shortest honest connector there is.

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
