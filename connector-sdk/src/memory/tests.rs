//! The behaviours that the contract lists, on the reference implementation.

mod gateways;

use gatehouse_schemas::{
    environment::{DiscoveryFilter, Mode},
    identity::ExternalRef,
    observed::{DiscoveredItem, Observation},
    plan::{PlanAction, plan},
    policy::{ApiKeyConsumer, ApiKeyPolicy, CredentialLocation, Policy},
};
use serde_json::json;

use super::{
    test_support::{content, context, context_with, desired, mark, request},
    *,
};
use crate::{
    connector::{ApiReference, Connector, DeployRequest, PageRequest},
    error::ErrorKind,
    operation::Operation,
};

fn new() -> (MemoryConnector, MemoryGateway) {
    let gateway = MemoryGateway::new();
    (MemoryConnector::new(gateway.clone()), gateway)
}

fn reference(api: u128) -> ApiReference {
    ApiReference {
        external_ref: None,
        mark: mark(api),
    }
}

#[tokio::test]
async fn after_a_deploy_there_is_nothing_left_to_do() {
    let (connector, gateway) = new();
    let context = context(Mode::ReadWrite);
    let deployed = connector.deploy(&context, &request(1, "/orders")).await.unwrap();
    let observation = connector.observe(&context, &reference(1)).await.unwrap();
    let plan = plan(&desired(1, "/orders"), &observation, None).unwrap();
    assert_eq!((plan.action, plan.changes), (PlanAction::Nothing, vec![]));
    assert_eq!(deployed.observed, desired(1, "/orders").fingerprint);
    assert_eq!(gateway.changes(), 1);
}

#[tokio::test]
async fn deploying_the_same_again_changes_nothing() {
    let (connector, gateway) = new();
    let context = context(Mode::ReadWrite);
    let first = connector.deploy(&context, &request(1, "/orders")).await.unwrap();
    let second = connector.deploy(&context, &request(1, "/orders")).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(gateway.changes(), 1);
}

#[tokio::test]
async fn a_new_revision_keeps_the_gateways_identity() {
    let (connector, gateway) = new();
    let context = context(Mode::ReadWrite);
    let first = connector.deploy(&context, &request(1, "/orders")).await.unwrap();
    let second = connector.deploy(&context, &request(1, "/v2")).await.unwrap();
    assert_eq!(first.external_ref, second.external_ref);
    assert_eq!(gateway.apis().len(), 1);
}

#[tokio::test]
async fn what_somebody_else_made_is_a_conflict_and_stays_untouched() {
    let (connector, gateway) = new();
    let context = context(Mode::ReadWrite);
    let foreign = gateway.add_foreign("Theirs", content("/orders")).unwrap();
    let before = gateway.apis();
    let error = connector
        .deploy(&context, &request(1, "/orders"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let named = DeployRequest {
        external_ref: Some(foreign.clone()),
        ..request(1, "/elsewhere")
    };
    assert_eq!(
        connector.deploy(&context, &named).await.unwrap_err().kind(),
        ErrorKind::Conflict
    );
    let reference = ApiReference {
        external_ref: Some(foreign),
        mark: mark(1),
    };
    assert_eq!(
        connector.undeploy(&context, &reference).await.unwrap_err().kind(),
        ErrorKind::Conflict
    );
    assert_eq!(gateway.apis(), before);
}

#[tokio::test]
async fn undeploying_removes_and_may_be_repeated() {
    let (connector, gateway) = new();
    let context = context(Mode::ReadWrite);
    connector.deploy(&context, &request(1, "/orders")).await.unwrap();
    connector.deploy(&context, &request(2, "/other")).await.unwrap();
    connector.undeploy(&context, &reference(1)).await.unwrap();
    connector.undeploy(&context, &reference(1)).await.unwrap();
    assert_eq!(
        connector.observe(&context, &reference(1)).await.unwrap(),
        Observation::Absent
    );
    assert_eq!(gateway.apis().len(), 1);
}

#[tokio::test]
async fn following_the_pages_lists_everything_once() {
    let (connector, gateway) = new();
    let context = context(Mode::ReadWrite);
    for number in 0..7 {
        gateway
            .add_foreign(&format!("api {number}"), content("/x"))
            .unwrap();
    }
    gateway.set_readable(&ExternalRef("memory-3".to_owned()), false);
    let (mut readable, mut unreadable, mut position) = (0, 0, None);
    loop {
        let request = PageRequest {
            known: std::sync::Arc::default(),
            position,
            limit: 3,
            filter: DiscoveryFilter::default(),
        };
        let page = connector.discover(&context, request).await.unwrap();
        for item in page.items {
            match item {
                DiscoveredItem::Unchanged { .. } => panic!("nothing is known"),
                DiscoveredItem::Api(_) => readable += 1,
                DiscoveredItem::Unreadable { .. } => unreadable += 1,
            }
        }
        position = page.next;
        if position.is_none() {
            break;
        }
    }
    assert_eq!((readable, unreadable), (6, 1));
}

#[tokio::test]
async fn not_knowing_is_not_absence() {
    let (connector, gateway) = new();
    let context = context(Mode::ReadWrite);
    gateway.inject(
        Operation::Observe,
        [Fault::Unknown, Fault::Fail(ErrorKind::Unavailable)],
    );
    let first = connector.observe(&context, &reference(1)).await.unwrap();
    assert!(matches!(first, Observation::Unknown { .. }));
    assert!(connector.observe(&context, &reference(1)).await.is_err());
}

#[tokio::test]
async fn a_lost_reply_has_had_its_effect() {
    let (connector, gateway) = new();
    let context = context(Mode::ReadWrite);
    gateway.inject(Operation::Deploy, [Fault::LoseReply]);
    let error = connector
        .deploy(&context, &request(1, "/orders"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(gateway.apis().len(), 1);
}

#[tokio::test]
async fn a_secret_that_cannot_be_had_stops_the_deploy() {
    let (connector, gateway) = new();
    let context = context(Mode::ReadWrite);
    let with_key = |secret: &str| {
        let mut request = request(1, "/orders");
        request.desired.content.policies = vec![Policy::AuthApiKey(ApiKeyPolicy {
            r#in: CredentialLocation::Header,
            name: "x-api-key".to_owned(),
            keys: vec![ApiKeyConsumer {
                consumer: "shop".parse().unwrap(),
                secret_ref: secret.parse().unwrap(),
                expires_at: None,
            }],
            forward: false,
        })];
        request
    };
    assert!(connector.deploy(&context, &with_key("gone")).await.is_err());
    assert!(gateway.apis().is_empty());
    connector.deploy(&context, &with_key("key")).await.unwrap();
    assert_eq!(
        connector
            .translate(&context.environment, &with_key("key").desired)
            .fidelity[0]
            .pointer,
        "/policies/0"
    );
}

#[tokio::test]
async fn what_a_file_holds_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.json");
    let settings = json!({ "file": file }).as_object().unwrap().clone();
    let context = context_with(Mode::ReadWrite, settings);
    let (first, shared) = new();
    first.deploy(&context, &request(1, "/orders")).await.unwrap();
    drop(first);
    let (second, _) = new();
    let observation = second.observe(&context, &reference(1)).await.unwrap();
    assert!(matches!(observation, Observation::Present(_)));
    assert_eq!(MemoryGateway::open(&file).unwrap().changes(), 1);
    assert!(shared.apis().is_empty());
}

#[tokio::test]
async fn unknown_settings_are_refused() {
    let (connector, _) = new();
    let settings = json!({ "flie": "x" }).as_object().unwrap().clone();
    let context = context_with(Mode::ReadWrite, settings);
    let error = connector.check(&context).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let told = error.message();
    let (before, after) = (
        "the settings of environment `test` are not valid: ",
        "; correct `spec.settings`",
    );
    assert!(told.starts_with(before) && told.ends_with(after), "{told}");
    assert!(told.contains("`flie`"), "{told}");
}

#[test]
fn the_settings_schema_stands_alone_and_is_strict() {
    let schema = MemoryConnector::new(MemoryGateway::new())
        .descriptor()
        .settings_schema
        .clone();
    assert_eq!(schema["additionalProperties"], json!(false));
    assert!(schema["properties"]["file"].is_object());
    assert!(!schema.to_string().contains("$ref"), "{schema}");
}

#[test]
fn the_reference_page_is_current() {
    let connector = MemoryConnector::new(MemoryGateway::new());
    expect_test::expect_file!["../../../docs/reference/connectors/memory.md"]
        .assert_eq(&gatehouse_schemas::settings_form::page(connector.descriptor()));
}
