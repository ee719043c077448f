//! The portal of Kong Enterprise over its Admin API.

use gatehouse_connector_sdk::error::ErrorKind;
use gatehouse_fake_kong::{Enterprise, FakeKong, FakeKongOptions, PortalDocument, recordings};
use serde_json::{Value, json};

use crate::client::node::Edition;
use crate::entities::{Collection, Entity};
use crate::portal::{Finding, Portal};
use crate::test_support::{Table, workspace};

const OPENAPI: &str = "openapi: 3.0.3\ninfo: {title: Pets, version: '1'}\npaths: {}\n";

fn documents(paths: &[&str], offset: Option<&str>) -> Value {
    let data: Vec<_> = paths
        .iter()
        .map(|path| json!({"id": "d", "path": path, "service": {"id": "s"}, "created_at": 1}))
        .collect();
    match offset {
        Some(offset) => json!({"data": data, "next": "/document_objects?offset=next", "offset": offset}),
        None => json!({"data": data, "next": null}),
    }
}

fn file(contents: &str) -> Value {
    json!({"id": "f", "path": "p", "contents": contents, "checksum": "c", "created_at": 1})
}

async fn look(table: &Table, services: &[&str]) -> Result<Portal, gatehouse_connector_sdk::error::Error> {
    Portal::look(&workspace(table.address).await, Edition::Enterprise, services).await
}

#[tokio::test]
async fn all_documents_of_a_service_are_read_over_all_pages() {
    let table = Table::serve(vec![
        ("/admin/zoo/files", 200, json!({"data": [], "next": null})),
        (
            "/admin/zoo/services/s/document_objects",
            200,
            documents(&["guides/start.md"], Some("more")),
        ),
        (
            "/admin/zoo/services/s/document_objects",
            200,
            documents(&["specs/a b.yaml"], None),
        ),
        ("/admin/zoo/files/guides/start.md", 200, file("# Start")),
        ("/admin/zoo/files/specs/a%20b.yaml", 200, file(OPENAPI)),
    ])
    .await;
    let portal = look(&table, &["s", "without"]).await.unwrap();
    assert_eq!(portal.documents("s").len(), 2);
    let Finding::Definition(document) = portal.finding("s") else {
        panic!("{:?}", portal.finding("s"))
    };
    assert_eq!(document.place, "the portal's file `specs/a b.yaml`");
    assert!(matches!(portal.finding("without"), Finding::Nothing));
    assert!(
        table
            .asked()
            .contains(&"/admin/zoo/services/s/document_objects?offset=more".to_owned())
    );
}

#[tokio::test]
async fn a_kong_without_a_portal_is_asked_once() {
    let table = Table::serve(Vec::new()).await;
    let portal = look(&table, &["a", "b", "c"]).await.unwrap();
    assert!(matches!(portal.finding("a"), Finding::Nothing));
    assert_eq!(table.asked(), ["/admin/zoo/files?size=1"]);
}

#[tokio::test]
async fn a_kong_that_is_open_source_is_not_asked() {
    let table = Table::serve(Vec::new()).await;
    Portal::look(&workspace(table.address).await, Edition::OpenSource, &["a"])
        .await
        .unwrap();
    assert_eq!(table.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_document_that_cannot_be_read_has_a_reason_and_stops_no_other() {
    let table = Table::serve(vec![
        ("/admin/zoo/files", 200, json!({"data": [], "next": null})),
        (
            "/admin/zoo/services/gone/document_objects",
            200,
            documents(&["specs/gone.yaml"], None),
        ),
        (
            "/admin/zoo/services/secret/document_objects",
            403,
            json!({"message": "you do not have permissions"}),
        ),
        (
            "/admin/zoo/services/good/document_objects",
            200,
            documents(&["specs/good.yaml"], None),
        ),
        ("/admin/zoo/files/specs/good.yaml", 200, file(OPENAPI)),
    ])
    .await;
    let portal = look(&table, &["gone", "secret", "good"]).await.unwrap();
    for (service, part) in [
        ("gone", "`files/specs/gone.yaml` with 404"),
        ("secret", "`services/secret/document_objects` with 403"),
    ] {
        let Finding::Unreadable(_, reason) = portal.finding(service) else {
            panic!("{:?}", portal.finding(service))
        };
        assert!(reason.contains(part), "{reason}");
    }
    assert!(matches!(portal.finding("good"), Finding::Definition(_)));
}

#[tokio::test]
async fn a_portal_that_may_not_be_read_is_a_reason_for_every_service() {
    let table = Table::serve(vec![(
        "/admin/zoo/files",
        403,
        json!({"message": "you do not have permissions"}),
    )])
    .await;
    let portal = look(&table, &["s"]).await.unwrap();
    let Finding::Unreadable(document, reason) = portal.finding("s") else {
        panic!("{:?}", portal.finding("s"))
    };
    assert_eq!(document.place, "the portal");
    assert!(
        reason.contains("`files` with 403: you do not have permissions; "),
        "{reason}"
    );
}

#[tokio::test]
async fn a_portal_that_does_not_answer_now_is_an_error() {
    let table = Table::serve(vec![("/admin/zoo/files", 503, json!({"message": "later"}))]).await;
    assert_eq!(
        look(&table, &["s"]).await.unwrap_err().kind(),
        ErrorKind::Unavailable
    );
}

#[tokio::test]
async fn the_fake_of_kong_enterprise_is_read_like_any_other() {
    if let Err(missing) = recordings() {
        println!("SKIPPED: the fake's portal was not checked: {missing}");
        return;
    }
    let id = "7710d5c4-d902-410b-992f-18b814155b53";
    let document = PortalDocument {
        workspace: "zoo".to_owned(),
        service: id.to_owned(),
        path: "specs/pets.yaml".to_owned(),
        contents: OPENAPI.to_owned(),
    };
    let enterprise = Enterprise {
        workspaces: vec!["zoo".to_owned()],
        documents: vec![document],
    };
    let options = FakeKongOptions {
        path_prefix: "/admin".to_owned(),
        enterprise: Some(enterprise),
        ..FakeKongOptions::default()
    };
    let kong = FakeKong::start(options).await.unwrap();
    let address = kong.admin_url().split('/').nth(2).unwrap().parse().unwrap();
    let client = workspace(address).await;
    let service = Entity::of(json!({"id": id, "name": "pets", "host": "a.test"}));
    client.put(Collection::Services, &service).await.unwrap();
    let portal = Portal::look(&client, Edition::Enterprise, &[id]).await.unwrap();
    assert!(matches!(portal.finding(id), Finding::Definition(_)));
}
