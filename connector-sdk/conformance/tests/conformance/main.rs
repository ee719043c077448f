//! The suite proven: its words are the contract's, the in-memory connector passes, and each broken connector is caught.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

mod broken;
mod broken_agents;
mod memory;
mod pages;
mod words;
