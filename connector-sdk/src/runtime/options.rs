//! How an agent runs.

use std::{path::PathBuf, time::Duration};

use gatehouse_control_plane_api::agent_client::{AgentClient, is_loopback};
use secrecy::SecretString;

use super::RunError;
use crate::{
    backoff::Backoff,
    layers::{Deadlines, RetryPolicy},
};

/// Where an agent finds its control plane and keeps its identity.
///
/// ```
/// use gatehouse_connector_sdk::runtime::AgentOptions;
///
/// let mut options = AgentOptions::new("https://gatehouse.example.com", "/var/lib/agent-acme");
/// options.join_token = Some("gtj_123".into());
/// options.name = Some("acme-eu".to_owned());
/// assert!(!options.allow_insecure_http);
/// assert!(!format!("{options:?}").contains("gtj_123"));
/// ```
#[derive(Debug, Clone)]
pub struct AgentOptions {
    /// The control plane's address: `https://` or, on this machine, `http://`, a host, and a port if it is not the
    /// usual one.
    pub control_plane: String,
    /// The one-time token to join with; needed as long as the state folder holds no identity.
    pub join_token: Option<SecretString>,
    /// The folder of the agent's identity: made if it is not there, and used by one agent at a time.
    pub state_dir: PathBuf,
    /// The name people see, cut to 200 characters. Default: the host's.
    pub name: Option<String>,
    /// Whether plain HTTP to another machine is allowed.
    pub allow_insecure_http: bool,
    /// Times and limits.
    pub tuning: Tuning,
}

impl AgentOptions {
    /// Options with everything at its default.
    pub fn new(control_plane: impl Into<String>, state_dir: impl Into<PathBuf>) -> Self {
        Self {
            control_plane: control_plane.into(),
            join_token: None,
            state_dir: state_dir.into(),
            name: None,
            allow_insecure_http: false,
            tuning: Tuning::default(),
        }
    }

    /// A client of the control plane, if its address is one that secrets may travel to.
    pub(super) fn client(&self) -> Result<AgentClient, RunError> {
        let client = AgentClient::new(&self.control_plane).map_err(RunError::Address)?;
        let local = reqwest::Url::parse(client.base()).is_ok_and(|url| is_loopback(&url));
        if client.base().starts_with("https://") || local || self.allow_insecure_http {
            return Ok(client);
        }
        Err(RunError::InsecureAddress {
            address: self.control_plane.clone(),
        })
    }

    /// The name people see for this agent.
    pub(super) fn display_name(&self) -> String {
        let host = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
        let name = self.name.clone().or_else(host).unwrap_or_default();
        match name.trim() {
            "" => "agent".to_owned(),
            name => name.chars().take(200).collect(),
        }
    }
}

/// Times and limits of an agent.
///
/// ```
/// use std::time::Duration;
///
/// use gatehouse_connector_sdk::runtime::{AgentOptions, Tuning};
///
/// let mut options = AgentOptions::new("https://gatehouse.example.com", "/var/lib/agent-acme");
/// options.tuning = Tuning { concurrency: 2, grace: Duration::from_secs(60), ..Tuning::default() };
/// assert_eq!(options.tuning.longest_poll, Duration::from_secs(25));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// How many deployments of one environment are worked on at the same time, at most. By default 8.
    pub concurrency: usize,
    /// How many deployments of all environments together are worked on at the same time, beside one of each
    /// environment, which never waits for another environment's. By default 64.
    pub common_concurrency: usize,
    /// Work that takes longer than this is reported as begun. By default 300 ms.
    pub slow: Duration,
    /// Pauses before the control plane is asked again after an outage. By default from 250 ms to 15 s.
    pub reconnect: Backoff,
    /// How hints of changes are heard and followed.
    pub hints: HintPace,
    /// Pauses before a failed deploy is tried again. By default from 1 s to 60 s.
    pub redeploy: Backoff,
    /// The longest that one request for work stays open. By default 25 s.
    pub longest_poll: Duration,
    /// How long running work may take to end when the agent stops. By default 10 s.
    pub grace: Duration,
    /// How long each operation of the connector may take.
    pub deadlines: Deadlines,
    /// How reading operations are retried.
    pub retry: RetryPolicy,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            concurrency: 8,
            common_concurrency: 64,
            slow: Duration::from_millis(300),
            reconnect: Backoff {
                first: Duration::from_millis(250),
                longest: Duration::from_secs(15),
            },
            hints: HintPace::default(),
            redeploy: Backoff {
                first: Duration::from_secs(1),
                longest: Duration::from_secs(60),
            },
            longest_poll: Duration::from_secs(25),
            grace: Duration::from_secs(10),
            deadlines: Deadlines::default(),
            retry: RetryPolicy::default(),
        }
    }
}

/// How hints of changes are heard and followed. The defaults are our own figures, not a vendor's.
///
/// ```
/// use std::time::Duration;
///
/// use gatehouse_connector_sdk::runtime::{HintPace, Tuning};
///
/// let hints = HintPace { gather: Duration::from_secs(10), ..HintPace::default() };
/// assert!(hints.wide > hints.gather);
/// assert_eq!(Tuning { hints, ..Tuning::default() }.hints.gather, Duration::from_secs(10));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HintPace {
    /// How long hints are gathered before what they are about is looked at: several of one API are one look. By default
    /// 3 s.
    pub gather: Duration,
    /// The least time between two looks at everything in an environment, which hints that name no API lead to. By default
    /// 5 minutes.
    pub wide: Duration,
    /// The least time between two waits of which the first was over at once without a hint. By default 1 s.
    pub idle: Duration,
    /// Pauses before what tells of changes is asked again after a failure. By default from 5 s to 5 minutes.
    pub again: Backoff,
}

impl Default for HintPace {
    fn default() -> Self {
        Self {
            gather: Duration::from_secs(3),
            wide: Duration::from_secs(300),
            idle: Duration::from_secs(1),
            again: Backoff {
                first: Duration::from_secs(5),
                longest: Duration::from_secs(300),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sends_secrets_in_clear_text_only_on_this_machine_or_when_allowed() {
        for (address, allowed, good) in [
            ("http://127.0.0.1:9090", false, true),
            ("http://localhost:9090", false, true),
            ("https://control.example.com", false, true),
            ("http://control.example.com", false, false),
            ("http://control.example.com", true, true),
        ] {
            let options = AgentOptions {
                allow_insecure_http: allowed,
                ..AgentOptions::new(address, "unused")
            };
            assert_eq!(options.client().is_ok(), good, "{address}");
        }
    }
}
