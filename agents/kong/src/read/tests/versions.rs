//! Versions, and what changes them.

use serde_json::{Value, json};

use super::kong::{a_plugin, a_route, a_service, consumers, of_service};
use crate::{
    entities::Entity,
    read::{Index, Snapshot, version},
};

/// Two services; the first has a route, plugins of every scope, an upstream and callers.
fn everything() -> Snapshot {
    let of = |id: &str, fields: Value| {
        let mut entity = Entity::of(fields);
        entity.0.insert("id".to_owned(), json!(id));
        entity
    };
    let mut snapshot = Snapshot {
        services: vec![
            a_service(json!({"host": "pool"})),
            a_service(json!({"id": "s2", "name": "other"})),
        ],
        routes: vec![
            a_route("r1", json!({})),
            a_route("r2", json!({"service": {"id": "s2"}})),
        ],
        plugins: vec![
            of_service("key-auth", json!({})),
            of_service("acl", json!({"allow": ["gold"]})),
            a_plugin("cors", json!({}), json!({"route": {"id": "r1"}})),
            a_plugin("bot-detection", json!({}), json!({})),
            a_plugin(
                "rate-limiting",
                json!({"minute": 1}),
                json!({"consumer": {"id": "alice"}}),
            ),
            a_plugin("file-log", json!({}), json!({"service": {"id": "s2"}})),
        ],
        upstreams: vec![
            of("u1", json!({"name": "pool", "slots": 100})),
            of("u2", json!({"name": "else"})),
        ],
        targets: vec![of(
            "t1",
            json!({"target": "a:1", "upstream": {"id": "u1"}, "weight": 100}),
        )],
        ..Snapshot::default()
    };
    consumers(&mut snapshot);
    snapshot
}

fn version_of(snapshot: &Snapshot) -> String {
    version(&Index::new(snapshot), &snapshot.services[0])
}

fn collections(snapshot: &mut Snapshot) -> [(&'static str, &mut Vec<Entity>); 9] {
    [
        ("services", &mut snapshot.services),
        ("routes", &mut snapshot.routes),
        ("plugins", &mut snapshot.plugins),
        ("upstreams", &mut snapshot.upstreams),
        ("targets", &mut snapshot.targets),
        ("consumers", &mut snapshot.consumers),
        ("key_auths", &mut snapshot.key_auths),
        ("basic_auths", &mut snapshot.basic_auths),
        ("acls", &mut snapshot.acls),
    ]
}

/// What does not belong to the first service: its callers are those of group `gold`.
const OF_OTHERS: [&str; 9] = [
    "services 1",
    "routes 1",
    "plugins 5",
    "upstreams 1",
    "consumers 1",
    "key_auths 1",
    "basic_auths 1",
    "none",
    "none",
];

#[test]
fn every_field_of_everything_that_belongs_to_a_service_counts() {
    let before = version_of(&everything());
    assert_eq!(version_of(&everything()), before);
    for collection in 0..9 {
        for index in 0..collections(&mut everything())[collection].1.len() {
            let fields: Vec<String> = collections(&mut everything())[collection].1[index]
                .0
                .keys()
                .cloned()
                .collect();
            for field in fields.iter().chain([&"another".to_owned()]) {
                let mut snapshot = everything();
                let (name, entities) = &mut collections(&mut snapshot)[collection];
                let place = format!("{name} {index}");
                entities[index].0.insert(field.clone(), json!("changed"));
                // Another owner or id makes it another's, and a change of the service, too.
                let belongs = !OF_OTHERS.contains(&place.as_str());
                let is_time = matches!(field.as_str(), "created_at" | "updated_at");
                let changed = version_of(&snapshot) != before;
                let moved = matches!(
                    field.as_str(),
                    "id" | "service" | "route" | "consumer" | "upstream" | "name"
                );
                if !moved || belongs {
                    assert_eq!(changed, belongs && !is_time, "{place} {field}");
                }
            }
        }
    }
}

#[test]
fn what_comes_and_goes_counts() {
    let before = version_of(&everything());
    let belonging = [
        "routes 0",
        "plugins 0",
        "plugins 2",
        "plugins 3",
        "plugins 4",
        "targets 0",
        "acls 0",
        "key_auths 0",
    ];
    for collection in 0..9 {
        for index in 0..collections(&mut everything())[collection].1.len() {
            let mut snapshot = everything();
            let (name, entities) = &mut collections(&mut snapshot)[collection];
            let place = format!("{name} {index}");
            if place.starts_with("services") {
                continue;
            }
            entities.remove(index);
            let changed = version_of(&snapshot) != before;
            if belonging.contains(&place.as_str()) || OF_OTHERS.contains(&place.as_str()) {
                assert_eq!(changed, belonging.contains(&place.as_str()), "{place}");
            }
        }
    }
}

#[test]
fn every_caller_counts_where_no_group_is_named() {
    let mut open = everything();
    open.plugins.remove(1);
    let before = version_of(&open);
    open.key_auths[1].0.insert("key".to_owned(), json!("another"));
    assert_ne!(version_of(&open), before);
}

#[test]
fn the_order_of_a_listing_and_the_time_a_key_has_left_do_not() {
    let mut snapshot = everything();
    snapshot.key_auths[0].0.insert("ttl".to_owned(), json!(3599));
    let before = version_of(&snapshot);
    snapshot.key_auths[0].0.insert("ttl".to_owned(), json!(3598));
    snapshot.plugins.reverse();
    snapshot.consumers.reverse();
    assert_eq!(version_of(&snapshot), before);
}
