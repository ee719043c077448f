//! An agent as small as can be: it speaks the protocol, and does what the test says.

use std::time::Duration;

use gatehouse_control_plane_api::{
    agent::{
        DeploymentOutcome, DeploymentReport, DeploymentWork, EnrollRequest, PROTOCOL_MAX, PROTOCOL_MIN,
        SessionRequest, SessionResponse, TokenRequest, WorkResponse,
    },
    agent_client::{AgentApiError, AgentClient},
};
use gatehouse_control_plane_server::create_join_token;
use gatehouse_schemas::{
    canonical::{Fingerprint, hexadecimal},
    descriptor::Descriptor,
    identity::{AgentId, EnvironmentId, ExternalRef, FencingNumber, Generation},
};
use secrecy::SecretString;

use crate::harness::{ControlPlane, descriptor};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
/// Longer than any answer that comes because of something.
pub(crate) const LONG: Duration = Duration::from_secs(30);

pub(crate) struct Agent {
    pub(crate) client: AgentClient,
    pub(crate) id: AgentId,
    pub(crate) key: String,
    pub(crate) token: SecretString,
}

pub(crate) fn client(control_plane: &ControlPlane) -> AgentClient {
    AgentClient::new(&control_plane.url("")).expect("an address")
}

pub(crate) async fn join_token(control_plane: &ControlPlane, time_to_live: Duration) -> String {
    let gateway_type = "test".parse().expect("a name");
    create_join_token(&control_plane.server, &gateway_type, time_to_live)
        .await
        .expect("a token")
        .token
}

pub(crate) fn enroll_request(join_token: &str, key: &str) -> EnrollRequest {
    EnrollRequest {
        join_token: join_token.to_owned(),
        gateway_type: "test".parse().expect("a name"),
        name: "test agent".to_owned(),
        key_sha256: Fingerprint::of_bytes(key.as_bytes())
            .0
            .trim_start_matches("sha256:")
            .to_owned(),
    }
}

/// Any key will do that no other agent of the test has.
pub(crate) fn key() -> String {
    hexadecimal(uuid::Uuid::new_v4().as_bytes())
}

pub(crate) fn session_request(descriptor: Descriptor) -> SessionRequest {
    SessionRequest {
        descriptor,
        protocol_min: PROTOCOL_MIN,
        protocol_max: PROTOCOL_MAX,
    }
}

pub(crate) fn replicated() -> Descriptor {
    let mut descriptor = descriptor();
    descriptor.capabilities.replicated = true;
    descriptor
}

impl Agent {
    /// Enrolled, with a token, without a session.
    pub(crate) async fn enroll(control_plane: &ControlPlane) -> Self {
        let (client, key) = (client(control_plane), key());
        let join = join_token(control_plane, HOUR).await;
        let id = client
            .enroll(&enroll_request(&join, &key))
            .await
            .expect("enrolled")
            .agent_id;
        let request = TokenRequest {
            agent_id: id,
            key: key.clone(),
        };
        let token = client.token(&request).await.expect("a token").token.into();
        Self {
            client,
            id,
            key,
            token,
        }
    }

    /// With a session.
    pub(crate) async fn start(control_plane: &ControlPlane, descriptor: Descriptor) -> Self {
        let agent = Self::enroll(control_plane).await;
        agent.session(descriptor).await;
        agent
    }

    pub(crate) async fn session(&self, descriptor: Descriptor) -> SessionResponse {
        self.client
            .session(&self.token, &session_request(descriptor))
            .await
            .expect("a session")
    }

    pub(crate) async fn try_work(&self, after: u64, wait: Duration) -> Result<WorkResponse, AgentApiError> {
        self.client.work(&self.token, Generation(after), wait).await
    }

    pub(crate) async fn work(&self, after: u64) -> WorkResponse {
        self.try_work(after, Duration::ZERO).await.expect("work")
    }

    /// Everything, and the fencing number of the only environment.
    pub(crate) async fn all(&self) -> (WorkResponse, Option<FencingNumber>) {
        let work = self.work(0).await;
        let fencing = work
            .environments
            .first()
            .and_then(|environment| environment.fencing);
        (work, fencing)
    }

    pub(crate) async fn fencing(&self) -> FencingNumber {
        self.all().await.1.expect("a lease")
    }

    pub(crate) async fn try_report(
        &self,
        work: &DeploymentWork,
        fencing: FencingNumber,
        outcome: DeploymentOutcome,
    ) -> Result<(), AgentApiError> {
        let report = DeploymentReport {
            generation: work.generation,
            fencing,
            outcome,
        };
        self.client.report(&self.token, work.id, &report).await
    }

    pub(crate) async fn report(&self, work: &DeploymentWork, outcome: DeploymentOutcome) {
        let fencing = self.fencing().await;
        self.try_report(work, fencing, outcome).await.expect("recorded");
    }
}

pub(crate) fn deployed(work: &DeploymentWork) -> DeploymentOutcome {
    let gatehouse_control_plane_api::agent::DesiredState::Present { api } = &work.desired else {
        panic!("{work:?} is to be removed");
    };
    DeploymentOutcome::Deployed {
        external_ref: ExternalRef("svc-1".to_owned()),
        endpoint_urls: vec!["http://127.0.0.1:8080/orders".to_owned()],
        observed: api.fingerprint.clone(),
    }
}

pub(crate) async fn environment_id(control_plane: &ControlPlane, name: &str) -> EnvironmentId {
    let environment = control_plane
        .get(&format!("environments/{name}"))
        .await
        .expect(200);
    environment["metadata"]["uid"]
        .as_str()
        .expect("a uid")
        .parse()
        .expect("a UUID")
}

/// The refusal's status, the last segment of its type, and its detail.
#[track_caller]
pub(crate) fn refusal<T>(result: Result<T, AgentApiError>) -> (u16, String, String) {
    match result {
        Err(AgentApiError::Refused { problem }) => {
            let kind = problem.r#type.rsplit('/').next().unwrap_or_default().to_owned();
            (problem.status, kind, problem.detail)
        }
        Err(error) => panic!("not a refusal: {error}"),
        Ok(_) => panic!("it was not refused"),
    }
}
