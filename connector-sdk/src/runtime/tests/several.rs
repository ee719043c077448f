//! Several gateway types in one process.

use gatehouse_schemas::identity::GatewayType;
use tokio::{runtime::Runtime, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{control_plane::ControlPlane, options, until};
use crate::{
    memory::{MemoryConnector, MemoryGateway},
    monitor::Monitor,
    runtime::{Agent, AgentOptions, Agents, EndedAgents, RunError},
};

fn connector(gateway_type: &str) -> MemoryConnector {
    MemoryConnector::new(MemoryGateway::new())
        .with_descriptor(|descriptor| descriptor.gateway_type = gateway_type.parse().unwrap())
}

/// Two gateway types in one process, each with a control plane of its own, so that each can be refused alone.
struct Stage {
    memory: ControlPlane,
    other: ControlPlane,
    folder: tempfile::TempDir,
    monitor: Monitor,
}

impl Stage {
    async fn new() -> Self {
        let (memory, other) = (ControlPlane::start().await, ControlPlane::start().await);
        memory.add_environment();
        other.add_environment();
        Self {
            memory,
            other,
            folder: tempfile::tempdir().unwrap(),
            monitor: Monitor::new(),
        }
    }

    fn options(&self, control_plane: &ControlPlane, folder: &str) -> AgentOptions {
        options(control_plane, &self.folder.path().join(folder))
    }

    fn start(&self, of_other: AgentOptions) -> Several {
        let agent = |gateway_type: &str| Agent::builder(connector(gateway_type)).monitored(&self.monitor);
        let agents = Agents::new()
            .with(agent("memory"), self.options(&self.memory, "agent-memory"))
            .with(agent("other"), of_other);
        let cancellation = CancellationToken::new();
        let threads = Runtime::new().unwrap();
        Several {
            task: threads.spawn(agents.run(cancellation.clone())),
            cancellation,
            threads: Some(threads),
        }
    }
}

struct Several {
    cancellation: CancellationToken,
    task: JoinHandle<Result<(), EndedAgents>>,
    threads: Option<Runtime>,
}

impl Several {
    async fn stop(mut self) -> Result<(), EndedAgents> {
        self.cancellation.cancel();
        (&mut self.task).await.unwrap()
    }
}

impl Drop for Several {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

async fn works(control_plane: &ControlPlane, api: u128) {
    let generation = control_plane.deploy(api, &format!("/api-{api}"));
    until("it is deployed", || {
        !control_plane.outcomes(generation).is_empty()
    })
    .await;
}

#[tokio::test]
async fn each_gateway_type_joins_by_itself_and_both_work_side_by_side() {
    let stage = Stage::new().await;
    let several = stage.start(stage.options(&stage.other, "agent-other"));
    works(&stage.memory, 1).await;
    works(&stage.other, 2).await;
    for control_plane in [&stage.memory, &stage.other] {
        assert_eq!(control_plane.world().agents.len(), 1);
    }
    assert_eq!(stage.monitor.readiness(), Ok(()));
    let metrics = stage.monitor.metrics();
    for gateway_type in ["memory", "other"] {
        let line = format!(r#"gatehouse_agent_session_up{{gateway_type="{gateway_type}"}} 1"#);
        assert!(metrics.contains(&line), "{metrics}");
        let line = format!(
            r#"gatehouse_agent_operations_total{{gateway_type="{gateway_type}",environment="test",operation="deploy",result="Ok"}} 1"#
        );
        assert!(metrics.contains(&line), "{metrics}");
    }
    several.stop().await.unwrap();
}

#[tokio::test]
async fn a_gateway_type_that_is_revoked_ends_alone_and_is_named_at_the_end() {
    let stage = Stage::new().await;
    let several = stage.start(stage.options(&stage.other, "agent-other"));
    works(&stage.other, 1).await;
    stage.other.change(|world, _| {
        world.agents.clear();
        world.tokens.clear();
    });
    until("it has ended", || {
        let reason = stage.monitor.readiness().err().unwrap_or_default();
        reason.contains("other: it ended and is not started again: the control plane does not accept agent")
    })
    .await;
    works(&stage.memory, 2).await;
    let ended = several.stop().await.unwrap_err();
    assert_eq!(
        ended.to_string(),
        "of the agents of 2 gateway types, these ended with an error, as told above: `other`"
    );
    assert!(matches!(&ended.failed[..], [(it, RunError::Revoked { .. })] if *it == other()));
}

#[tokio::test]
async fn a_gateway_type_that_never_joined_keeps_no_other_from_working() {
    let stage = Stage::new().await;
    let without_token = AgentOptions {
        join_token: None,
        ..stage.options(&stage.other, "agent-other")
    };
    let several = stage.start(without_token);
    works(&stage.memory, 1).await;
    let ended = several.stop().await.unwrap_err();
    assert!(matches!(&ended.failed[..], [(it, RunError::NotEnrolled { .. })] if *it == other()));
}

#[tokio::test]
async fn an_outage_is_told_by_readiness_until_it_is_over() {
    let mut stage = Stage::new().await;
    let several = stage.start(stage.options(&stage.other, "agent-other"));
    works(&stage.memory, 1).await;
    works(&stage.other, 1).await;
    stage.other.go_away().await;
    until("it is told", || {
        let reason = stage.monitor.readiness().err().unwrap_or_default();
        reason.starts_with("memory: connected\nother: it has no session and comes back by itself: ")
    })
    .await;
    stage.other.come_back().await;
    until("it is over", || stage.monitor.readiness().is_ok()).await;
    several.stop().await.unwrap();
}

fn other() -> GatewayType {
    "other".parse().unwrap()
}
