//! The places that upstreams lead to, each known once, whoever leads there.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use gatehouse_schemas::{
    api::{ActiveCheck, UpstreamTls},
    identity::ResourceName,
};
use http::{HeaderValue, Uri, uri::Scheme};
use rustls::pki_types::ServerName;
use tokio::runtime::Handle;

use super::{
    agree::Agreed,
    balance::hashed,
    budget::Budget,
    check::Check,
    ejection::Ejection,
    load::Load,
    resolve::Resolution,
    tls::{Digest, Identities, Identity},
};
use crate::config::Secret;

/// Where connections lead. Upstreams of any API with the same scheme, host, port and TLS identity share it, and with
/// it the open connections and what is known of its health; none of that ends when the configuration changes.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) id: u64,
    pub(crate) resolution: Arc<Resolution>,
    /// If the connection is TLS.
    pub(crate) tls: Option<Secured>,
    /// What it speaks, where that is for it to choose.
    pub(crate) agreed: Agreed,
    /// What the `Host` header says.
    pub(crate) authority: HeaderValue,
    /// A number for its address, the same in every process.
    pub(crate) identity: u64,
    pub(crate) load: Load,
    pub(crate) ejection: Ejection,
    /// What upstreams that begin here may send again.
    pub(crate) budget: Budget,
}

/// How a connection is protected.
#[derive(Debug)]
pub(crate) struct Secured {
    /// The name that is asked for and that the certificate must be for.
    pub(crate) name: ServerName<'static>,
    pub(crate) identity: Arc<Identity>,
}

/// What an upstream says of TLS.
#[derive(Debug)]
pub(crate) struct TlsTerms {
    identity: Arc<Identity>,
    /// If it is not the host's.
    server_name: Option<String>,
}

/// What tells one endpoint from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    /// Identity and server name, if the connection is TLS.
    tls: Option<(Digest, Option<String>)>,
    host: String,
    port: u16,
}

/// Hands out endpoints, the same one for the same place, and checks of them.
#[derive(Debug)]
pub(crate) struct Endpoints {
    pub(crate) runtime: Handle,
    next_id: AtomicU64,
    identities: Identities,
    known: Mutex<HashMap<Place, Weak<Endpoint>>>,
    checks: Mutex<HashMap<(u64, ActiveCheck), Weak<Check>>>,
}

impl Endpoints {
    /// None yet. Checks are made on this runtime.
    pub(crate) fn new(runtime: Handle) -> Self {
        Self {
            runtime,
            next_id: AtomicU64::new(0),
            identities: Identities::default(),
            known: Mutex::default(),
            checks: Mutex::default(),
        }
    }

    /// What an upstream says of TLS, made ready. What cannot be used is an error that names the field.
    pub(crate) fn tls_terms(
        &self,
        described: &UpstreamTls,
        secrets: &BTreeMap<ResourceName, Secret>,
    ) -> Result<TlsTerms, String> {
        Ok(TlsTerms {
            identity: self.identities.get(described, secrets)?,
            server_name: described.server_name.clone(),
        })
    }

    /// The endpoint a URL leads to, vouched for by whom the system trusts.
    pub(crate) fn endpoint(&self, uri: &Uri) -> Result<Arc<Endpoint>, String> {
        self.endpoint_on(uri, None)
    }

    /// The endpoint a URL leads to, on an upstream's own terms.
    pub(crate) fn endpoint_on(&self, uri: &Uri, terms: Option<&TlsTerms>) -> Result<Arc<Endpoint>, String> {
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
        let secured = match (tls, terms) {
            (false, None) => None,
            (false, Some(_)) => {
                return Err(format!("`tls` means nothing for URL `{uri}`; write https://"));
            }
            (true, Some(terms)) => Some((Arc::clone(&terms.identity), terms.server_name.clone())),
            (true, None) => {
                // Reads the system's roots now rather than while a worker has requests to carry.
                let system = Identity::system().map_err(|error| format!("TLS cannot be used: {error}"))?;
                Some((system, None))
            }
        };
        self.shared(secured, host, port)
    }

    fn shared(
        &self,
        secured: Option<(Arc<Identity>, Option<String>)>,
        host: String,
        port: u16,
    ) -> Result<Arc<Endpoint>, String> {
        let place = Place {
            tls: secured
                .as_ref()
                .map(|(identity, name)| (identity.digest, name.clone())),
            host,
            port,
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(endpoint) = known.get(&place).and_then(Weak::upgrade) {
            return Ok(endpoint);
        }
        known.retain(|_, endpoint| endpoint.strong_count() > 0);
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let endpoint = Arc::new(Endpoint::new(id, secured, place.host.clone(), port)?);
        known.insert(place, Arc::downgrade(&endpoint));
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
    fn new(
        id: u64,
        secured: Option<(Arc<Identity>, Option<String>)>,
        host: String,
        port: u16,
    ) -> Result<Self, String> {
        let tls = secured.is_some();
        let authority = match (tls, port) {
            (false, 80) | (true, 443) => host.clone(),
            _ => format!("{host}:{port}"),
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let secured =
            secured.map(|(identity, name)| secured_as(identity, name.unwrap_or_else(|| bare.clone())));
        Ok(Self {
            id,
            resolution: Resolution::new(&bare, port),
            tls: secured.transpose()?,
            agreed: Agreed::default(),
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
        Arc::new(Self::new(0, None, host, uri.port_u16().unwrap()).unwrap())
    }
}

fn secured_as(identity: Arc<Identity>, name: String) -> Result<Secured, String> {
    let verified = ServerName::try_from(name.clone())
        .map_err(|_| format!("host `{name}` cannot be verified; use a DNS name or an IP address"))?;
    Ok(Secured {
        name: verified,
        identity,
    })
}
