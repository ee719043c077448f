//! Discoveries that go on where another one stopped, and that read only what changed.

use gatehouse_control_plane_api::agent::{DiscoveryOutcome, ResumePosition};
use gatehouse_schemas::observed::DiscoveredItem;
use serde_json::json;

use super::{Stage, until};
use crate::{
    error::ErrorKind,
    memory::{Fault, test_support},
    operation::Operation,
};

const APIS: usize = 250;

/// A stage with so many large APIs that they need several pages.
async fn stage() -> Stage {
    let stage = Stage::new().await;
    for number in 0..APIS {
        let content = test_support::content(&format!("/foreign/{number}"));
        let id = stage
            .gateway
            .add_foreign(&format!("Foreign {number}"), content)
            .unwrap();
        let definition = json!({ "info": { "description": "x".repeat(20_000) } });
        stage.gateway.set_definition(&id, definition).unwrap();
    }
    stage
}

impl Stage {
    async fn discovered(&self) {
        until("the discovery has ended", || {
            !self.control_plane.world().completions.is_empty()
        })
        .await;
    }

    /// The identities of everything that was sent.
    fn found(&self) -> Vec<String> {
        let world = self.control_plane.world();
        let items = world.pages.values().flatten();
        items.map(|item| item.external_ref().0.clone()).collect()
    }
}

#[tokio::test]
async fn every_page_says_where_the_listing_goes_on() {
    let stage = stage().await;
    stage.control_plane.discover();
    stage.discovered().await;
    let world = stage.control_plane.world();
    assert!(world.pages.len() > 1);
    let last = *world.pages.keys().last().unwrap();
    for (number, items) in &world.pages {
        let position = world.positions[number].clone();
        let end = items.last().unwrap().external_ref().0.clone();
        // The in-memory gateway's position is the identity after which it goes on.
        assert_eq!(position, (*number != last).then_some(end), "page {number}");
    }
}

#[tokio::test]
async fn an_interrupted_run_goes_on_after_the_last_page_that_arrived() {
    let stage = stage().await;
    let ids: Vec<_> = stage.gateway.apis().into_keys().collect();
    let position = ids[99].0.clone();
    stage.control_plane.resume(ResumePosition {
        pages: 1,
        position: Some(position.clone()),
    });
    stage.discovered().await;
    assert_eq!(stage.found().len(), APIS - 100);
    assert!(stage.found().iter().all(|id| *id > position));
    let world = stage.control_plane.world();
    assert_eq!(world.pages.keys().next(), Some(&2));
    assert_eq!(world.completions[0].outcome, DiscoveryOutcome::Complete);
    assert_eq!(world.completions[0].pages as usize, world.pages.len() + 1);
}

#[tokio::test]
async fn a_run_that_lacks_only_its_end_is_ended() {
    let stage = stage().await;
    stage.control_plane.resume(ResumePosition {
        pages: 3,
        position: None,
    });
    stage.discovered().await;
    assert_eq!(stage.gateway.calls(Operation::Discover), 0);
    let world = stage.control_plane.world();
    assert_eq!(world.completions[0].outcome, DiscoveryOutcome::Complete);
    assert_eq!(world.completions[0].pages, 3);
}

#[tokio::test]
async fn a_position_that_is_not_taken_any_more_means_beginning_anew() {
    let stage = stage().await;
    stage
        .gateway
        .inject(Operation::Discover, [Fault::Fail(ErrorKind::Conflict)]);
    stage.control_plane.resume(ResumePosition {
        pages: 2,
        position: Some("long ago".to_owned()),
    });
    stage.discovered().await;
    assert_eq!(stage.found().len(), APIS);
    let world = stage.control_plane.world();
    assert_eq!(world.pages.keys().next(), Some(&3));
    assert_eq!(world.completions[0].outcome, DiscoveryOutcome::Complete);
}

#[tokio::test]
async fn a_listing_that_never_gets_on_breaks_off() {
    let stage = stage().await;
    let faults = vec![Fault::Fail(ErrorKind::Conflict); 99];
    stage.gateway.inject(Operation::Discover, faults);
    stage.control_plane.resume(ResumePosition {
        pages: 1,
        position: Some("long ago".to_owned()),
    });
    stage.discovered().await;
    let world = stage.control_plane.world();
    assert_eq!(world.completions[0].outcome, DiscoveryOutcome::Partial);
    assert!(stage.gateway.calls(Operation::Discover) < 10);
}

#[tokio::test]
async fn what_is_known_in_its_present_version_is_not_read_again() {
    let stage = stage().await;
    let apis = stage.gateway.apis();
    let versions = apis
        .iter()
        .map(|(id, api)| (id.0.clone(), api.version.to_string()));
    stage.control_plane.world().inventory = versions.collect();
    let (edited, _) = apis.first_key_value().unwrap();
    stage.gateway.rename(edited, "Another name").unwrap();
    stage.control_plane.discover();
    stage.discovered().await;
    let world = stage.control_plane.world();
    let items: Vec<_> = world.pages.values().flatten().collect();
    let unchanged = |item: &&&DiscoveredItem| matches!(item, DiscoveredItem::Unchanged { .. });
    assert_eq!(items.iter().filter(unchanged).count(), APIS - 1);
    assert_eq!(items.len(), APIS);
    assert_eq!(world.inventory_asked, 1, "once, however many pages");
    assert_eq!(world.pages.len(), 1, "little was sent");
}

#[tokio::test]
async fn names_and_tags_are_filtered_wherever_the_gateway_cannot() {
    let stage = stage().await;
    let ids: Vec<_> = stage.gateway.apis().into_keys().collect();
    stage.gateway.set_tags(&ids[0], &["public"]).unwrap();
    stage
        .control_plane
        .discover_with(|filter| filter.names = vec!["Foreign 1*".to_owned()]);
    stage.discovered().await;
    let expected = (0..APIS)
        .filter(|number| number.to_string().starts_with('1'))
        .count();
    assert_eq!(stage.found().len(), expected);
    stage.control_plane.world().completions.clear();
    stage.control_plane.world().pages.clear();
    stage
        .control_plane
        .discover_with(|filter| filter.tags = vec!["public".to_owned()]);
    stage.discovered().await;
    assert_eq!(stage.found(), [ids[0].0.clone()]);
}

#[tokio::test]
async fn lost_answers_to_pages_and_completion_do_no_harm() {
    let stage = stage().await;
    stage.control_plane.world().lose_answers = 5;
    stage.control_plane.discover();
    until("nothing is lost any more", || {
        let world = stage.control_plane.world();
        world.lose_answers == 0 && !world.completions.is_empty()
    })
    .await;
    let mut found = stage.found();
    found.sort();
    found.dedup();
    assert_eq!(found.len(), APIS);
    let world = stage.control_plane.world();
    assert_eq!(world.completions[0].outcome, DiscoveryOutcome::Complete);
}

#[tokio::test]
async fn a_finding_too_large_to_send_is_told_as_unreadable() {
    let stage = Stage::new().await;
    let id = stage
        .gateway
        .add_foreign("Large", test_support::content("/large"))
        .unwrap();
    let definition = json!({ "info": { "description": "x".repeat(8 << 20) } });
    stage.gateway.set_definition(&id, definition).unwrap();
    stage.control_plane.discover();
    stage.discovered().await;
    let world = stage.control_plane.world();
    let items: Vec<_> = world.pages.values().flatten().collect();
    match items[..] {
        [DiscoveredItem::Unreadable { reason, .. }] => {
            for part in [
                "it is too large (",
                " bytes; at most ",
                " can be taken); make its definition smaller on the gateway",
            ] {
                assert!(reason.contains(part), "{part}: {reason}");
            }
        }
        _ => panic!("{} items", items.len()),
    }
}
