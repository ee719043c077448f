//! A large gateway is read in the time of a few calls.

use serde_json::json;

use super::kong::{a_plugin, a_route, a_service, consumers};
use crate::read::{Index, Snapshot, in_the_way, service, version};

/// 1,000 services with five routes and two plugins each.
fn large() -> Snapshot {
    let mut snapshot = Snapshot::default();
    consumers(&mut snapshot);
    snapshot
        .plugins
        .push(a_plugin("bot-detection", json!({}), json!({"id": "global"})));
    for number in 0..1_000 {
        let id = format!("s{number}");
        snapshot
            .services
            .push(a_service(json!({"id": id, "name": format!("service-{number}")})));
        for (place, path) in [
            "items/[^/]+$",
            "items$",
            "carts/(?<id>[^/]+)/lines$",
            "carts$",
            r"stock/\d+$",
        ]
        .iter()
        .enumerate()
        {
            let route = json!({"service": {"id": id}, "paths": [format!("~/api-{number}/{path}")], "strip_path": false, "methods": ["GET"]});
            snapshot
                .routes
                .push(a_route(&format!("r{number}-{place}"), route));
        }
        for name in ["key-auth", "rate-limiting"] {
            let plugin = json!({"id": format!("{name}-{number}"), "service": {"id": id}});
            snapshot
                .plugins
                .push(a_plugin(name, json!({"minute": 5}), plugin));
        }
    }
    snapshot
}

#[test]
fn a_thousand_services_are_read_one_by_one() {
    let snapshot = large();
    let index = Index::new(&snapshot);
    for it in &snapshot.services {
        let read = service(&index, it).unwrap();
        assert_eq!(read.content.operations.len(), 5, "{}", read.name);
        assert!(!version(&index, it).is_empty());
    }
    let ours = service(&index, &snapshot.services[999]).unwrap().content;
    assert_eq!(in_the_way(&ours, &index, |_| false).len(), 5);
}
