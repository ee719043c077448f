//! Tests of reading, with exports as AWS gives them.

mod aws;
mod certificates;
mod changes;
mod definitions;
mod guards;
mod limits;
mod private;
mod properties;
mod settings;
mod streaming;
mod ways;
