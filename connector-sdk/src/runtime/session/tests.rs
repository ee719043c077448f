//! Leases that run out.

use std::collections::BTreeMap;

use gatehouse_schemas::{
    environment::Mode,
    identity::{AgentId, FencingNumber},
};
use uuid::Uuid;

use super::*;
use crate::{
    memory::{MemoryConnector, MemoryGateway, test_support},
    monitor::Monitor,
};

/// An agent whose control plane is nowhere.
fn agent(replicated: bool) -> RunningAgent {
    let connector = MemoryConnector::new(MemoryGateway::new())
        .with_descriptor(|descriptor| descriptor.capabilities.replicated = replicated);
    let client = AgentClient::new("http://127.0.0.1:9").unwrap();
    let process = OfProcess {
        scheduler: Arc::new(Scheduler::new(connector.descriptor())),
        isolation: Isolation::default(),
        monitor: Monitor::new().of(connector.descriptor()),
    };
    RunningAgent::new(
        Arc::new(connector),
        Connection::new(client, AgentId(Uuid::nil()), "key".into()),
        Tuning::default(),
        &process,
        CancellationToken::new(),
        CancellationToken::new(),
    )
}

fn assignment() -> EnvironmentAssignment {
    EnvironmentAssignment {
        id: test_support::environment_id(),
        name: "test".parse().unwrap(),
        mode: Mode::ReadWrite,
        settings: serde_json::Map::new(),
        credentials: BTreeMap::new(),
        endpoints: Vec::new(),
        drift_policy: gatehouse_schemas::environment::DriftPolicy::Alert,
        generation: Generation(1),
        fencing: Some(FencingNumber(1)),
        deleted: false,
    }
}

#[tokio::test]
async fn a_lease_runs_out_without_the_control_plane() {
    let agent = agent(false);
    agent.take_environments(vec![assignment()]);
    let lease = agent.environments.lease(assignment().id).unwrap();
    // The time is up from the start, and nothing else would end the wait.
    let ((), ended) = agent.leased(Instant::now(), lease.ended.cancelled()).await;
    assert!(ended);
    assert!(agent.environments.lease(assignment().id).is_none());
}

#[tokio::test]
async fn a_gateway_of_its_own_needs_no_lease_to_last() {
    let agent = agent(true);
    agent.take_environments(vec![assignment()]);
    assert!(!agent.end_leases());
    assert!(agent.environments.lease(assignment().id).is_some());
}

type Change<'a> = &'a dyn Fn(&mut EnvironmentAssignment);

#[tokio::test]
async fn only_what_matters_to_the_work_makes_an_environment_be_looked_at_again() {
    let settings = |assignment: &mut EnvironmentAssignment| {
        assignment.settings.insert("file".to_owned(), "/x".into());
    };
    let credential = |assignment: &mut EnvironmentAssignment| {
        let source = gatehouse_schemas::environment::CredentialSource::SecretRef("key".parse().unwrap());
        assignment.credentials.insert("adminToken".to_owned(), source);
    };
    let changes: [(&str, Change<'_>, bool); 6] = [
        ("nothing", &|_| {}, false),
        ("generation", &|it| it.generation = Generation(2), false),
        ("settings", &settings, true),
        ("credential", &credential, true),
        ("fencing", &|it| it.fencing = Some(FencingNumber(2)), true),
        ("deleted", &|it| it.deleted = true, false),
    ];
    for (what, change, look) in changes {
        let agent = agent(false);
        assert!(agent.take_environments(vec![assignment()]));
        let mut changed = assignment();
        change(&mut changed);
        assert_eq!(agent.take_environments(vec![changed]), look, "{what}");
        let held = agent.environments.lease(assignment().id).is_some();
        assert_eq!(held, what != "deleted", "{what}");
    }
}
