//! What the liar makes of the control plane's words.

use axum::{
    body::Bytes,
    http::{StatusCode, Uri},
};
use gatehouse_control_plane_api::{
    agent::{DeploymentWork, DesiredState, EnvironmentAssignment, SessionResponse, WorkResponse},
    problem::ProblemKind,
};
use gatehouse_schemas::{
    canonical::Fingerprint,
    environment::{DriftPolicy, Mode},
    identity::{FencingNumber, Generation},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::Breach;

/// What was heard so far.
#[derive(Default)]
pub(super) struct Heard {
    sessions: u32,
    token: Option<Bytes>,
    deployment: Option<DeploymentWork>,
}

impl Heard {
    /// What the agent hears of an answer.
    pub(super) fn bent(
        &mut self,
        breach: Option<Breach>,
        uri: &Uri,
        status: StatusCode,
        body: Bytes,
    ) -> (StatusCode, Bytes) {
        let Some(breach) = breach else {
            return (status, body);
        };
        let last = uri.path().rsplit('/').next().unwrap_or_default();
        match (last, status.as_u16()) {
            ("session", 200) => (status, self.session(breach, &body)),
            ("work", 200) => (status, self.work(breach, uri, &body)),
            ("token", 200) if breach == Breach::TokensAreKept => {
                (status, self.token.get_or_insert(body).clone())
            }
            ("work", 410) if breach == Breach::PositionIsKept => (StatusCode::OK, nothing_new(uri)),
            ("status", 503) if breach == Breach::ReportsAreSentOnce => (StatusCode::NO_CONTENT, Bytes::new()),
            ("status", 409) if breach == Breach::StaleIsSentAgain => {
                let problem = ProblemKind::Unavailable.problem("the control plane is not there");
                (StatusCode::SERVICE_UNAVAILABLE, text(&problem))
            }
            _ => (status, body),
        }
    }

    fn session(&mut self, breach: Breach, body: &Bytes) -> Bytes {
        self.sessions += 1;
        let mut session: SessionResponse = read(body);
        if breach == Breach::LeaseOutlivesItsTime {
            session.lease_ms *= 1_000;
        }
        for environment in &mut session.environments {
            bend_environment(breach, environment);
        }
        text(&session)
    }

    fn work(&mut self, breach: Breach, uri: &Uri, body: &Bytes) -> Bytes {
        let mut work: WorkResponse = read(body);
        for environment in &mut work.environments {
            bend_environment(breach, environment);
        }
        for deployment in &mut work.deployments {
            self.deployment = Some(deployment.clone());
            self.bend_deployment(breach, deployment);
        }
        let is_everything = position(uri) == 0;
        if breach == Breach::WhatIsNotListedIsRemoved && is_everything && work.deployments.is_empty() {
            let known = self.deployment.clone();
            work.deployments = known
                .map(|known| removal(known, work.generation))
                .into_iter()
                .collect();
        }
        text(&work)
    }

    fn bend_deployment(&self, breach: Breach, work: &mut DeploymentWork) {
        match breach {
            Breach::PlanIsOverlooked => work.expected = None,
            Breach::ConfirmationIsOverlooked => work.confirmed = false,
            Breach::LossIsAccepted => work.accept_loss = true,
            Breach::CrashesAreForgotten if self.sessions > 1 && !work.confirmed => change(work),
            _ => {}
        }
    }
}

fn bend_environment(breach: Breach, environment: &mut EnvironmentAssignment) {
    match (breach, environment.mode, environment.drift_policy) {
        (Breach::ReadOnlyIsOverlooked, Mode::ReadOnly, _)
        | (Breach::WriteOnlyIsOverlooked, Mode::WriteOnly, _) => environment.mode = Mode::ReadWrite,
        (Breach::DriftPolicyIsOverlooked, _, DriftPolicy::Revert) => {
            environment.drift_policy = DriftPolicy::Alert;
        }
        (Breach::LeaseIsAssumed, _, _) => {
            environment.fencing.get_or_insert(FencingNumber(1));
        }
        _ => {}
    }
}

/// The same deployment, with nothing in it.
fn removal(known: DeploymentWork, generation: Generation) -> DeploymentWork {
    let mark = match &known.desired {
        DesiredState::Present { api } => api.mark.clone(),
        DesiredState::Absent { mark } => mark.clone(),
    };
    DeploymentWork {
        generation,
        desired: DesiredState::Absent { mark },
        ..known
    }
}

/// Another desired state in the place of this one.
fn change(work: &mut DeploymentWork) {
    if let DesiredState::Present { api } = &mut work.desired {
        "once more".clone_into(&mut api.content.display_name);
        api.fingerprint = Fingerprint::of_value(&json!("once more"));
    }
}

fn nothing_new(uri: &Uri) -> Bytes {
    text(&WorkResponse {
        generation: Generation(position(uri)),
        environments: Vec::new(),
        deployments: Vec::new(),
        discoveries: Vec::new(),
        tasks: Vec::new(),
    })
}

/// The position that a request for work names.
fn position(uri: &Uri) -> u64 {
    let mut pairs = uri.query().unwrap_or_default().split('&');
    let after = pairs.find_map(|pair| pair.strip_prefix("after="));
    after.and_then(|after| after.parse().ok()).unwrap_or_default()
}

fn read<T: DeserializeOwned>(body: &Bytes) -> T {
    serde_json::from_slice(body).expect("the control plane's words")
}

fn text(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("words are JSON").into()
}
