use expect_test::expect;
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::{
    diff::apply,
    identity::{EnvironmentId, RevisionNumber},
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
    let content = content(base_path);
    DesiredApi {
        mark,
        fingerprint: Fingerprint::of(&content).expect("a fingerprint"),
        content,
        secrets: Vec::new(),
    }
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

fn at_versions(versions: &[(&str, u64)]) -> DesiredApi {
    let mut desired = desired("/a", 1);
    let secret = |(name, version): &(&str, u64)| SecretVersion {
        name: name.parse().expect("a name"),
        version: ResourceVersion(*version),
    };
    desired.secrets = versions.iter().map(secret).collect();
    desired.fingerprint = Fingerprint::of_value(&json!([&desired.content, &desired.secrets]));
    desired
}

#[test]
fn versions_of_secrets_are_fields_where_it_is_known_what_the_gateway_holds() {
    let before = at_versions(&[("eu", 1), ("old", 4), ("us", 2)]);
    let after = at_versions(&[("eu", 2), ("new", 1), ("us", 2)]);
    let seen = observed(&before, Some(before.mark.clone()));
    let paths = |applied: Option<&DesiredApi>| -> Vec<String> {
        let plan = plan_with(&after, &seen, None, applied).expect("a plan");
        assert_eq!(plan.action, PlanAction::Update);
        let shown = |change: &Change| {
            let versions = [&change.before, &change.after];
            format!("{} {versions:?}", change.path)
        };
        plan.changes.iter().map(shown).collect()
    };
    expect![[r#"
        /secrets/eu [Some(Number(1)), Some(Number(2))]
        /secrets/new [None, Some(Number(1))]
        /secrets/old [Some(Number(4)), None]"#]]
    .assert_eq(&paths(Some(&before)).join("\n"));
    assert!(paths(None).is_empty());
    assert!(
        paths(Some(&after)).is_empty(),
        "it holds something else than what was applied"
    );
    let created = plan(&after, &Observation::Absent, None).expect("a plan");
    assert!(created.changes.iter().any(|change| change.path == "/secrets/new"));
}

#[test]
fn a_removal_takes_off_what_is_ours_and_nothing_else() {
    let ours = desired("/a", 1);
    let plan = plan_removal(&ours.mark, &observed(&ours, Some(ours.mark.clone()))).expect("a plan");
    assert_eq!((plan.action, plan.desired), (PlanAction::Remove, None));
    assert_eq!(plan.observed, Some(ours.fingerprint.clone()));
    assert!(plan.changes.iter().all(|change| change.after.is_none()));
    let nothing = plan_removal(&ours.mark, &Observation::Absent).expect("a plan");
    assert_eq!(
        (nothing.action, nothing.changes),
        (PlanAction::Nothing, Vec::new())
    );
    let unknown = Observation::Unknown {
        reason: "timeout".to_owned(),
    };
    let foreign = Mark {
        environment_id: EnvironmentId(Uuid::max()),
        ..ours.mark.clone()
    };
    let refusals: Vec<String> = [unknown, observed(&ours, None), observed(&ours, Some(foreign))]
        .iter()
        .map(|observation| {
            plan_removal(&ours.mark, observation)
                .expect_err("no plan")
                .to_string()
        })
        .collect();
    expect![[r#"
        cannot plan the removal of `orders`: what the gateway holds is unknown (timeout)
        cannot remove `orders`: `svc-1` on the gateway was not created by Gatehouse; if it has to go, whoever made it removes it there
        cannot remove `orders`: `svc-1` on the gateway belongs to another API or environment of Gatehouse (API id 00000000-0000-0000-0000-000000000000); if it has to go, whoever made it removes it there"#]].assert_eq(&refusals.join("\n"));
}

#[test]
fn a_plan_holds_as_long_as_the_gateway_holds_what_it_saw() {
    let (one, other) = (desired("/a", 1), desired("/b", 1));
    let [sees_one, sees_other] = [&one, &other].map(|api| observed(api, Some(api.mark.clone())));
    let unknown = Observation::Unknown {
        reason: "timeout".to_owned(),
    };
    let creating = plan(&one, &Observation::Absent, None).expect("a plan");
    let updating = plan(&other, &sees_one, None).expect("a plan");
    let removing = plan_removal(&one.mark, &sees_one).expect("a plan");
    for (plan, observation, expected) in [
        (&creating, &Observation::Absent, true),
        (&creating, &sees_one, false),
        (&creating, &unknown, false),
        (&updating, &sees_one, true),
        (&updating, &sees_other, false),
        (&updating, &Observation::Absent, false),
        (&updating, &unknown, false),
        (&removing, &sees_one, true),
        (&removing, &sees_other, false),
    ] {
        assert_eq!(
            still_holds(plan, observation),
            expected,
            "{plan:?} {observation:?}"
        );
    }
}

fn any_desired() -> impl Strategy<Value = DesiredApi> {
    let operations = prop::collection::btree_set((0_u8..4, 0_u8..3), 0..5);
    let secrets = prop::collection::btree_map("[a-c]", 1_u64..4, 0..3);
    ("/[a-b]", operations, secrets, 1_u64..3).prop_map(|(base_path, operations, secrets, revision)| {
        let mut desired = desired(&base_path, revision);
        let operation = |(path, method): (u8, u8)| {
            let method = ["GET", "POST", "PUT"][usize::from(method)];
            json!({"match": {"method": method, "path": format!("/{path}")}})
        };
        let operations: Vec<Value> = operations.into_iter().map(operation).collect();
        desired.content.operations = serde_json::from_value(operations.into()).expect("operations");
        let secret = |(name, version): (String, u64)| SecretVersion {
            name: name.parse().expect("a name"),
            version: ResourceVersion(version),
        };
        desired.secrets = secrets.into_iter().map(secret).collect();
        desired.fingerprint = Fingerprint::of_value(&json!([&desired.content, &desired.secrets]));
        desired
    })
}

/// All that plans speak of: the content, and the versions of secrets by name.
fn picture(api: &DesiredApi) -> Value {
    let mut picture = serde_json::to_value(&api.content).expect("JSON");
    let secrets = api
        .secrets
        .iter()
        .map(|secret| (secret.name.to_string(), json!(secret.version.0)));
    picture["secrets"] = Value::Object(secrets.collect());
    picture
}

proptest! {
    #[test]
    fn carrying_out_a_plan_gives_what_is_desired_whatever_was_there(
        desired in any_desired(), there in prop::option::of(any_desired())
    ) {
        let observation = there.as_ref().map_or(Observation::Absent, |it| observed(it, Some(it.mark.clone())));
        let plan = plan_with(&desired, &observation, None, there.as_ref()).expect("a plan");
        let mut held = there.as_ref().map_or(json!({"secrets": {}}), picture);
        prop_assert_eq!(apply(&plan.changes, &mut held), Ok(()));
        prop_assert_eq!(held, picture(&desired));
        prop_assert!(still_holds(&plan, &observation));
    }

    #[test]
    fn what_is_there_as_desired_needs_nothing(desired in any_desired()) {
        let there = observed(&desired, Some(desired.mark.clone()));
        let plan = plan(&desired, &there, None).expect("a plan");
        prop_assert_eq!((plan.action, plan.changes), (PlanAction::Nothing, Vec::new()));
    }

    #[test]
    fn a_removal_leaves_nothing(there in any_desired()) {
        let plan = plan_removal(&there.mark, &observed(&there, Some(there.mark.clone()))).expect("a plan");
        let mut held = serde_json::to_value(&there.content).expect("JSON");
        prop_assert_eq!(apply(&plan.changes, &mut held), Ok(()));
        prop_assert_eq!(held, json!({}));
    }
}
