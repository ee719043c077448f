//! Discovering.

use std::{collections::BTreeMap, sync::Arc};

use gatehouse_connector_sdk::{connector::PageRequest, error::ErrorKind};
use gatehouse_schemas::{
    canonical::Fingerprint,
    identity::ExternalRef,
    observed::{DiscoveredItem, ObservedApi},
    openapi,
};
use serde_json::json;

use super::world::{ACCOUNT, World, desired, key_required};

fn known(items: &[DiscoveredItem]) -> Arc<BTreeMap<ExternalRef, String>> {
    let versions = items.iter().filter_map(|item| match item {
        DiscoveredItem::Api(api) => Some((api.external_ref.clone(), api.version.clone()?)),
        _ => None,
    });
    Arc::new(versions.collect())
}

async fn everything(world: &World, request: &PageRequest) -> Vec<DiscoveredItem> {
    let mut items = Vec::new();
    let mut request = request.clone();
    loop {
        let page = world.page(request.clone()).await.unwrap();
        items.extend(page.items);
        request.position = page.next;
        if request.position.is_none() {
            return items;
        }
    }
}

fn request(limit: usize) -> PageRequest {
    PageRequest {
        limit,
        ..PageRequest::default()
    }
}

fn api(item: &DiscoveredItem) -> &ObservedApi {
    match item {
        DiscoveredItem::Api(api) => api,
        other => panic!("{other:?}"),
    }
}

async fn seeded(count: u64) -> World {
    let world = World::start().await;
    world
        .tell("seed", json!({"account": ACCOUNT, "count": count}))
        .await;
    world
}

#[tokio::test]
async fn following_the_pages_lists_everything_once() {
    let world = seeded(23).await;
    for limit in [1, 5, 23, 100] {
        let items = everything(&world, &request(limit)).await;
        let mut found: Vec<&str> = items.iter().map(|item| item.external_ref().0.as_str()).collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!((items.len(), found.len()), (23, 23));
    }
    assert_eq!(world.writes().await, 0);
}

#[tokio::test]
async fn what_was_imported_from_a_document_reads_as_the_document_says() {
    let world = seeded(5).await;
    for item in everything(&world, &request(100)).await {
        let api = api(&item);
        let document = api.definition.as_ref().unwrap();
        let definition = openapi::read(document).unwrap();
        assert_eq!(definition.operations, api.content.operations);
        let summary = api.content.definition.as_ref().unwrap();
        assert_eq!(summary.fingerprint, Fingerprint::of_value(document));
        assert_eq!(api.fingerprint, Fingerprint::of(&api.content).unwrap());
        assert_eq!(api.tags.len(), 2, "{:?}", api.tags);
        assert_eq!(api.mark, None);
    }
}

#[tokio::test]
async fn what_is_known_costs_no_call_of_its_own() {
    let world = seeded(12).await;
    let first = everything(&world, &request(100)).await;
    let again = PageRequest {
        known: known(&first),
        ..request(100)
    };
    world
        .edit("service-00003", json!({"kind": "rename", "name": "renamed"}))
        .await;
    world.tell("reset-counters", json!({})).await;
    let second = everything(&world, &again).await;
    let changed: Vec<&str> = second
        .iter()
        .filter(|item| matches!(item, DiscoveredItem::Api(_)))
        .map(DiscoveredItem::name)
        .collect();
    assert_eq!(changed, ["renamed"]);
    let counters = world.look("counters").await;
    assert_eq!(counters["GetExport"]["calls"], 1);
    assert_eq!(counters["GetApis"]["calls"], 1);
}

#[tokio::test]
async fn what_cannot_be_read_is_told_and_the_listing_goes_on() {
    let world = seeded(6).await;
    let ids: Vec<String> = world
        .objects()
        .await
        .iter()
        .map(|it| it["id"].as_str().unwrap().to_owned())
        .collect();
    for (id, status) in ids.iter().zip([403, 404, 500]) {
        let effect = json!({"kind": "status", "status": status});
        world
            .fault(json!({"operation": "GetExport", "api": id, "effect": effect}))
            .await;
    }
    let items = everything(&world, &request(2)).await;
    let unreadable: Vec<&DiscoveredItem> = items
        .iter()
        .filter(|item| matches!(item, DiscoveredItem::Unreadable { .. }))
        .collect();
    assert_eq!((items.len(), unreadable.len()), (6, 3));
}

#[tokio::test]
async fn a_page_that_cannot_be_read_is_an_error_and_never_an_empty_page() {
    let world = seeded(4).await;
    let position = world.page(request(2)).await.unwrap().next;
    for (effect, kind) in [
        (json!({"kind": "status", "status": 500}), ErrorKind::Unavailable),
        (json!({"kind": "status", "status": 403}), ErrorKind::Forbidden),
        (json!({"kind": "truncated"}), ErrorKind::Unavailable),
        (json!({"kind": "empty"}), ErrorKind::Unavailable),
        (json!({"kind": "reset"}), ErrorKind::Unavailable),
        (json!({"kind": "lostReply"}), ErrorKind::Unavailable),
    ] {
        for position in [None, position.clone()] {
            world
                .fault(json!({"operation": "GetApis", "times": 1, "effect": effect}))
                .await;
            let request = PageRequest {
                position,
                ..request(2)
            };
            let error = world.page(request).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{effect}");
        }
    }
}

#[tokio::test]
async fn a_position_that_is_not_good_any_more_is_a_conflict() {
    let world = seeded(4).await;
    let next = PageRequest {
        position: world.page(request(2)).await.unwrap().next,
        ..request(2)
    };
    world.tell("expire-positions", json!({})).await;
    let error = world.page(next).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.message().contains("begins anew"), "{}", error.message());
}

#[tokio::test]
async fn filters_let_through_what_they_say_and_nothing_else_is_read() {
    let world = seeded(12).await;
    world
        .edit("service-00001", json!({"kind": "tags", "with": {"public": ""}}))
        .await;
    world
        .edit("service-00002", json!({"kind": "removeStage", "stage": "live"}))
        .await;
    for (filter, expected) in [
        (json!({"names": ["service-0000?"]}), 10),
        (json!({"names": ["*-00011", "nothing"]}), 1),
        (json!({"tags": ["public"]}), 1),
        (json!({"tags": ["public", "nothing"], "names": ["*"]}), 1),
        (json!({"tags": ["tier=nothing"]}), 0),
        (json!({"selector": {"stage": "live"}}), 11),
    ] {
        world.tell("reset-counters", json!({})).await;
        let request = PageRequest {
            filter: serde_json::from_value(filter.clone()).unwrap(),
            ..request(100)
        };
        let items = everything(&world, &request).await;
        assert_eq!(items.len(), expected, "{filter}");
        let counters = world.look("counters").await;
        let reads = counters["GetExport"]["calls"].as_u64().unwrap_or_default();
        assert_eq!(reads, u64::try_from(expected).unwrap(), "{filter}");
    }
    let request = PageRequest {
        filter: serde_json::from_value(json!({"selector": {"region": "eu"}})).unwrap(),
        ..request(100)
    };
    let error = world.page(request).await.unwrap_err();
    assert_eq!(
        error.message(),
        "the selector `region` is not known; there is `stage`, the name of a stage; correct the discovery's filter"
    );
}

#[tokio::test]
async fn what_is_ours_is_listed_with_its_mark() {
    let world = World::start().await;
    let desired = desired(1, 3, json!([key_required()]));
    world.deploy(&desired).await.unwrap();
    let items = everything(&world, &request(100)).await;
    let api = api(&items[0]);
    assert_eq!(api.mark.as_ref(), Some(&desired.mark));
    assert_eq!(api.fingerprint, desired.fingerprint);
    assert_eq!(api.tags, Vec::<String>::new());
}
