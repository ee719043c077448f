//! What an in-memory gateway keeps of an API, what people do to it, and how a listing tells it.

use std::sync::Arc;

use gatehouse_control_plane_api::agent::CheckSeverity;
use serde_json::json;

use super::*;
use crate::connector::DiscoveryPage;

async fn page(connector: &MemoryConnector, request: PageRequest) -> DiscoveryPage {
    connector
        .discover(&context(Mode::ReadWrite), request)
        .await
        .unwrap()
}

fn first_page() -> PageRequest {
    PageRequest {
        limit: 10,
        ..PageRequest::default()
    }
}

#[tokio::test]
async fn every_change_gives_an_api_another_version_and_nothing_else_does() {
    let (connector, gateway) = new();
    let id = gateway.add_foreign("Theirs", content("/theirs")).unwrap();
    let version = || gateway.apis()[&id].version;
    assert_eq!(version(), 1);
    page(&connector, first_page()).await;
    assert_eq!(version(), 1);
    gateway.rename(&id, "Renamed").unwrap();
    gateway.set_tags(&id, &["public"]).unwrap();
    gateway
        .set_definition(&id, json!({ "openapi": "3.1.0" }))
        .unwrap();
    gateway
        .edit(&id, |content| content.version = "v2".to_owned())
        .unwrap();
    assert_eq!(version(), 5);
    let context = context(Mode::ReadWrite);
    connector.deploy(&context, &request(1, "/orders")).await.unwrap();
    connector.deploy(&context, &request(1, "/orders")).await.unwrap();
    let ours = connector.observe(&context, &reference(1)).await.unwrap();
    assert!(matches!(&ours, Observation::Present(api) if api.version.as_deref() == Some("1")));
}

#[tokio::test]
async fn a_listing_gives_what_changed_and_names_the_rest() {
    let (connector, gateway) = new();
    let same = gateway.add_foreign("Same", content("/same")).unwrap();
    let edited = gateway.add_foreign("Edited", content("/edited")).unwrap();
    gateway.set_tags(&edited, &["public"]).unwrap();
    let known = [&same, &edited].map(|id| (id.clone(), "1".to_owned()));
    let request = PageRequest {
        known: Arc::new(known.into()),
        ..first_page()
    };
    let items = page(&connector, request).await.items;
    assert!(matches!(&items[0], DiscoveredItem::Unchanged { external_ref, .. } if *external_ref == same));
    assert!(matches!(&items[1], DiscoveredItem::Api(api) if api.tags == ["public"]));
}

#[tokio::test]
async fn a_listing_is_filtered_by_tags_and_knows_no_selectors() {
    let (connector, gateway) = new();
    gateway.add_foreign("Untagged", content("/a")).unwrap();
    let tagged = gateway.add_foreign("Tagged", content("/b")).unwrap();
    gateway.set_tags(&tagged, &["internal", "public"]).unwrap();
    let mut request = first_page();
    request.filter.tags = vec!["public".to_owned()];
    let items = page(&connector, request.clone()).await.items;
    assert_eq!(items.len(), 1);
    assert_eq!(*items[0].external_ref(), tagged);
    request.filter.selector.insert("stage".to_owned(), json!("prod"));
    let error = connector
        .discover(&context(Mode::ReadWrite), request)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("`stage`"), "{}", error.message());
}

#[tokio::test]
async fn a_definition_stays_with_an_api_that_is_taken_over() {
    let (connector, gateway) = new();
    let id = gateway.add_foreign("Orders", content("/orders")).unwrap();
    let definition = json!({ "openapi": "3.1.0" });
    gateway.set_definition(&id, definition.clone()).unwrap();
    let adopting = DeployRequest {
        external_ref: Some(id.clone()),
        adopt: true,
        ..request(1, "/orders")
    };
    let deployed = connector
        .deploy(&context(Mode::ReadWrite), &adopting)
        .await
        .unwrap();
    assert_eq!(deployed.external_ref, id);
    let api = gateway.apis()[&id].clone();
    assert_eq!((api.definition, api.mark), (Some(definition), Some(mark(1))));
}

#[tokio::test]
async fn only_what_carries_no_mark_is_taken_over() {
    let (connector, gateway) = new();
    let context = context(Mode::ReadWrite);
    let theirs = connector.deploy(&context, &request(2, "/theirs")).await.unwrap();
    let before = gateway.apis();
    let adopting = DeployRequest {
        external_ref: Some(theirs.external_ref),
        adopt: true,
        ..request(1, "/orders")
    };
    let error = connector.deploy(&context, &adopting).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(gateway.apis(), before);
}

#[tokio::test]
async fn an_edit_is_seen_and_its_undoing_leaves_no_trace_but_the_version() {
    let (connector, gateway) = new();
    let context = context(Mode::ReadWrite);
    let deployed = connector.deploy(&context, &request(1, "/orders")).await.unwrap();
    let id = deployed.external_ref;
    let planned = || async {
        let observation = connector.observe(&context, &reference(1)).await.unwrap();
        plan(&desired(1, "/orders"), &observation, None).unwrap()
    };
    gateway
        .edit(&id, |content| content.base_path = "/edited".to_owned())
        .unwrap();
    let paths: Vec<_> = planned()
        .await
        .changes
        .into_iter()
        .map(|change| change.path)
        .collect();
    assert_eq!(paths, ["/basePath"]);
    gateway
        .edit(&id, |content| content.base_path = "/orders".to_owned())
        .unwrap();
    assert_eq!(planned().await.action, PlanAction::Nothing);
    assert!(gateway.delete(&id).is_ok());
    let error = gateway.delete(&id).unwrap_err();
    assert!(error.to_string().contains("`memory-1`"), "{error}");
}

#[tokio::test]
async fn a_file_that_another_process_changed_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.json");
    let ours = MemoryGateway::open(&file).unwrap();
    let theirs = MemoryGateway::open(&file).unwrap();
    let id = theirs.add_foreign("Theirs", content("/theirs")).unwrap();
    assert!(ours.apis().contains_key(&id));
    ours.rename(&id, "Renamed by us").unwrap();
    assert_eq!(theirs.apis()[&id].name, "Renamed by us");
}

#[tokio::test]
async fn a_credential_is_checked_against_the_mode_and_held_to() {
    for (setting, mode, severity) in [
        ("credentialMayRead", Mode::ReadOnly, CheckSeverity::Error),
        ("credentialMayRead", Mode::WriteOnly, CheckSeverity::Ok),
        ("credentialMayWrite", Mode::WriteOnly, CheckSeverity::Error),
        ("credentialMayWrite", Mode::ReadOnly, CheckSeverity::Ok),
    ] {
        let (connector, _) = new();
        let settings = json!({ (setting): false }).as_object().unwrap().clone();
        let context = context_with(mode, settings);
        let report = connector.check(&context).await.unwrap();
        let worst = report.findings.iter().map(|finding| finding.severity).max();
        assert_eq!(worst, Some(severity), "{setting} in {mode:?}: {report:?}");
        let refused = match setting {
            "credentialMayRead" => connector.discover(&context, first_page()).await.map(drop),
            _ => connector.deploy(&context, &request(1, "/orders")).await.map(drop),
        };
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Forbidden);
        assert!(error.message().contains(setting), "{}", error.message());
    }
}

#[tokio::test]
async fn a_permission_that_the_mode_does_not_need_is_a_warning() {
    let (connector, _) = new();
    for mode in [Mode::ReadOnly, Mode::WriteOnly] {
        let report = connector.check(&context(mode)).await.unwrap();
        let warnings = report
            .findings
            .iter()
            .filter(|finding| finding.severity == CheckSeverity::Warning);
        assert_eq!(warnings.count(), 1, "{mode:?}: {report:?}");
    }
}

#[tokio::test]
async fn a_deploy_in_steps_takes_the_calls_that_were_estimated() {
    let (connector, _) = new();
    let settings = json!({ "steps": 3 }).as_object().unwrap().clone();
    let context = context_with(Mode::ReadWrite, settings);
    connector.observe(&context, &reference(1)).await.unwrap();
    let request = request(1, "/orders");
    let calls = connector.estimate(&context.environment, Some(&request.desired), Some(&request.plan));
    assert_eq!(
        calls,
        [("PutApi".to_owned(), 1), ("PutPart".to_owned(), 2)].into()
    );
    assert_eq!(
        connector.estimate(&context.environment, None, None),
        [("DeleteApi".to_owned(), 1)].into()
    );
}
