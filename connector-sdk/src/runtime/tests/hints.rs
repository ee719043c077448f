//! What a gateway tells of changes: looked at, never believed.

use std::time::Duration;

use gatehouse_control_plane_api::agent::DeploymentObservation;
use gatehouse_schemas::{
    environment::Mode,
    identity::{DeploymentId, ExternalRef},
    observed::Observation,
};
use serde_json::json;
use uuid::Uuid;

use super::{Stage, until};
use crate::{
    connector::Hint,
    error::ErrorKind,
    memory::{Fault, MemoryConnector},
    operation::Operation,
};

/// A stage whose gateway tells of changes.
async fn telling() -> Stage {
    telling_to(|connector| connector).await
}

async fn telling_to(connector: impl FnOnce(MemoryConnector) -> MemoryConnector) -> Stage {
    let listens = |environment: &mut gatehouse_control_plane_api::agent::EnvironmentAssignment| {
        environment
            .settings
            .insert("tellsOfChanges".to_owned(), json!(true));
    };
    Stage::with(listens, connector).await
}

impl Stage {
    /// Deploys, and says what the gateway calls it.
    async fn serves(&self, api: u128, base_path: &str) -> ExternalRef {
        let generation = self.control_plane.deploy(api, base_path);
        self.deployed(generation).await;
        let mut apis = self.gateway.apis().into_iter();
        let (id, _) = apis
            .find(|(_, held)| held.content.base_path == base_path)
            .unwrap();
        id
    }

    fn edit(&self, api: &ExternalRef) {
        let edited = |content: &mut gatehouse_schemas::revision::RevisionContent| {
            content.base_path = "/edited".to_owned();
        };
        self.gateway.edit(api, edited).unwrap();
    }

    fn tell(&self, api: &ExternalRef) {
        self.gateway.tell(Hint::Api(api.clone()));
    }

    /// What was told of an API without being asked.
    fn observed(&self, api: u128) -> Vec<DeploymentObservation> {
        let id = DeploymentId(Uuid::from_u128(api));
        let world = self.control_plane.world();
        let of_api = world.observations.iter().filter(|told| told.deployment_id == id);
        of_api.cloned().collect()
    }

    fn wishes(&self) -> u32 {
        self.control_plane.world().wishes
    }
}

fn stranger() -> ExternalRef {
    ExternalRef("made-by-hand".to_owned())
}

#[tokio::test]
async fn a_change_that_is_told_of_is_looked_at_and_told_as_drift() {
    let stage = telling().await;
    let orders = stage.serves(1, "/orders").await;
    let stock = stage.serves(2, "/stock").await;
    stage.edit(&orders);
    stage.tell(&orders);
    until("it is told", || !stage.observed(1).is_empty()).await;
    match &stage.observed(1)[0].differs {
        Some(Observation::Present(observed)) => assert_eq!(observed.content.base_path, "/edited"),
        other => panic!("{other:?}"),
    }
    // A hint about what is as it should be says so, and the other was looked at only now.
    assert!(stage.observed(2).is_empty());
    stage.tell(&stock);
    until("it is told", || !stage.observed(2).is_empty()).await;
    assert_eq!(stage.observed(2)[0].differs, None);
    assert_eq!(stage.gateway.calls(Operation::Deploy), 2, "nothing was changed");
    assert_eq!(stage.wishes(), 0);
}

#[tokio::test]
async fn many_hints_of_one_api_are_one_look() {
    let stage = telling().await;
    let orders = stage.serves(1, "/orders").await;
    let stock = stage.serves(2, "/stock").await;
    let before = stage.gateway.calls(Operation::Observe);
    for _ in 0..50 {
        stage.tell(&orders);
    }
    until("it is told", || !stage.observed(1).is_empty()).await;
    // What was told later was looked at later, so that nothing of the storm is still to come.
    stage.tell(&stock);
    until("it is told", || !stage.observed(2).is_empty()).await;
    let looks = stage.gateway.calls(Operation::Observe) - before;
    // The storm may have been heard in two parts.
    assert!((2..=3).contains(&looks), "{looks}");
}

#[tokio::test]
async fn a_hint_about_anything_is_a_look_at_everything_deployed_and_not_again_at_once() {
    let stage = telling().await;
    stage.serves(1, "/orders").await;
    let stock = stage.serves(2, "/stock").await;
    stage.gateway.tell(Hint::Something);
    until("both are told", || {
        !stage.observed(1).is_empty() && !stage.observed(2).is_empty()
    })
    .await;
    stage.gateway.tell(Hint::Something);
    stage.tell(&stock);
    until("what is named is told", || stage.observed(2).len() == 2).await;
    assert_eq!(stage.observed(1).len(), 1);
    assert_eq!(
        stage.wishes(),
        0,
        "it would cost too much for what may be nothing"
    );
}

#[tokio::test]
async fn what_nobody_holds_is_a_discovery_asked_for_once_more_when_the_control_plane_says_so() {
    let stage = telling().await;
    let orders = stage.serves(1, "/orders").await;
    stage.control_plane.world().put_off = vec![5];
    stage.tell(&stranger());
    until("it is asked for twice", || stage.wishes() == 2).await;
    stage.tell(&orders);
    until("other hints go on", || !stage.observed(1).is_empty()).await;
    assert_eq!(stage.wishes(), 2);
}

#[tokio::test]
async fn an_older_control_plane_is_asked_once_in_a_session() {
    let mut stage = telling().await;
    let orders = stage.serves(1, "/orders").await;
    stage.control_plane.world().knows_no_wishes = true;
    for times in 1..=3 {
        stage.tell(&stranger());
        stage.tell(&orders);
        until("the rest goes on", || stage.observed(1).len() >= times).await;
    }
    assert_eq!(stage.wishes(), 1);
    // The next session may be with a newer one.
    stage.control_plane.go_away().await;
    stage.control_plane.come_back().await;
    stage.control_plane.world().knows_no_wishes = false;
    let sessions = stage.control_plane.world().sessions;
    until("it is back", || {
        stage.control_plane.world().sessions > sessions.min(1)
    })
    .await;
    stage.tell(&stranger());
    until("it is asked for", || stage.wishes() == 2).await;
}

#[tokio::test]
async fn what_cannot_be_asked_is_asked_again_and_disturbs_nothing() {
    let stage = telling().await;
    stage
        .gateway
        .inject(Operation::Hints, vec![Fault::Fail(ErrorKind::Forbidden); 5]);
    let orders = stage.serves(1, "/orders").await;
    stage.edit(&orders);
    stage.tell(&orders);
    until("it is told in the end", || !stage.observed(1).is_empty()).await;
    assert!(stage.gateway.calls(Operation::Hints) > 5);
}

#[tokio::test]
async fn while_it_is_deployed_nothing_is_looked_at_and_afterwards_it_is() {
    let stage = telling().await;
    let orders = stage.serves(1, "/orders").await;
    stage
        .gateway
        .inject(Operation::Deploy, [Fault::Delay(Duration::from_millis(300))]);
    let deploys = stage.gateway.calls(Operation::Deploy);
    let generation = stage.control_plane.deploy(1, "/orders-v2");
    until("it is at work", || {
        stage.gateway.calls(Operation::Deploy) > deploys
    })
    .await;
    stage.tell(&orders);
    stage.deployed(generation).await;
    until("it is told", || !stage.observed(1).is_empty()).await;
    let told = stage.observed(1).remove(0);
    assert_eq!((told.generation, told.differs), (generation, None));
}

#[tokio::test]
async fn what_was_not_asked_for_is_not_listened_to() {
    let silent = Stage::new().await;
    let orders = silent.serves(1, "/orders").await;
    until("it was asked once", || {
        silent.gateway.calls(Operation::Hints) == 1
    })
    .await;
    silent.tell(&orders);
    silent.gateway.tell(Hint::Something);
    let again = silent.control_plane.deploy(1, "/orders-v2");
    silent.deployed(again).await;
    assert_eq!(silent.gateway.calls(Operation::Hints), 1, "no loop spins");

    let undeclared =
        telling_to(|connector| connector.with_descriptor(|descriptor| descriptor.capabilities.hints = false))
            .await;
    undeclared.serves(1, "/orders").await;
    assert_eq!(undeclared.gateway.calls(Operation::Hints), 0);

    // With other settings, it is.
    let listens = |environment: &mut gatehouse_control_plane_api::agent::EnvironmentAssignment| {
        environment
            .settings
            .insert("tellsOfChanges".to_owned(), json!(true));
    };
    silent.control_plane.change_environment(listens);
    until("what was told is looked at", || !silent.observed(1).is_empty()).await;
}

#[tokio::test]
async fn modes_hold_for_what_follows_from_hints() {
    let reads = |environment: &mut gatehouse_control_plane_api::agent::EnvironmentAssignment| {
        environment
            .settings
            .insert("tellsOfChanges".to_owned(), json!(true));
        environment.mode = Mode::ReadOnly;
    };
    let stage = Stage::with(reads, |connector| connector).await;
    stage.tell(&stranger());
    until("a discovery is asked for", || stage.wishes() == 1).await;
    assert_eq!(stage.gateway.changes(), 0);
}
