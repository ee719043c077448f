//! The tutorial and the guides: their commands, executed as they stand. How: `page.rs`.

use std::fs;

use gatehouse_integration_tests::documents;

use crate::page::follow;

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

fn read(page: &str) -> String {
    fs::read_to_string(documents::repository().join(page)).unwrap()
}
