//! The conformance cases of the Kubernetes Gateway API for HTTP, against the native gateway over real sockets.
//!
//! `data` holds the project's own manifests and the requests and answers of its cases (Apache License 2.0). Each
//! test case gets the configurations that its manifests mean for this gateway, backends that tell what they were
//! asked, and its requests. What came of them is compared with `docs/conformance/gateway-api.md`; with
//! `UPDATE_EXPECT=1` the page is written anew.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "these are tests, helpers included"
)]

mod backends;
mod cases;
mod certificates;
mod client;
mod listeners;
mod repeated;
mod report;
mod running;
mod secured;
mod translate;
mod world;

use std::{fs, path::PathBuf};

use crate::{
    cases::Test,
    report::{Outcome, Row},
    world::World,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_says_which_cases_of_the_gateway_api_pass() {
    let tests = cases::all();
    let mut rows = Vec::new();
    for test in &tests {
        rows.push(Row {
            name: test.short_name.clone(),
            core: test.is_core(),
            outcome: outcome(test).await,
        });
    }
    let page = report::page(&rows);
    let place = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/conformance/gateway-api.md");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&place, &page).expect("the page can be written");
    }
    let written = fs::read_to_string(&place).unwrap_or_default();
    assert!(
        written == page,
        "docs/conformance/gateway-api.md is not what came of the cases; UPDATE_EXPECT=1 writes it:\n{page}"
    );
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = fs::read_to_string(readme).expect("the README can be read");
    let summary = report::summary(&rows);
    assert!(readme.contains(&summary), "the README lacks: {summary}");
}

async fn outcome(test: &Test) -> Outcome {
    if let Some(reason) = cases::not_applicable(test) {
        return Outcome::NotApplicable(reason);
    }
    let world = World::of(test).await;
    match running::check(test, &world).await {
        Ok(()) => Outcome::Passed,
        Err(reason) => Outcome::Failed(reason),
    }
}
