//! Tests of reading, with exports as AWS gives them.

mod aws;
mod changes;
mod definitions;
mod guards;
mod limits;
mod properties;
mod settings;
mod ways;
