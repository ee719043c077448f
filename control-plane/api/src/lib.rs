//! The interfaces of the control plane: request and response types of the Admin API and the Agent API,
//! problem types, and small clients. No server and no SQL.

pub mod admin;
pub mod agent;
pub mod agent_client;
pub mod client;
pub mod problem;
