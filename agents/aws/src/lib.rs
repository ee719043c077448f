//! The connector between Gatehouse and Amazon API Gateway: REST APIs and HTTP APIs.

pub mod read;
