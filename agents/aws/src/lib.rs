//! The connector between Gatehouse and Amazon API Gateway: REST APIs and HTTP APIs.
//!
//! Rooms: `config` (the settings of an environment), `client` (AWS's official clients with an environment's credentials),
//! `error` (AWS's refusals in the contract's words).

mod client;
mod config;
mod error;
mod translate;

pub use config::{
    ACCESS_KEY_ID, AwsSettings, GATEWAY_TYPE, LambdaAuthorizer, SECRET_ACCESS_KEY, SESSION_TOKEN,
};
