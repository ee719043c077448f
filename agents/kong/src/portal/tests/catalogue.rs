//! Konnect's API catalogue, from a table.

use serde_json::{Value, json};

use crate::client::node::Edition;
use crate::portal::{Finding, Portal};
use crate::test_support::{CONTROL_PLANE, Table, konnect};

const OPENAPI: &str = "openapi: 3.0.3\ninfo: {title: Pets, version: '1'}\npaths: {}\n";

fn page(data: Vec<Value>, number: u64, total: u64) -> Value {
    json!({"data": data, "meta": {"page": {"number": number, "size": 2, "total": total}}})
}

fn implementation(service: &str, api: &str) -> Value {
    json!({"id": service, "api_id": api, "service": {"control_plane_id": CONTROL_PLANE, "id": service}})
}

fn api(id: &str, current: Option<&str>) -> Value {
    json!({"id": id, "name": id, "current_version_summary": current.map(|id| json!({"id": id, "version": "v1"}))})
}

async fn look(table: &Table, services: &[&str]) -> Result<Portal, gatehouse_connector_sdk::error::Error> {
    Portal::look(&konnect(table.address).await, Edition::Konnect, services).await
}

#[tokio::test]
async fn definitions_are_found_over_all_pages() {
    let table = Table::serve(vec![
        (
            "/v3/api-implementations",
            200,
            page(vec![implementation("s1", "a"), implementation("s2", "b")], 1, 3),
        ),
        (
            "/v3/api-implementations",
            200,
            page(vec![implementation("s3", "c")], 2, 3),
        ),
        (
            "/v3/apis",
            200,
            page(vec![api("a", Some("a1")), api("b", None)], 1, 2),
        ),
        (
            "/v3/apis/a/versions/a1",
            200,
            json!({"id": "a1", "version": "v1", "spec": {"content": OPENAPI, "type": "oas3"}}),
        ),
        (
            "/v3/apis/b/versions",
            200,
            page(vec![json!({"id": "b1", "created_at": "2024"})], 1, 1),
        ),
        (
            "/v3/apis/b/versions/b1",
            200,
            json!({"id": "b1", "version": "v1", "spec": {"content": "{", "type": "oas3"}}),
        ),
    ])
    .await;
    let portal = look(&table, &["s1", "s2", "s3", "s4"]).await.unwrap();
    assert!(matches!(portal.finding("s1"), Finding::Definition(_)));
    let Finding::Unreadable(_, reason) = portal.finding("s2") else {
        panic!("{:?}", portal.finding("s2"))
    };
    assert!(
        reason.starts_with("API `b` (b) of Konnect's catalogue is neither JSON nor YAML"),
        "{reason}"
    );
    let Finding::Unreadable(_, reason) = portal.finding("s3") else {
        panic!("{:?}", portal.finding("s3"))
    };
    assert_eq!(
        reason,
        "API `c` of Konnect's catalogue is not listed; let the token view the API, or remove the implementation"
    );
    assert!(matches!(portal.finding("s4"), Finding::Nothing));
    let filtered = format!(
        "/v3/api-implementations?page%5Bnumber%5D=2&page%5Bsize%5D=100&filter%5Bcontrol_plane_id%5D%5Beq%5D={CONTROL_PLANE}"
    );
    assert!(table.asked().contains(&filtered), "{:?}", table.asked());
}

#[tokio::test]
async fn a_catalogue_without_our_services_is_asked_once() {
    let table = Table::serve(vec![("/v3/api-implementations", 200, page(Vec::new(), 1, 0))]).await;
    let portal = look(&table, &["s1"]).await.unwrap();
    assert!(matches!(portal.finding("s1"), Finding::Nothing));
    assert_eq!(table.asked().len(), 1);
}

#[tokio::test]
async fn an_answer_that_is_no_list_is_an_error() {
    let table = Table::serve(vec![("/v3/api-implementations", 200, json!({"hello": "world"}))]).await;
    let error = look(&table, &["s1"]).await.unwrap_err();
    assert_eq!(
        error.message(),
        "Konnect answered `v3/api-implementations` with something that is no list; see that `spec.settings.region` or `konnectUrl` leads to Konnect"
    );
}
