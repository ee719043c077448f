//! One agent: enrolls, holds a session, waits for work, reports it done at once, and comes back after an outage, all as
//! the agent runtime does.

use std::{
    collections::HashMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use gatehouse_connector_sdk::backoff::Backoff;
use gatehouse_control_plane_api::agent::{
    DeploymentOutcome, DeploymentReport, DeploymentWork, DesiredState, EnvironmentAssignment, WorkResponse,
};
use gatehouse_schemas::{
    descriptor::Fidelity,
    identity::{DeploymentId, EnvironmentId, ExternalRef, FencingNumber, Generation},
};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use crate::connection::{Connection, Unauthorized};

/// All agents have the same key; they differ by their ids.
const KEY: &str = "control-plane-bench";
const KEY_SHA256: &str = "6106884131998fa92116a629e212b5e8f423cd730382dcab3d6a604440bb0b96";

/// Pauses after an outage: those of the agent runtime.
const RECONNECT: Backoff = Backoff {
    first: Duration::from_millis(250),
    longest: Duration::from_secs(15),
};

/// What an agent tells the bench.
#[derive(Debug)]
pub(crate) enum Event {
    /// It has a session, and an answer to its first request for work.
    Connected,
    /// It was given desired state that it had not settled.
    Given {
        deployment: DeploymentId,
        generation: Generation,
        at: Instant,
    },
    /// It was given desired state that it had settled: to be ignored, but not for nothing.
    GivenAgain,
    /// It was given a discovery.
    Discovery,
    /// It lost the control plane, or was refused.
    Lost(String),
}

/// One agent.
pub(crate) struct Agent {
    pub(crate) number: usize,
    pub(crate) gateway_type: String,
    pub(crate) replicated: bool,
    id: Value,
    token: String,
    connection: Connection,
    address: SocketAddr,
    fencing: HashMap<EnvironmentId, FencingNumber>,
    settled: HashMap<DeploymentId, (Generation, FencingNumber)>,
    events: UnboundedSender<(usize, Event)>,
}

impl Agent {
    pub(crate) fn new(
        number: usize,
        gateway_type: String,
        replicated: bool,
        address: SocketAddr,
        events: UnboundedSender<(usize, Event)>,
    ) -> Self {
        Self {
            number,
            gateway_type,
            replicated,
            id: Value::Null,
            token: String::new(),
            connection: Connection::new(address),
            address,
            fencing: HashMap::new(),
            settled: HashMap::new(),
            events,
        }
    }

    /// Becomes known to the control plane.
    pub(crate) async fn enroll(&mut self, join_token: &str) -> anyhow::Result<()> {
        let request = json!({
            "joinToken": join_token,
            "gatewayType": self.gateway_type,
            "name": format!("agent-{}", self.number),
            "keySha256": KEY_SHA256,
        });
        let enrolled: Value = self.connection.post("/agent/v1/enroll", None, &request).await?;
        self.id = enrolled["agentId"].clone();
        Ok(())
    }

    /// Sessions, one after the other, for ever.
    pub(crate) async fn run(mut self) {
        let mut failures = 0;
        loop {
            let error = match self.session(&mut failures).await {
                Ok(never) => match never {},
                Err(error) => error,
            };
            if error.is::<Unauthorized>() {
                self.token.clear();
                continue;
            }
            if failures == 0 {
                self.tell(Event::Lost(format!("{error:#}")));
            }
            failures += 1;
            tokio::time::sleep(RECONNECT.pause(failures)).await;
        }
    }

    async fn session(&mut self, failures: &mut u32) -> anyhow::Result<std::convert::Infallible> {
        self.log_in().await?;
        let session: Value = self
            .connection
            .post("/agent/v1/session", Some(&self.token), &self.announcement())
            .await?;
        let lease_ms = session["leaseMs"].as_u64().unwrap_or(30_000);
        let wait = (lease_ms / 3_000).clamp(1, 25);
        let mut after = Generation(0);
        let mut is_first = true;
        loop {
            let path = format!("/agent/v1/work?after={after}&waitSeconds={wait}");
            let answer = self.connection.get(&path, &self.token).await;
            let work: WorkResponse = match answer {
                Err(error) if error.is::<Unauthorized>() => {
                    self.token.clear();
                    self.log_in().await?;
                    continue;
                }
                answer => answer?,
            };
            let at = Instant::now();
            after = work.generation;
            self.take(work, at);
            if std::mem::take(&mut is_first) {
                self.tell(Event::Connected);
            }
            *failures = 0;
        }
    }

    async fn log_in(&mut self) -> anyhow::Result<()> {
        if self.token.is_empty() {
            let request = json!({"agentId": self.id, "key": KEY});
            let answer: Value = self.connection.post("/agent/v1/token", None, &request).await?;
            self.token = answer["token"].as_str().unwrap_or_default().to_owned();
        }
        Ok(())
    }

    fn announcement(&self) -> Value {
        json!({
            "descriptor": {
                "gatewayType": self.gateway_type,
                "displayName": "Benchmark",
                "version": "1.0.0",
                "capabilities": {
                    "deploy": true, "undeploy": true, "observe": true, "discover": true, "check": true,
                    "replicated": self.replicated,
                },
                "settingsSchema": {"type": "object"},
                "policies": [{"policy": "headers", "fidelity": Fidelity::Exact}],
            },
            "protocolMin": gatehouse_control_plane_api::agent::PROTOCOL_MIN,
            "protocolMax": gatehouse_control_plane_api::agent::PROTOCOL_MAX,
        })
    }

    fn take(&mut self, work: WorkResponse, at: Instant) {
        for environment in work.environments {
            self.take_environment(&environment);
        }
        for _discovery in work.discoveries {
            self.tell(Event::Discovery);
        }
        for deployment in work.deployments {
            self.take_deployment(deployment, at);
        }
    }

    fn take_environment(&mut self, environment: &EnvironmentAssignment) {
        match environment.fencing {
            Some(fencing) => self.fencing.insert(environment.id, fencing),
            None => self.fencing.remove(&environment.id),
        };
    }

    /// The gateway serves it at once.
    fn take_deployment(&mut self, work: DeploymentWork, at: Instant) {
        let Some(&fencing) = self.fencing.get(&work.environment_id) else {
            return;
        };
        if self.settled.get(&work.id) == Some(&(work.generation, fencing)) {
            return self.tell(Event::GivenAgain);
        }
        self.settled.insert(work.id, (work.generation, fencing));
        self.tell(Event::Given {
            deployment: work.id,
            generation: work.generation,
            at,
        });
        let DesiredState::Present { api } = work.desired else {
            return;
        };
        let report = DeploymentReport {
            generation: work.generation,
            fencing,
            outcome: DeploymentOutcome::Deployed {
                external_ref: ExternalRef(work.id.to_string()),
                endpoint_urls: Vec::new(),
                observed: api.fingerprint,
            },
        };
        let (address, token) = (self.address, self.token.clone());
        tokio::spawn(async move {
            let path = format!("/agent/v1/deployments/{}/status", work.id);
            let mut connection = Connection::new(address);
            for failures in 1..10 {
                let told: anyhow::Result<Value> = connection.post(&path, Some(&token), &report).await;
                if told.is_ok() {
                    return;
                }
                tokio::time::sleep(RECONNECT.pause(failures)).await;
            }
        });
    }

    fn tell(&self, event: Event) {
        drop(self.events.send((self.number, event)));
    }
}
