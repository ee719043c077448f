//! Tests of reading, with entities as a real Kong gives them.

mod kong;
mod paths;
