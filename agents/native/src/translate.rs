//! Desired state in the gateway's words, and what the gateway holds in ours.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use aws_lc_rs::digest;
use gatehouse_gateway_core::{ApiConfig, Secret};
use gatehouse_schemas::{
    api::Upstream,
    canonical::hexadecimal,
    desired::{DesiredApi, Mark},
    environment::Endpoint,
    identity::{ExternalRef, ResourceName},
    observed::ObservedApi,
    policy::Policy,
    revision::RevisionContent,
};
use secrecy::{ExposeSecret as _, SecretString};

/// The gateway's identity for an API of an environment: the same for every revision.
pub(crate) fn external_ref(mark: &Mark) -> ExternalRef {
    ExternalRef(format!("native/{}/{}", mark.environment_id, mark.api_id))
}

/// Whether an API carries the mark's environment and API, whatever the revision.
pub(crate) fn carries(config: &ApiConfig, mark: &Mark) -> bool {
    config
        .mark
        .as_ref()
        .is_some_and(|own| own.environment_id == mark.environment_id && own.api_id == mark.api_id)
}

/// What the gateway is given of secrets.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    /// Of those that callers present.
    pub(crate) hashes: BTreeMap<ResourceName, String>,
    /// Of those that the gateway itself presents.
    pub(crate) values: BTreeMap<ResourceName, Secret>,
}

/// What the gateway is told to serve.
pub(crate) fn config(desired: &DesiredApi, secrets: Secrets) -> ApiConfig {
    ApiConfig {
        external_ref: external_ref(&desired.mark),
        mark: Some(desired.mark.clone()),
        content: desired.content.clone(),
        secret_hashes: secrets.hashes,
        secrets: secrets.values,
        fingerprint: desired.fingerprint.clone(),
    }
}

/// What the gateway keeps of an API's secrets: SHA-256 in hexadecimal of those that callers present, whose clear text
/// ends here, and the value of those that the gateway itself presents to somebody.
pub(crate) fn secrets(content: &RevisionContent, resolved: BTreeMap<ResourceName, SecretString>) -> Secrets {
    let (presented, compared): (Vec<&Policy>, Vec<&Policy>) = content
        .all_policies()
        .partition(|policy| matches!(policy, Policy::AuthOAuth2(_)));
    let named = |policies: &[&Policy]| -> BTreeSet<ResourceName> {
        let names = policies.iter().flat_map(|policy| policy.secret_names());
        names.cloned().collect()
    };
    let (mut presented, compared) = (named(&presented), named(&compared));
    let of_upstreams = content.upstreams.values().flat_map(Upstream::secret_references);
    presented.extend(of_upstreams.map(|reference| reference.name.clone()));
    let mut secrets = Secrets::default();
    for (name, value) in resolved {
        if compared.contains(&name) {
            let hash = digest::digest(&digest::SHA256, value.expose_secret().as_bytes());
            secrets.hashes.insert(name.clone(), hexadecimal(hash.as_ref()));
        }
        if presented.contains(&name) {
            secrets.values.insert(name, Secret::from(value));
        }
    }
    secrets
}

/// An API as an observation tells it.
pub(crate) fn observed(config: &ApiConfig, endpoint_urls: Vec<String>) -> ObservedApi {
    let name = match &config.mark {
        Some(mark) => mark.api_name.to_string(),
        None => config.content.display_name.clone(),
    };
    ObservedApi {
        version: None,
        tags: Vec::new(),
        definition: None,
        external_ref: config.external_ref.clone(),
        name,
        mark: config.mark.clone(),
        endpoint_urls,
        content: config.content.clone(),
        fingerprint: config.fingerprint.clone(),
    }
}

/// Where a gateway listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listeners {
    pub(crate) plain: SocketAddr,
    pub(crate) tls: Option<SocketAddr>,
}

/// Where consumers reach an API: what people said of the environment, else where the gateway listens.
pub(crate) fn endpoint_urls(
    content: &RevisionContent,
    endpoints: &[Endpoint],
    listeners: Listeners,
) -> Vec<String> {
    if !endpoints.is_empty() {
        return endpoints
            .iter()
            .map(|endpoint| join(&endpoint.url, &content.base_path))
            .collect();
    }
    let plain = host(content, listeners.plain, 80).map(|host| format!("http://{host}"));
    let tls = listeners
        .tls
        .and_then(|address| host(content, address, 443))
        .map(|host| format!("https://{host}"));
    let by_listener = plain.into_iter().chain(tls);
    by_listener.map(|base| join(&base, &content.base_path)).collect()
}

fn join(base: &str, base_path: &str) -> String {
    format!("{}{}", base.trim_end_matches('/'), base_path)
}

/// The first exact host name of an API, or the address; with the port where it is not the scheme's own.
fn host(content: &RevisionContent, address: SocketAddr, usual_port: u16) -> Option<String> {
    let exact = content.hostnames.iter().find(|name| !name.starts_with('*'));
    let name = match exact {
        Some(name) => name.clone(),
        None if content.hostnames.is_empty() => literal(reachable(address.ip())),
        // Any name below a wildcard would do, but none is known to exist.
        None => return None,
    };
    Some(match address.port() {
        port if port == usual_port => name,
        port => format!("{name}:{port}"),
    })
}

/// An address to call: a listener on all addresses is reached on this machine through loopback.
fn reachable(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}

fn literal(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}
