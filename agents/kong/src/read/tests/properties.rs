//! Whatever a gateway answers, reading it never panics.

use gatehouse_connector_sdk::schemas::revision::{RevisionContent, build, to_spec};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::kong::{a_plugin, a_route, a_service};
use crate::{
    entities::Entity,
    read::{
        Index, Snapshot, in_the_way, route_without_service, service, version, version_of_route,
        with_definition,
    },
};

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|it| json!(it)),
        "[~/a-z{}().\\[\\]\\\\^$*+?|<>:é -]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_.]{1,10}", inner, 0..4).prop_map(|it| json!(it)),
        ]
    })
}

/// An entity with some of its fields replaced by anything.
fn broken(entity: Entity) -> impl Strategy<Value = Entity> {
    let fields: Vec<String> = entity.0.keys().filter(|field| *field != "id").cloned().collect();
    let replaced = prop::collection::btree_map(prop::sample::select(fields), any_value(), 0..4);
    replaced.prop_map(move |replaced| {
        let mut entity = entity.clone();
        entity.0.extend(replaced);
        entity
    })
}

const PLUGINS: [&str; 13] = [
    "key-auth",
    "acl",
    "basic-auth",
    "jwt",
    "ip-restriction",
    "rate-limiting",
    "cors",
    "request-size-limiting",
    "request-transformer",
    "response-transformer",
    "request-termination",
    "proxy-cache",
    "openid-connect",
];

fn any_snapshot() -> impl Strategy<Value = Snapshot> {
    let plugin = |name: &'static str| {
        let known = broken(a_plugin(name, json!({}), json!({"service": {"id": "s1"}})));
        (known, any_value()).prop_map(|(mut plugin, config)| {
            if let (Some(Value::Object(known)), Value::Object(config)) = (plugin.0.get_mut("config"), config)
            {
                known.extend(config);
            }
            plugin
        })
    };
    let plugins = prop::sample::select(PLUGINS.to_vec()).prop_flat_map(plugin);
    let routes = (0..3_u8).prop_flat_map(|id| broken(a_route(&format!("r{id}"), json!({}))));
    let others = || prop::collection::vec(any_value().prop_map(Entity::of), 0..3);
    (
        broken(a_service(json!({}))),
        prop::collection::vec(routes, 0..4),
        prop::collection::vec(plugins, 0..4),
        (others(), others(), others(), others(), others()),
    )
        .prop_map(
            |(service, routes, plugins, (consumers, upstreams, targets, key_auths, acls))| Snapshot {
                services: vec![service],
                routes,
                plugins,
                consumers,
                upstreams,
                targets,
                key_auths,
                acls,
                ..Snapshot::default()
            },
        )
}

/// What was read is a content that people could have written, but for what Kong lets through and we do not.
fn rebuilt(content: &RevisionContent) -> Option<RevisionContent> {
    let name = "read".parse().ok()?;
    build(&name, &to_spec(content), None).ok()
}

proptest! {
    #[test]
    fn nothing_panics(snapshot in any_snapshot()) {
        let index = Index::new(&snapshot);
        for it in &snapshot.services {
            version(&index, it);
            if let Ok(read) = service(&index, it) {
                in_the_way(&read.content, &index, |_| false);
                prop_assert!(read.content.operations.is_sorted_by_key(|it| (it.r#match.path.clone(), it.r#match.method.clone())));
                if let Some(rebuilt) = rebuilt(&read.content) {
                    prop_assert_eq!(&rebuilt, &read.content);
                }
                with_definition(read.content, "read", &[]);
            }
        }
        for it in &snapshot.routes {
            version_of_route(&index, it);
            let _ = route_without_service(&index, it);
        }
    }

    #[test]
    fn any_change_of_a_service_is_another_version(field in "[a-z_]{1,12}", value in any_value()) {
        let snapshot = |service: Entity| Snapshot {
            services: vec![service], routes: vec![a_route("r1", json!({}))], ..Snapshot::default()
        };
        let (before, mut after) = (snapshot(a_service(json!({}))), snapshot(a_service(json!({}))));
        prop_assume!(!matches!(field.as_str(), "id" | "created_at" | "updated_at" | "ttl"));
        prop_assume!(before.services[0].0.get(&field) != Some(&value));
        after.services[0].0.insert(field, value);
        let version = |snapshot: &Snapshot| version(&Index::new(snapshot), &snapshot.services[0]);
        prop_assert_ne!(version(&before), version(&after));
    }

    #[test]
    fn expressions_are_read_or_refused(text in r"[~/a-z0-9{}().\[\]\\^$*+?|<>:P=&! -]{0,40}") {
        let route = a_route("r1", json!({"paths": [format!("~{text}")]}));
        let expressed = a_route("r2", json!({"paths": null, "expression": text}));
        let snapshot = Snapshot {
            services: vec![a_service(json!({}))], routes: vec![route, expressed], ..Snapshot::default()
        };
        let _ = service(&Index::new(&snapshot), &snapshot.services[0]);
    }
}
