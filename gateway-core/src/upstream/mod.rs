//! Upstreams: where requests go, and the connections that are kept open to them.

pub(crate) mod connect;
pub(crate) mod fetch;
pub(crate) mod pool;
pub(crate) mod send;
pub(crate) mod tls;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gatehouse_schemas::api;
use http::{HeaderValue, Uri, uri::Scheme};
use rustls::pki_types::ServerName;

/// One upstream of an API.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) endpoint: Arc<Endpoint>,
    /// Put before the request's path; no slash at the end.
    pub(crate) path_prefix: Box<str>,
    pub(crate) timeout: Duration,
    pub(crate) connect_timeout: Duration,
}

/// Where connections lead. Upstreams of any API with the same scheme, host and port share it, and with
/// it the open connections.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) id: u64,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The name to verify, if the connection is TLS.
    pub(crate) tls: Option<ServerName<'static>>,
    /// What the `Host` header says.
    pub(crate) authority: HeaderValue,
}

/// Hands out endpoints, the same one for the same place.
#[derive(Debug, Default)]
pub(crate) struct Endpoints {
    next_id: AtomicU64,
    known: Mutex<HashMap<(bool, String, u16), Weak<Endpoint>>>,
}

impl Endpoints {
    /// Takes an upstream's description apart.
    pub(crate) fn upstream(&self, described: &api::Upstream) -> Result<Upstream, String> {
        let uri = described
            .url
            .parse::<Uri>()
            .map_err(|error| format!("upstream URL `{}`: {error}", described.url))?;
        Ok(Upstream {
            endpoint: self.endpoint(&uri)?,
            path_prefix: uri.path().trim_end_matches('/').into(),
            timeout: Duration::from_millis(described.timeout_ms.into()),
            connect_timeout: Duration::from_millis(described.connect_timeout_ms.into()),
        })
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
            host: bare,
            port,
            tls: server_name,
            authority: HeaderValue::try_from(authority)
                .map_err(|_| format!("host `{host}` is not a host"))?,
        })
    }
}
