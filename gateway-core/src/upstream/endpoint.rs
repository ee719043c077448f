//! The places that upstreams lead to, each known once, whoever leads there.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use gatehouse_schemas::api::ActiveCheck;
use http::{HeaderValue, Uri, uri::Scheme};
use rustls::pki_types::ServerName;
use tokio::runtime::Handle;

use super::{
    balance::hashed, budget::Budget, check::Check, ejection::Ejection, load::Load, resolve::Resolution, tls,
};

/// Where connections lead. Upstreams of any API with the same scheme, host and port share it, and with it the open
/// connections and what is known of its health; none of that ends when the configuration changes.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) id: u64,
    pub(crate) resolution: Arc<Resolution>,
    /// The name to verify, if the connection is TLS.
    pub(crate) tls: Option<ServerName<'static>>,
    /// What the `Host` header says.
    pub(crate) authority: HeaderValue,
    /// A number for its address, the same in every process.
    pub(crate) identity: u64,
    pub(crate) load: Load,
    pub(crate) ejection: Ejection,
    /// What upstreams that begin here may send again.
    pub(crate) budget: Budget,
}

/// Hands out endpoints, the same one for the same place, and checks of them.
#[derive(Debug)]
pub(crate) struct Endpoints {
    runtime: Handle,
    next_id: AtomicU64,
    known: Mutex<HashMap<(bool, String, u16), Weak<Endpoint>>>,
    checks: Mutex<HashMap<(u64, ActiveCheck), Weak<Check>>>,
}

impl Endpoints {
    /// None yet. Checks are made on this runtime.
    pub(crate) fn new(runtime: Handle) -> Self {
        Self {
            runtime,
            next_id: AtomicU64::new(0),
            known: Mutex::default(),
            checks: Mutex::default(),
        }
    }

    /// The endpoint a URL leads to.
    pub(crate) fn endpoint(&self, uri: &Uri) -> Result<Arc<Endpoint>, String> {
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return Err(format!("URL `{uri}` must begin with http:// or https://")),
        };
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        if host.is_empty()
            || uri
                .authority()
                .is_some_and(|authority| authority.as_str().contains('@'))
        {
            return Err(format!("URL `{uri}` must have a host, and no user name"));
        }
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        self.shared(tls, host, port)
    }

    fn shared(&self, tls: bool, host: String, port: u16) -> Result<Arc<Endpoint>, String> {
        if tls {
            // Reads the system's roots now rather than while a worker has requests to carry.
            tls::connector().map_err(|error| format!("TLS cannot be used: {error}"))?;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (tls, host, port);
        if let Some(endpoint) = known.get(&key).and_then(Weak::upgrade) {
            return Ok(endpoint);
        }
        known.retain(|_, endpoint| endpoint.strong_count() > 0);
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let endpoint = Arc::new(Endpoint::new(id, tls, key.1.clone(), port)?);
        known.insert(key, Arc::downgrade(&endpoint));
        Ok(endpoint)
    }

    /// The check of an endpoint with these settings; it is made once for all who ask for it.
    pub(crate) fn check(
        &self,
        endpoint: &Arc<Endpoint>,
        settings: &ActiveCheck,
    ) -> Result<Arc<Check>, String> {
        let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (endpoint.id, settings.clone());
        if let Some(check) = checks.get(&key).and_then(Weak::upgrade) {
            return Ok(check);
        }
        checks.retain(|_, check| check.strong_count() > 0);
        let check = Arc::new(Check::start(&self.runtime, endpoint, settings)?);
        checks.insert(key, Arc::downgrade(&check));
        Ok(check)
    }
}

impl Endpoint {
    fn new(id: u64, tls: bool, host: String, port: u16) -> Result<Self, String> {
        let authority = match (tls, port) {
            (false, 80) | (true, 443) => host.clone(),
            _ => format!("{host}:{port}"),
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let server_name =
            match tls {
                true => Some(ServerName::try_from(bare.clone()).map_err(|_| {
                    format!("host `{bare}` cannot be verified; use a DNS name or an IP address")
                })?),
                false => None,
            };
        Ok(Self {
            id,
            resolution: Resolution::new(&bare, port),
            tls: server_name,
            identity: hashed(format!("{tls} {host} {port}").as_bytes()),
            authority: HeaderValue::try_from(authority)
                .map_err(|_| format!("host `{host}` is not a host"))?,
            load: Load::default(),
            ejection: Ejection::default(),
            budget: Budget::default(),
        })
    }

    /// What people call it.
    pub(crate) fn name(&self) -> &str {
        self.authority.to_str().unwrap_or_default()
    }

    #[cfg(test)]
    pub(crate) fn for_tests(url: &str) -> Arc<Self> {
        let uri: Uri = url.parse().unwrap();
        let host = uri.host().unwrap().to_owned();
        Arc::new(Self::new(0, false, host, uri.port_u16().unwrap()).unwrap())
    }
}
