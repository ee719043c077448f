//! A simulated vendor: a closed cloud API manager as its customers see it, for tests of what only vendors do.
//!
//! It is shaped like the API managers of the large clouds and is none of them. An account holds API objects; routes
//! and policies are put into an API's draft; a deployment is a snapshot of the draft; a stage points at a deployment,
//! and only what a stage points at is served. Calls are counted, throttled by published quotas, refused without
//! permission, seen late by readers, and answered wrongly on request. Everything that a test wants of it goes through
//! a second port, `/simulation/...`; the vendor's own port knows nothing of tests.
//!
//! # The second port
//!
//! | `/simulation/...` | what it does |
//! |---|---|
//! | `POST keys {key, account, allow}` | a key; `allow` holds names of operations, `read`, `write`, `*` |
//! | `POST behaviour {quotaDivisor, consistencyMs, latencyMs, positionMs, pageLimit}` | published quotas (0: off; 1: as published; 20: a twentieth of each interval), how late readers see changes |
//! | `POST seed {account, count, operationsMin, operationsMax, prefix, seed, tags, stage}` | many APIs that somebody else made |
//! | `POST edits {account, api, edit: {kind, ...}, deploy}` | what people do in a console: `rename settings putRoute removeRoute putPolicy removePolicies tags dropTags removeStage delete` |
//! | `POST faults {operation, api, skip, times, effect: {kind, ...}}`, `DELETE faults` | `status reset lostReply truncated empty emptyList delay` for calls to come |
//! | `POST hold {request, when, operation}` | holds the so manieth call from now (of those that `operation` means, `write` if absent) `before` or `after` its effect |
//! | `GET held?timeoutMs=` | waits until it is held; `held` is null if it was not, `counted` how many calls counted |
//! | `POST release {outcome}`, `DELETE hold` | `proceed`, or `drop`: the connection ends, before the effect without it, after the effect without an answer |
//! | `GET counters`, `POST reset-counters` | calls, refusals for their rate and failures of each operation |
//! | `GET requests?after=` | every call |
//! | `GET state`, `GET stages`, `GET orphans` | everything it holds, every change of a stage, marked objects that nothing serves |
//! | `GET invariants` | what must never be so and was, and which operation did it (`simulation` for edits) |
//! | `POST expire-positions`, `POST clear`, `POST save` | positions of listings end; everything goes; the file is written |
//!
//! A held call happens on release although its caller was killed meanwhile, as at a real vendor.

mod accounts;
mod answer;
mod behaviour;
mod decorate;
mod edits;
mod faults;
mod file;
mod hold;
mod invariants;
mod model;
mod operations;
mod quotas;
mod recorder;
mod routes;
mod seed;
mod server;
mod simulation;
mod store;
mod vendor;

pub use behaviour::PUBLISHED_QUOTAS;
pub use server::{Addresses, SimulatedVendor};

#[cfg(test)]
mod tests;
