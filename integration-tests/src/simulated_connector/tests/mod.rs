//! The behaviours that the contract lists, against the vendor over HTTP.

mod adopting;
mod crashing;
mod deploying;
mod discovering;
mod looking;
mod permissions;
mod throttling;
mod world;
