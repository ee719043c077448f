//! What the stories and the benchmark share: the built binaries as processes, real upstreams, a JSON client,
//! fresh databases. It knows Gatehouse from outside only: command lines, HTTP and files.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "this is test support: whatever fails here is a failed test, and the message says why"
)]

pub mod admin;
pub mod aws;
pub mod balancer;
pub mod binaries;
pub mod cli;
pub mod control_plane;
pub mod crash_matrix;
pub mod database;
pub mod documents;
pub mod gateway;
pub mod kong;
pub mod load;
pub mod memory_agent;
pub mod ports;
pub mod process;
pub mod simulated;
pub mod simulated_connector;
pub mod simulated_vendor;
pub mod stack;
pub mod upstream;
pub mod wait;
