use expect_test::expect;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::{
    desired::compose,
    identity::{EnvironmentId, RevisionNumber},
    revision::RevisionContent,
};

fn content(base_path: &str) -> RevisionContent {
    serde_json::from_value(json!({
        "displayName": "Orders", "version": "v1", "type": "rest", "direction": "ingress", "basePath": base_path,
        "upstreams": {"main": {"url": "http://a"}},
    }))
    .expect("content")
}

fn desired(base_path: &str, revision: u64) -> DesiredApi {
    let mark = Mark {
        environment_id: EnvironmentId(Uuid::nil()),
        api_id: ApiId(Uuid::nil()),
        api_name: "orders".parse().expect("a name"),
        revision: RevisionNumber(revision),
    };
    compose(mark, &content(base_path), &[], &std::collections::BTreeMap::new())
}

fn observed(of: &DesiredApi, mark: Option<Mark>) -> Observation {
    Observation::Present(Box::new(ObservedApi {
        version: None,
        tags: Vec::new(),
        definition: None,
        external_ref: ExternalRef("svc-1".to_owned()),
        name: "orders".to_owned(),
        mark,
        endpoint_urls: Vec::new(),
        content: of.content.clone(),
        fingerprint: of.fingerprint.clone(),
    }))
}

#[test]
fn what_is_absent_is_created_field_by_field() {
    let plan = plan(&desired("/a", 1), &Observation::Absent, None).expect("a plan");
    assert_eq!((plan.action, plan.observed), (PlanAction::Create, None));
    assert!(
        plan.changes
            .iter()
            .any(|change| change.path == "/basePath" && change.before.is_none())
    );
}

#[test]
fn what_is_there_as_desired_is_left_alone() {
    let desired = desired("/a", 1);
    let plan = plan(&desired, &observed(&desired, Some(desired.mark.clone())), None).expect("a plan");
    assert_eq!((plan.action, plan.changes), (PlanAction::Nothing, Vec::new()));
}

#[test]
fn an_update_names_the_fields_that_change() {
    let before = desired("/a", 1);
    let plan = plan(
        &desired("/b", 2),
        &observed(&before, Some(before.mark.clone())),
        None,
    )
    .expect("a plan");
    assert_eq!(plan.action, PlanAction::Update);
    assert_eq!(
        plan.changes,
        [Change {
            path: "/basePath".to_owned(),
            before: Some(json!("/a")),
            after: Some(json!("/b"))
        }]
    );
}

#[test]
fn the_same_content_at_another_revision_is_an_update_of_the_mark() {
    let before = desired("/a", 1);
    let plan = plan(
        &desired("/a", 2),
        &observed(&before, Some(before.mark.clone())),
        None,
    )
    .expect("a plan");
    assert_eq!((plan.action, plan.changes), (PlanAction::Update, Vec::new()));
}

#[test]
fn unknown_is_not_absent_and_what_is_not_ours_is_not_touched() {
    let desired = desired("/a", 1);
    let unknown = Observation::Unknown {
        reason: "timeout".to_owned(),
    };
    let foreign = Mark {
        api_id: ApiId(Uuid::max()),
        ..desired.mark.clone()
    };
    let refusals: Vec<String> = [
        unknown,
        observed(&desired, None),
        observed(&desired, Some(foreign)),
    ]
    .iter()
    .map(|observation| {
        plan(&desired, observation, None)
            .expect_err("no plan")
            .to_string()
    })
    .collect();
    expect![[r#"
        cannot plan the deploy of `orders`: what the gateway holds is unknown (timeout)
        cannot deploy `orders`: `svc-1` on the gateway was not created by Gatehouse; remove or rename it there, or choose another place for `orders`
        cannot deploy `orders`: `svc-1` on the gateway belongs to another API or environment of Gatehouse (API id ffffffff-ffff-ffff-ffff-ffffffffffff); remove or rename it there, or choose another place for `orders`"#]].assert_eq(&refusals.join("\n"));
}
