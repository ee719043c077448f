//! A control plane that is started again in the middle of a plan goes on where it was: everything it needs is in the
//! database.

use std::time::Duration;

use gatehouse_control_plane_api::{
    admin::{ApplyPlanRequest, CreatePlanRequest, Plan, PlanItemRequest, PlanState, PlanStrategy},
    agent::{
        DeploymentOutcome, DeploymentReport, DeploymentWork, DesiredState, TaskReport, TaskResult,
        WorkResponse,
    },
    agent_client::AgentClient,
    client::{Client, ClientOptions},
};
use gatehouse_control_plane_server::{Server, create_join_token};
use gatehouse_schemas::{
    identity::{AgentId, ExternalRef, Generation, PlanId},
    observed::Observation,
};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    agent::{HOUR, enroll_request, key, session_request},
    harness::{api, descriptor, environment, options},
};

/// A control plane that can be started again, with one agent that has no memory either.
struct Stage {
    folder: TempDir,
    server: Option<Server>,
    admin: String,
    agent: AgentId,
    key: String,
}

impl Stage {
    async fn set() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Server::start(options(&folder, None)).await.expect("a server");
        let file = server.admin_token_file().expect("the first token's file");
        let admin = std::fs::read_to_string(file).expect("a token").trim().to_owned();
        let (key, gateway_type) = (key(), "test".parse().expect("a name"));
        let join = create_join_token(&server, &gateway_type, HOUR)
            .await
            .expect("a token")
            .token;
        let client = agent_client(&server);
        let agent = client
            .enroll(&enroll_request(&join, &key))
            .await
            .expect("enrolled")
            .agent_id;
        let stage = Self {
            folder,
            server: Some(server),
            admin,
            agent,
            key,
        };
        let documents = json!({"documents": [
            environment("local", "read-write"), api("orders", "/orders"), api("customers", "/customers")]});
        let request = serde_json::from_value(documents).expect("a request");
        stage.client().apply(&request).await.expect("applied");
        stage
    }

    fn server(&self) -> &Server {
        self.server.as_ref().expect("a server")
    }

    async fn restart(&mut self) {
        if let Some(server) = self.server.take() {
            server.shutdown(Duration::from_secs(5)).await;
        }
        let started = Server::start(options(&self.folder, None)).await;
        self.server = Some(started.expect("a server"));
    }

    fn client(&self) -> Client {
        let address = format!("http://{}", self.server().address());
        Client::new(ClientOptions::new(address, Some(self.admin.clone().into()))).expect("a client")
    }

    async fn work(&self) -> (AgentClient, secrecy::SecretString, WorkResponse) {
        let client = agent_client(self.server());
        let request = gatehouse_control_plane_api::agent::TokenRequest {
            agent_id: self.agent,
            key: self.key.clone(),
        };
        let token: secrecy::SecretString = client.token(&request).await.expect("a token").token.into();
        client
            .session(&token, &session_request(descriptor()))
            .await
            .expect("a session");
        let work = client
            .work(&token, Generation(0), Duration::ZERO)
            .await
            .expect("work");
        (client, token, work)
    }

    async fn answer(&self) {
        let (client, token, work) = self.work().await;
        let fencing = work.environments[0].fencing.expect("a lease");
        for task in work.tasks {
            let result = TaskResult::Planned {
                observation: Observation::Absent,
                fidelity: Vec::new(),
                notes: Vec::new(),
                warnings: Vec::new(),
                calls: Default::default(),
                eta_ms: 0,
            };
            let report = TaskReport { fencing, result };
            client
                .task_result(&token, task.id, &report)
                .await
                .expect("recorded");
        }
    }

    async fn report(&self, api: &str, outcome: impl Fn(&DeploymentWork) -> DeploymentOutcome) {
        let (client, token, work) = self.work().await;
        let fencing = work.environments[0].fencing.expect("a lease");
        for work in work.deployments {
            let name = match &work.desired {
                DesiredState::Present { api } => api.mark.api_name.clone(),
                DesiredState::Absent { mark } => mark.api_name.clone(),
            };
            if name.as_str() == api {
                let report = DeploymentReport {
                    generation: work.generation,
                    fencing,
                    outcome: outcome(&work),
                };
                client.report(&token, work.id, &report).await.expect("recorded");
            }
        }
    }

    async fn until(&self, id: PlanId, state: PlanState) -> Plan {
        loop {
            let plan = self.client().plan(id).await.expect("a plan");
            if plan.state == state {
                return plan;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn agent_client(server: &Server) -> AgentClient {
    AgentClient::new(&format!("http://{}", server.address())).expect("an address")
}

fn as_desired(work: &DeploymentWork) -> DeploymentOutcome {
    match &work.desired {
        DesiredState::Present { api } => DeploymentOutcome::Deployed {
            external_ref: ExternalRef("svc-1".to_owned()),
            endpoint_urls: Vec::new(),
            observed: api.fingerprint.clone(),
        },
        DesiredState::Absent { .. } => DeploymentOutcome::Removed,
    }
}

#[tokio::test]
async fn a_plan_survives_a_restart_in_every_state() {
    let mut stage = Stage::set().await;
    let item = |api: &str| PlanItemRequest {
        action: Default::default(),
        api: api.parse().expect("a name"),
        environment: "local".parse().expect("a name"),
        revision: None,
    };
    let request = CreatePlanRequest {
        items: vec![item("orders"), item("customers")],
        strategy: PlanStrategy::AllOrNothing,
        accept_loss: false,
    };
    let id = stage.client().create_plan(&request).await.expect("a plan").id;
    stage.restart().await;
    assert_eq!(
        stage.client().plan(id).await.expect("a plan").state,
        PlanState::Pending
    );
    stage.answer().await;
    let ready = stage.client().plan(id).await.expect("a plan");
    assert_eq!(ready.state, PlanState::Ready, "{ready:?}");
    stage.restart().await;
    assert_eq!(stage.client().plan(id).await.expect("a plan"), ready);
    let approved = ApplyPlanRequest {
        fingerprint: ready.fingerprint.clone(),
    };
    stage.client().apply_plan(id, &approved).await.expect("applied");
    stage.restart().await;
    stage.report("orders", as_desired).await;
    stage.restart().await;
    let failed = |_: &DeploymentWork| DeploymentOutcome::Failed {
        reason: "UpstreamInvalid".to_owned(),
        message: "no".to_owned(),
        retrying: false,
    };
    stage.report("customers", failed).await;
    stage.until(id, PlanState::Compensating).await;
    stage.restart().await;
    assert_eq!(
        stage.client().plan(id).await.expect("a plan").state,
        PlanState::Compensating
    );
    stage.report("orders", as_desired).await;
    stage.report("customers", as_desired).await;
    let ended = stage.until(id, PlanState::Compensated).await;
    assert_eq!(ended.fingerprint, ready.fingerprint);
    stage.restart().await;
    assert_eq!(stage.client().plan(id).await.expect("a plan"), ended);
    if let Some(server) = stage.server.take() {
        server.shutdown(Duration::from_secs(5)).await;
    }
}
