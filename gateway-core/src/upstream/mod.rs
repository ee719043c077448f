//! Upstreams: where requests go, and the connections that are kept open to them.

mod agree;
mod allowed_names;
mod balance;
mod budget;
mod check;
pub(crate) mod choice;
pub(crate) mod connect;
mod ejection;
mod endpoint;
pub(crate) mod fetch;
pub(crate) mod gauges;
pub(crate) mod http1;
mod latency;
pub(crate) mod line;
pub(crate) mod load;
pub(crate) mod multiplexed;
pub(crate) mod pool;
mod probe;
mod resolve;
pub(crate) mod send;
pub(crate) mod tls;

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use gatehouse_schemas::{api, identity::ResourceName};
use http::Uri;

pub(crate) use self::{
    balance::hashed,
    endpoint::{Endpoint, Endpoints},
};
use self::{
    check::Check,
    choice::{Balancer, Outlier},
    endpoint::TlsTerms,
    probe::{Look, Probe},
};
use crate::config::Secret;

/// One upstream of an API.
#[derive(Debug)]
pub(crate) struct Upstream {
    /// The endpoint that its URL names.
    pub(crate) first: Member,
    /// All endpoints, that one included.
    pub(crate) members: Box<[Member]>,
    /// Put before the request's path; no slash at the end.
    pub(crate) path_prefix: Box<str>,
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
    /// How long an unused connection is kept.
    pub(crate) idle_timeout: Duration,
    /// The most requests that one endpoint has at the same time, and that wait for it.
    pub(crate) max_connections: Option<u32>,
    pub(crate) max_pending: u32,
    pub(crate) protocol: Protocol,
    pub(crate) balancer: Balancer,
    pub(crate) outlier: Option<Outlier>,
}

/// What is spoken to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
    /// What each endpoint agrees to.
    Auto,
}

impl From<Option<api::UpstreamProtocol>> for Protocol {
    fn from(described: Option<api::UpstreamProtocol>) -> Self {
        match described.unwrap_or_default() {
            api::UpstreamProtocol::Http1 => Self::Http1,
            api::UpstreamProtocol::Http2 => Self::Http2,
            api::UpstreamProtocol::Auto => Self::Auto,
        }
    }
}

/// One endpoint of an upstream.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) weight: u32,
    check: Option<Arc<Check>>,
}

impl Member {
    /// Whether its check passes, if there is one.
    pub(crate) fn is_healthy(&self) -> bool {
        self.check.as_ref().is_none_or(|check| check.is_healthy())
    }

    /// Whether it is asked.
    pub(crate) fn is_checked(&self) -> bool {
        self.check.is_some()
    }
}

impl Upstream {
    /// Takes an upstream's description apart. The secrets are those that it refers to.
    pub(crate) fn compile(
        described: &api::Upstream,
        secrets: &BTreeMap<ResourceName, Secret>,
        endpoints: &Endpoints,
    ) -> Result<Self, String> {
        let uri = parsed(&described.url)?;
        let tls = described.tls.as_deref();
        let tls = tls.map(|tls| endpoints.tls_terms(tls, secrets)).transpose()?;
        let members = members(described, &uri, tls.as_ref(), endpoints)?;
        let first = members.first().cloned().ok_or("an upstream needs an endpoint")?;
        let balancing = described.load_balancing.clone().unwrap_or_default();
        let milliseconds = |time: u32| Duration::from_millis(time.into());
        Ok(Self {
            first,
            path_prefix: uri.path().trim_end_matches('/').into(),
            timeout: milliseconds(described.timeout_ms),
            connect_timeout: milliseconds(described.connect_timeout_ms),
            idle_timeout: described.idle_timeout_ms.map_or(pool::IDLE_TIME, milliseconds),
            max_connections: described.max_connections,
            max_pending: described.max_pending.unwrap_or_default(),
            protocol: described.protocol.into(),
            balancer: Balancer::new(balancing.algorithm, balancing.key.as_ref(), members.len())?,
            outlier: outlier(described, members.len(), endpoints)?,
            members: members.into(),
        })
    }

    /// Whether all there is to do is to send requests to its first endpoint, each over a connection of its own.
    pub(crate) fn is_plain(&self) -> bool {
        self.members.len() == 1 && self.max_connections.is_none() && self.protocol == Protocol::Http1
    }
}

fn parsed(url: &str) -> Result<Uri, String> {
    url.parse()
        .map_err(|error| format!("upstream URL `{url}`: {error}"))
}

/// The endpoint of the URL, then the others.
fn members(
    described: &api::Upstream,
    uri: &Uri,
    tls: Option<&TlsTerms>,
    endpoints: &Endpoints,
) -> Result<Vec<Member>, String> {
    let member = |endpoint: Arc<Endpoint>, weight: u32| {
        let check = match &described.health_check {
            Some(check) => Some(endpoints.check(&endpoint, &check.active)?),
            None => None,
        };
        Ok::<_, String>(Member {
            endpoint,
            weight: weight.max(1),
            check,
        })
    };
    let mut members = vec![member(endpoints.endpoint_on(uri, tls)?, 1)?];
    for other in &described.endpoints {
        let endpoint = endpoints.endpoint_on(&parsed(&other.url)?, tls)?;
        match members.iter_mut().find(|known| known.endpoint.id == endpoint.id) {
            Some(known) => known.weight = other.weight.max(1),
            None => members.push(member(endpoint, other.weight)?),
        }
    }
    Ok(members)
}

/// Where there are several endpoints, those that fail are ejected unless that is turned off.
fn outlier(
    described: &api::Upstream,
    count: usize,
    endpoints: &Endpoints,
) -> Result<Option<Outlier>, String> {
    let settings = described.outlier.clone().unwrap_or_default();
    if count < 2 || settings.consecutive_errors == 0 {
        return Ok(None);
    }
    let look = match (&described.health_check, Protocol::from(described.protocol)) {
        (_, Protocol::Http2) => Look::Connect,
        (None, _) => Look::Ask,
        (Some(check), _) => Look::Check(check::path(&check.active)?),
    };
    Ok(Some(Outlier {
        consecutive_errors: settings.consecutive_errors,
        first: Duration::from_secs(settings.ejection_seconds.into()),
        most_out: count * usize::from(settings.max_ejected_percent.min(100)) / 100,
        probe: Probe {
            look,
            runtime: endpoints.runtime.clone(),
        },
    }))
}

/// Time since the first time this was asked for: a clock that fits into a word.
pub(crate) fn uptime() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}
