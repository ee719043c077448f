//! The tutorial and the guides: their commands, executed as they stand. How: `page.rs`.

use std::fs;

use gatehouse_fake_kong::FakeKongOptions;
use gatehouse_integration_tests::{documents, kong::Kong};

use crate::page::{follow, follow_beside};

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_tutorial_does_what_the_page_says() {
    let home = tempfile::tempdir().unwrap();
    fs::copy(documents::github(), home.path().join("github-openapi.json")).unwrap();
    follow(&read("docs/tutorial.md"), home.path()).await;
}

/// It makes a connector's crate, and builds and tests it: `connector new` gives something that works.
#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_guide_to_agents_does_what_the_page_says() {
    let home = tempfile::tempdir().unwrap();
    follow(&read("docs/guides/write-your-own-agent.md"), home.path()).await;
}

/// On a fake Kong in place of the reader's.
#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_guide_to_kong_does_what_the_page_says() {
    let home = tempfile::tempdir().unwrap();
    let kong = Kong::fake(FakeKongOptions::default()).await;
    let page = read("docs/guides/kong.md")
        .replace("choose-something-long", gatehouse_integration_tests::kong::TOKEN);
    let address = |url: &str| url.trim_start_matches("http://").to_owned();
    let beside = [
        ("127.0.0.1:8001", address(&kong.admin_url)),
        ("127.0.0.1:8000", address(&kong.proxy_url)),
    ];
    follow_beside(
        &page,
        home.path(),
        &["gatehouse", "gatehouse-agent-kong"],
        &beside,
    )
    .await;
}

fn read(page: &str) -> String {
    fs::read_to_string(documents::repository().join(page)).unwrap()
}
