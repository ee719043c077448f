//! Taking over what somebody else made: marked and changed in place.

use gatehouse_schemas::observed::Observation;
use serde_json::json;

use super::world::{ACCOUNT, World, desired, key_required};

#[tokio::test]
async fn an_adopted_object_is_marked_and_changed_in_place() {
    let world = World::start().await;
    world
        .tell(
            "seed",
            json!({"account": ACCOUNT, "count": 1, "stage": "production"}),
        )
        .await;
    let before = world.objects().await[0].clone();
    let id = before["id"].as_str().unwrap();
    let desired = desired(1, 1, json!([key_required()]));
    let deployed = world.deploy_as(&desired, Some(id), true).await.unwrap();
    assert_eq!(deployed.external_ref.0, id);
    let after = world.objects().await;
    assert_eq!(after.len(), 1);
    // Its name, its own tags and the stage that served it stay.
    assert_eq!(after[0]["name"], before["name"]);
    assert_eq!(after[0]["tags"]["team"], before["tags"]["team"]);
    assert_eq!(
        after[0]["stages"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["production"]
    );
    let observed = world.present(&desired).await;
    assert_eq!(observed.fingerprint, desired.fingerprint);
    assert_eq!(observed.mark, Some(desired.mark.clone()));
    world.undeploy(&desired).await.unwrap();
    assert_eq!(world.observe(&desired).await.unwrap(), Observation::Absent);
    world.assert_sound().await;
}

#[tokio::test]
async fn what_carries_another_mark_is_not_adopted() {
    let world = World::start().await;
    let theirs = desired(2, 1, json!([]));
    let deployed = world.deploy(&theirs).await.unwrap();
    let ours = desired(1, 1, json!([]));
    let error = world
        .deploy_as(&ours, Some(&deployed.external_ref.0), true)
        .await
        .unwrap_err();
    assert!(
        error.message().contains("does not carry our mark"),
        "{}",
        error.message()
    );
}
