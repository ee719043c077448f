//! A fake of Amazon API Gateway for tests: its control plane in both versions, and enough of its data plane.

pub mod emulators;
