//! Where Konnect takes other calls than a Kong of one's own.

use gatehouse_connector_sdk::error::ErrorKind;
use serde_json::{Map, Value, json};

use crate::{
    client::Created,
    entities::{Collection, Entity},
    test_support::{CONTROL_PLANE, Table, konnect, prism::Prism},
};

/// What Konnect publishes of the entities of a control plane.
const DESCRIPTION: &str = "konnect-control-planes-config-v2-openapi.yaml";

fn entity(value: Value) -> Entity {
    Entity::of(value)
}

fn fields(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

#[tokio::test]
async fn an_entity_of_konnect_is_changed_whole() {
    let place = format!("/v2/control-planes/{CONTROL_PLANE}/core-entities/services/s");
    let service = json!({"id": "s", "name": "pets", "host": "a.test", "enabled": false, "tags": ["mine"]});
    let table = Table::serve(vec![(&place, 200, service)]).await;
    let change = fields(&json!({"enabled": true, "tags": null}));
    konnect(table.address)
        .await
        .patch(Collection::Services, "s", &change)
        .await
        .unwrap();
    let written = r#"{"enabled":true,"host":"a.test","id":"s","name":"pets","tags":null}"#;
    assert_eq!(table.asked(), [place.clone(), format!("PUT {place} {written}")]);
}

#[tokio::test]
async fn konnect_takes_every_call_of_a_deployment() {
    let Some(prism) = Prism::start(DESCRIPTION).await else {
        return;
    };
    let client = konnect(prism.below("/v2", None).await).await;
    let (id, tags) = (
        "7710d5c4-d902-410b-992f-18b814155b53",
        ["gatehouse", "gatehouse-api:7710d5c4"],
    );
    let service = entity(json!({"id": id, "name": "pets", "host": "a.test", "enabled": false, "tags": tags}));
    assert!(matches!(
        client.create(Collection::Services, &service).await.unwrap(),
        Created::New
    ));
    let parts = [
        (
            Collection::Routes,
            json!({"id": id, "name": "r", "paths": ["~/pets$"], "service": {"id": id}, "tags": tags}),
        ),
        (
            Collection::Plugins,
            json!({"id": id, "name": "key-auth", "service": {"id": id}, "config": {"key_names": ["apikey"]}}),
        ),
        (
            Collection::Consumers,
            json!({"id": id, "username": "shop", "tags": tags}),
        ),
        (
            Collection::KeyAuths,
            json!({"id": id, "key": "k", "consumer": {"id": id}, "tags": tags}),
        ),
        (
            Collection::Acls,
            json!({"id": id, "group": "g", "consumer": {"id": id}, "tags": tags}),
        ),
        (
            Collection::Upstreams,
            json!({"id": id, "name": "many.test", "tags": tags}),
        ),
        (
            Collection::Targets,
            json!({"id": id, "target": "a.test:80", "upstream": {"id": id}, "tags": tags}),
        ),
    ];
    for (collection, part) in parts {
        let part = entity(part);
        client.put(collection, &part).await.unwrap();
        client.delete(collection, &part).await.unwrap();
    }
    client
        .patch(Collection::Services, id, &fields(&json!({"enabled": true})))
        .await
        .unwrap();
    for collection in [
        Collection::Services,
        Collection::Routes,
        Collection::Plugins,
        Collection::Consumers,
        Collection::KeyAuths,
    ] {
        assert!(
            !client.list_tagged(collection, &tags).await.unwrap().is_empty(),
            "{collection:?}"
        );
    }
}

#[tokio::test]
async fn what_konnect_refuses_is_told_in_its_words() {
    let refusal = json!({"status": 403, "title": "Forbidden", "detail": "You do not have permission", "instance": "kong:trace:1"});
    let place = format!("/v2/control-planes/{CONTROL_PLANE}/core-entities/services/s");
    let table = Table::serve(vec![(&place, 403, refusal)]).await;
    let error = konnect(table.address)
        .await
        .get(Collection::Services, "s")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert!(
        error.message().contains("with 403: You do not have permission; "),
        "{}",
        error.message()
    );
}
