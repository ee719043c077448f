//! A fake of Kong Gateway for tests: an Admin API that answers as a real one was recorded to, and a proxy that serves.

pub mod configuration;
pub mod proxy;
