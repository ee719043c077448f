//! Discoveries that find again what was found before, though nobody imported it: nothing is worked out or written again,
//! and nothing that changed goes unseen.

use gatehouse_control_plane_api::agent::DiscoveryOutcome;
use gatehouse_schemas::{
    identity::{ApiId, DiscoveryId, EnvironmentId, RevisionNumber},
    observed::DiscoveredItem,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    agent::Agent,
    discovering::{classes, discovery, found, told, unreadable},
    harness::{ControlPlane, api, check},
    importing::{at_version, import, observed, started, tagged, unchanged, whole},
};

/// Six APIs: one of them is Gatehouse's by its mark, but of no API that the catalog has.
fn gateway() -> Vec<DiscoveredItem> {
    let items = [
        tagged(found("a", "Orders", "/orders"), "public"),
        found("b", "Users", "/users"),
        found("c", "Carts", "/carts"),
        with_operations("d", "Shop", "/shop"),
        observed("e", "Theirs", "/theirs", |api| {
            api.mark = Some(gatehouse_schemas::desired::Mark {
                environment_id: EnvironmentId(Uuid::from_u128(1)),
                api_id: ApiId(Uuid::from_u128(2)),
                api_name: "theirs".parse().expect("a name"),
                revision: RevisionNumber(1),
            });
        }),
        found("f", "Prices", "/prices"),
    ];
    items.into_iter().map(|item| at_version(item, "1")).collect()
}

fn with_operations(reference: &str, name: &str, path: &str) -> DiscoveredItem {
    observed(reference, name, path, |api| {
        api.content.operations = serde_json::from_value(json!([
            {"match": {"method": "GET", "path": "/items"}}, {"match": {"method": "GET", "path": "/items/{id}"}},
            {"match": {"method": "POST", "path": "/items"}}, {"match": {"method": "DELETE", "path": "/items/{id}"}},
        ]))
        .expect("operations");
    })
}

/// What an agent sends that knows their versions.
fn not_read(items: &[DiscoveredItem]) -> Vec<DiscoveredItem> {
    let sent = items.iter();
    sent.map(|item| unchanged(&item.external_ref().0, item.name()))
        .collect()
}

async fn listed(control_plane: &ControlPlane, id: DiscoveryId) -> Vec<Value> {
    let path = format!("discoveries/{id}/items?limit=500");
    let mut items = control_plane.get(&path).await.expect(200)["items"]
        .as_array()
        .expect("items")
        .clone();
    items.sort_by_key(|item| item["externalRef"].as_str().map(str::to_owned));
    items
}

/// The same, apart from when it was first found.
async fn said(control_plane: &ControlPlane, id: DiscoveryId) -> Vec<Value> {
    let mut items = listed(control_plane, id).await;
    for item in &mut items {
        item.as_object_mut().expect("an object").remove("id");
    }
    items
}

async fn counts(control_plane: &ControlPlane, id: DiscoveryId) -> Value {
    let read = control_plane.get(&format!("discoveries/{id}")).await.expect(200);
    json!({"counts": read["counts"], "found": read["found"]})
}

/// How many findings were written for a run.
async fn written(control_plane: &ControlPlane, id: DiscoveryId) -> usize {
    let mut transaction = control_plane.transaction().await;
    transaction.told_findings(id).await.expect("a read").len()
}

#[tokio::test]
async fn what_was_never_imported_is_found_again_without_being_written_again() {
    check(|control_plane| async move {
        let agent = started(&control_plane).await;
        let first = whole(&control_plane, &agent, &gateway()).await;
        assert_eq!(written(&control_plane, first).await, 6);
        for _ in 0..3 {
            let again = whole(&control_plane, &agent, &not_read(&gateway())).await;
            assert_eq!(written(&control_plane, again).await, 0);
            assert_eq!(
                told(&classes(&control_plane, again).await),
                [
                    ("a", "new"),
                    ("b", "new"),
                    ("c", "new"),
                    ("d", "new"),
                    ("e", "conflict"),
                    ("f", "new")
                ]
            );
            assert_eq!(
                listed(&control_plane, again).await,
                listed(&control_plane, first).await
            );
            assert_eq!(
                counts(&control_plane, again).await,
                counts(&control_plane, first).await
            );
        }
    })
    .await;
}

#[tokio::test]
async fn findings_of_a_run_that_wrote_none_are_read_and_imported() {
    check(|control_plane| async move {
        let agent = started(&control_plane).await;
        whole(&control_plane, &agent, &gateway()).await;
        let other = discovery(&control_plane).await;
        agent.complete(other, 0, DiscoveryOutcome::Failed).await;
        let second = whole(&control_plane, &agent, &not_read(&gateway())).await;
        let third = whole(&control_plane, &agent, &not_read(&gateway())).await;
        assert_eq!(written(&control_plane, second).await, 0);
        assert_eq!(written(&control_plane, third).await, 0);
        let items = listed(&control_plane, third).await;
        assert_eq!(items, listed(&control_plane, second).await);
        let users = items[1]["id"].as_str().expect("an id");
        let path = format!("discoveries/{third}/items/{users}");
        let one = control_plane.get(&path).await.expect(200);
        assert_eq!(one["observed"]["content"]["basePath"], "/users", "{one:#}");
        let (kind, _) = control_plane
            .get(&format!("discoveries/{other}/items/{users}"))
            .await
            .problem(404);
        assert_eq!(kind, "not-found");

        let results = import(&control_plane, third, json!({"select": "status=new,tag=public"})).await;
        assert_eq!((results.len(), &results[0]["api"]), (1, &json!("orders")));
        let results = import(&control_plane, third, json!({"items": [users]})).await;
        assert_eq!((results.len(), &results[0]["api"]), (1, &json!("users")));
        control_plane
            .post(&format!("discoveries/{other}/imports"), json!({"items": [users]}))
            .await
            .problem(422);
        let results = import(&control_plane, third, json!({})).await;
        let created = results.iter().filter(|result| result["action"] == "created");
        assert_eq!(created.count(), 3, "{results:#?}");

        let fourth = whole(&control_plane, &agent, &not_read(&gateway())).await;
        assert_eq!(told(&classes(&control_plane, fourth).await), [("e", "conflict")]);
    })
    .await;
}

/// Something that happens between two runs.
type Step = (&'static str, fn(&mut Vec<DiscoveredItem>) -> Vec<Happening>);

enum Happening {
    Apply(Value),
    Delete(&'static str),
    Post(&'static str, Value),
    ImportFromLast(Value),
}

const STEPS: &[Step] = &[
    ("nothing", |_| Vec::new()),
    ("another API takes a name", |_| {
        vec![Happening::Apply(api("users", "/elsewhere"))]
    }),
    ("nothing again", |_| Vec::new()),
    ("it is gone", |_| vec![Happening::Delete("apis/users")]),
    ("an API takes a place", |_| {
        vec![Happening::Apply(api("in-the-way", "/carts"))]
    }),
    ("it moves away", |_| {
        vec![Happening::Apply(api("in-the-way", "/gone"))]
    }),
    ("something like one of them", |_| {
        let mut shop = api("store", "/store");
        shop["spec"]["operations"] = json!([
            {"match": {"method": "GET", "path": "/items"}}, {"match": {"method": "GET", "path": "/items/{id}"}},
            {"match": {"method": "POST", "path": "/items"}}, {"match": {"method": "DELETE", "path": "/items/{id}"}},
        ]);
        vec![Happening::Apply(shop)]
    }),
    ("one is ignored", |_| {
        vec![Happening::Post(
            "environments/local/ignored",
            json!({"externalRef": "a", "reason": "theirs"}),
        )]
    }),
    ("and no more", |_| {
        vec![Happening::Delete("environments/local/ignored?externalRef=a")]
    }),
    ("one is imported", |_| {
        vec![Happening::ImportFromLast(json!({"select": "name=Shop"}))]
    }),
    ("one of the gateway goes", |gateway| {
        gateway.retain(|item| item.external_ref().0 != "f");
        Vec::new()
    }),
    ("one is new there", |gateway| {
        gateway.push(at_version(found("g", "Stock", "/stock"), "1"));
        Vec::new()
    }),
    ("the imported one goes from the catalog", |_| {
        vec![Happening::Delete("apis/shop")]
    }),
];

#[tokio::test]
async fn whatever_changes_a_run_that_reads_nothing_again_says_what_one_says_that_reads_all() {
    check(|control_plane| async move {
        let agent = started(&control_plane).await;
        let mut items = gateway();
        let mut last = whole(&control_plane, &agent, &items).await;
        for (what, step) in STEPS {
            let before = items.clone();
            for happening in step(&mut items) {
                happen(&control_plane, happening, last).await;
            }
            let send = |item: &DiscoveredItem| match before.contains(item) {
                true => unchanged(&item.external_ref().0, item.name()),
                false => item.clone(),
            };
            let sent: Vec<_> = items.iter().map(send).collect();
            let first = whole(&control_plane, &agent, &sent).await;
            let again = whole(&control_plane, &agent, &not_read(&items)).await;
            let read = whole(&control_plane, &agent, &items).await;
            let unlike = |item: &Value| item["class"] != "unchanged";
            let mut expected = said(&control_plane, read).await;
            expected.retain(unlike);
            assert_eq!(said(&control_plane, first).await, expected, "{what}");
            assert_eq!(said(&control_plane, again).await, expected, "{what}, again");
            assert_eq!(
                counts(&control_plane, again).await,
                counts(&control_plane, read).await,
                "{what}"
            );
            if !sent.iter().any(|item| matches!(item, DiscoveredItem::Api(_))) {
                assert_eq!(written(&control_plane, again).await, 0, "{what}");
            }
            last = read;
        }
    })
    .await;
}

async fn happen(control_plane: &ControlPlane, happening: Happening, last: DiscoveryId) {
    match happening {
        Happening::Apply(document) => {
            control_plane.apply(json!([document])).await;
        }
        Happening::Delete(path) => {
            let answer = control_plane.delete(path).await;
            assert!(answer.status.is_success(), "{path}");
        }
        Happening::Post(path, body) => {
            control_plane.post(path, body).await.expect(200);
        }
        Happening::ImportFromLast(request) => {
            import(control_plane, last, request).await;
        }
    }
}

#[tokio::test]
async fn what_changed_on_the_gateway_is_told_though_it_was_never_imported() {
    check(|control_plane| async move {
        let agent = started(&control_plane).await;
        whole(&control_plane, &agent, &gateway()).await;
        control_plane.apply(json!([api("other", "/moved")])).await;
        let mut sent = not_read(&gateway());
        sent[1] = at_version(found("b", "Users", "/moved"), "2");
        let changed = whole(&control_plane, &agent, &sent).await;
        let again = whole(&control_plane, &agent, &not_read(&gateway())).await;
        for id in [changed, again] {
            let items = listed(&control_plane, id).await;
            assert_eq!(items[1]["class"], "conflict", "{items:#?}");
            assert_eq!(items.len(), 6);
        }
        sent[1] = unreadable("b");
        let broken = whole(&control_plane, &agent, &sent).await;
        assert_eq!(listed(&control_plane, broken).await[1]["class"], "error");
        let mended = whole(&control_plane, &agent, &not_read(&gateway())).await;
        assert_eq!(listed(&control_plane, mended).await[1]["class"], "conflict");
    })
    .await;
}

#[tokio::test]
async fn a_run_that_broke_off_lists_what_it_saw_and_no_more() {
    check(|control_plane| async move {
        let agent = started(&control_plane).await;
        let first = whole(&control_plane, &agent, &gateway()).await;
        let partial = async |agent: &Agent| {
            let id = discovery(&control_plane).await;
            agent.page(id, 1, &not_read(&gateway()[..2])).await;
            agent.complete(id, 1, DiscoveryOutcome::Partial).await;
            id
        };
        for _ in 0..2 {
            let id = partial(&agent).await;
            assert_eq!(
                told(&classes(&control_plane, id).await),
                [("a", "new"), ("b", "new")]
            );
        }
        let all = whole(&control_plane, &agent, &not_read(&gateway())).await;
        assert_eq!(written(&control_plane, all).await, 0);
        assert_eq!(said(&control_plane, all).await, said(&control_plane, first).await);
    })
    .await;
}
