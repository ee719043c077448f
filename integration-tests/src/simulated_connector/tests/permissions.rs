//! Checking, permission by permission.

use gatehouse_connector_sdk::{connector::Connector, error::ErrorKind};
use gatehouse_control_plane_api::agent::CheckSeverity;
use gatehouse_schemas::environment::Mode;
use serde_json::json;

use super::world::{ACCOUNT, World, desired, key_required};

async fn check(world: &World, severity: CheckSeverity) -> Vec<String> {
    let report = world.connector.check(&world.context).await.unwrap();
    let wanted = report.findings.into_iter().filter(|it| it.severity == severity);
    wanted.map(|it| it.message).collect()
}

async fn allow(world: &World, operations: serde_json::Value) {
    world
        .tell(
            "keys",
            json!({"key": "secret", "account": ACCOUNT, "allow": operations}),
        )
        .await;
}

/// What the descriptor says is enough for a mode.
fn least(world: &World, mode: Mode) -> serde_json::Value {
    let sets = &world.connector.descriptor().permissions;
    let set = sets.iter().find(|set| set.mode == mode).unwrap();
    set.document["statements"][0]["operations"].clone()
}

#[tokio::test]
async fn the_published_permissions_are_just_enough_for_each_mode() {
    for mode in [Mode::ReadOnly, Mode::WriteOnly, Mode::ReadWrite] {
        let mut world = World::start().await;
        world.in_mode(mode);
        allow(&world, least(&world, mode)).await;
        assert_eq!(check(&world, CheckSeverity::Error).await, Vec::<String>::new());
        assert_eq!(check(&world, CheckSeverity::Warning).await, Vec::<String>::new());
        world.page(Default::default()).await.unwrap();
        let one = desired(1, 1, json!([key_required()]));
        let deployed = world.deploy(&one).await;
        assert_eq!(deployed.is_ok(), mode.may_write(), "{deployed:?}");
        if mode.may_write() {
            world.deploy(&desired(1, 2, json!([]))).await.unwrap();
            world.undeploy(&one).await.unwrap();
        } else {
            assert_eq!(deployed.unwrap_err().kind(), ErrorKind::Forbidden);
        }
    }
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let world = World::start().await;
    allow(&world, json!(["read"])).await;
    let errors = check(&world, CheckSeverity::Error).await;
    assert_eq!(
        errors.first().map(String::as_str),
        Some(
            "the credential may not CreateApi, which the environment's mode needs; allow it as `gatehouse env permissions` shows"
        )
    );
    assert_eq!(errors.len(), 9);
}

#[tokio::test]
async fn a_permission_beyond_reading_is_a_warning_in_a_read_only_environment() {
    let mut world = World::start().await;
    world.in_mode(Mode::ReadOnly);
    let warnings = check(&world, CheckSeverity::Warning).await;
    assert_eq!(
        warnings.first().map(String::as_str),
        Some("the credential may CreateApi, which a read-only environment does not need; take it away")
    );
    assert_eq!(check(&world, CheckSeverity::Error).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_credential_that_is_not_known_fails_the_check_and_an_outage_does_not() {
    let world = World::start().await;
    world
        .fault(json!({"effect": {"kind": "status", "status": 401}, "times": 1}))
        .await;
    let errors = check(&world, CheckSeverity::Error).await;
    assert!(errors[0].contains("correct `spec.credentials.key`"), "{errors:?}");
    world
        .fault(json!({"effect": {"kind": "status", "status": 503}, "times": 1}))
        .await;
    let error = world.connector.check(&world.context).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}
