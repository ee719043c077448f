//! What `schemas/wit` says, in Rust.

#![allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    reason = "generated from the WIT files, which say what everything is"
)]

/// Modules for requests.
pub(super) mod requests {
    wasmtime::component::bindgen!({
        path: "../schemas/wit",
        world: "request-policy",
        exports: { default: async },
        additional_derives: [PartialEq],
    });
}

/// Modules for answers.
pub(super) mod responses {
    wasmtime::component::bindgen!({
        path: "../schemas/wit",
        world: "response-policy",
        exports: { default: async },
        with: { "gatehouse:policy/types": super::requests::gatehouse::policy::types, "gatehouse:policy/log": super::requests::gatehouse::policy::log },
    });
}
