//! Discoveries: everything is sent, and how it ended.

use gatehouse_control_plane_api::agent::DiscoveryOutcome;
use gatehouse_schemas::observed::DiscoveredItem;

use super::{Stage, until};
use crate::{
    error::ErrorKind,
    memory::{Fault, test_support},
    operation::Operation,
};

#[tokio::test]
async fn a_discovery_sends_everything_and_says_that_it_is_complete() {
    let stage = Stage::new().await;
    for number in 0..250 {
        let content = test_support::content(&format!("/foreign/{number}"));
        stage
            .gateway
            .add_foreign(&format!("Foreign {number}"), content)
            .unwrap();
    }
    stage.control_plane.discover();
    until("it is complete", || {
        !stage.control_plane.world().completions.is_empty()
    })
    .await;
    let world = stage.control_plane.world();
    assert_eq!(world.completions[0].outcome, DiscoveryOutcome::Complete);
    assert_eq!(world.completions[0].pages as usize, world.pages.len());
    let items = world.pages.values().flatten();
    let apis = items.filter(|item| matches!(item, DiscoveredItem::Api(_)));
    assert_eq!(apis.count(), 250);
}

#[tokio::test]
async fn a_discovery_that_breaks_off_says_so_and_why() {
    let stage = Stage::new().await;
    stage
        .gateway
        .inject(Operation::Discover, [Fault::Fail(ErrorKind::Forbidden)]);
    stage.control_plane.discover();
    until("it has failed", || {
        !stage.control_plane.world().completions.is_empty()
    })
    .await;
    let world = stage.control_plane.world();
    assert_eq!(world.completions[0].outcome, DiscoveryOutcome::Failed);
    assert_eq!(world.completions[0].pages, 0);
    assert!(world.completions[0].message.is_some());
}

#[tokio::test]
async fn what_was_found_before_a_listing_broke_off_is_sent() {
    let stage = Stage::new().await;
    for number in 0..250 {
        let content = test_support::content(&format!("/foreign/{number}"));
        stage
            .gateway
            .add_foreign(&format!("Foreign {number}"), content)
            .unwrap();
    }
    let second_page_fails = [
        Fault::Delay(std::time::Duration::ZERO),
        Fault::Fail(ErrorKind::Forbidden),
    ];
    stage.gateway.inject(Operation::Discover, second_page_fails);
    stage.control_plane.discover();
    until("it has ended", || {
        !stage.control_plane.world().completions.is_empty()
    })
    .await;
    let world = stage.control_plane.world();
    assert_eq!(world.completions[0].outcome, DiscoveryOutcome::Partial);
    assert_eq!(world.completions[0].pages, 1);
    assert!(world.completions[0].message.is_some());
    assert_eq!(world.pages.values().flatten().count(), 100);
}
