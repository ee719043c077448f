//! The connector between Gatehouse and Amazon API Gateway: REST APIs and HTTP APIs.
//!
//! Rooms: `config` (the settings of an environment), `partition` (which part of AWS that is), `client` (AWS's official clients with an environment's credentials),
//! `quotas` (how often AWS lets an account call), `error` (AWS's refusals in the contract's words), `apis` (what an account
//! holds of an API, and the calls that change it), `mark` and `record` (whose it is, and what was applied), `translate` (our
//! API in AWS's words), [`read`] (what others made, in our words), `hints` (what AWS tells of changes), `connector` (the contract).

mod apis;
mod client;
mod config;
mod connector;
mod error;
mod hints;
mod mark;
mod partition;
mod quotas;
pub mod read;
mod record;
mod translate;

pub use config::{
    ACCESS_KEY_ID, AwsSettings, GATEWAY_TYPE, LambdaAuthorizer, SECRET_ACCESS_KEY, SESSION_TOKEN,
};
pub use connector::AwsConnector;
