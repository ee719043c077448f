//! Tests of reading, with entities as a real Kong gives them.

mod definitions;
mod kong;
mod paths;
mod places;
mod plugins;
mod properties;
mod scale;
mod services;
mod versions;
