//! The crash matrix: each process killed with `kill -9` before and after every message of every kind of work, and
//! what must hold afterwards checked each time.
//!
//! The cases are generated: a run without a crash lists the messages, and [`boundary::crashes`] makes cases of them.

pub mod boundary;
pub mod case;
pub mod proxy;
pub mod scenario;
pub mod world;
