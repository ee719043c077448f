//! How a gateway deals with an upstream that has several endpoints: what it chooses by, what it takes out.
//!
//! Where requests go and how long they may take is [`Upstream`]; this is what can be said beyond that. All of it is
//! optional, and a document that says nothing of it means what it meant before there was any.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{api::Upstream, identity::ResourceName, policy::SecretReference};

/// One of several places that the requests of an upstream go to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpstreamEndpoint {
    /// Scheme, host and optional port; the scheme is that of the upstream's own `url`, whose path holds here, too.
    #[schema(format = "uri", example = "https://orders-2.internal:8443")]
    pub url: String,
    /// Its share of the requests, beside the weights of the others. Default 1.
    #[serde(default = "default_weight")]
    #[schema(minimum = 1, maximum = 1_000)]
    pub weight: u32,
}

fn default_weight() -> u32 {
    1
}

/// What is spoken to an upstream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2, which gRPC needs: over TLS where the URL begins with `https`, else from the first byte on (h2c).
    Http2,
    /// HTTP/2 or HTTP/1.1, as each endpoint agrees to in the TLS handshake; HTTP/1.1 where the URL begins with `http`.
    Auto,
}

/// Whom an upstream is to be, and as whom the gateway comes. Its certificate is verified in any case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpstreamTls {
    /// The certificates of the authorities that its certificate comes from, each in PEM; no others are trusted then.
    /// Default: those that the gateway's system trusts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorities: Vec<String>,
    /// The certificate that the gateway shows, in PEM, those of its issuers after it. It comes with `clientKey`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<NamedSecret>,
    /// The key of that certificate, in PEM (PKCS #8, PKCS #1 or SEC1), not encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_key: Option<NamedSecret>,
    /// The name that is asked for (SNI) and that its certificate must be for. Default: the host of the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "orders.internal")]
    pub server_name: Option<String>,
    /// Subject alternative names, each a DNS name or a URI, of which its certificate must have one; the name that is
    /// asked for need not be among them then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["spiffe://internal/orders"]))]
    pub allowed_names: Vec<String>,
}

/// A value that a `Secret` holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamedSecret {
    /// The name of the `Secret`.
    pub secret_ref: ResourceName,
}

/// How one of several endpoints is chosen for a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoadBalancing {
    /// By what. Default `p2c-ewma`.
    #[serde(default)]
    pub algorithm: BalancingAlgorithm,
    /// For `consistent-hash`: requests that are equal in this go to the same endpoint. Default: the caller's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<HashKey>,
}

/// By what an endpoint is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BalancingAlgorithm {
    /// The better one of two that are drawn: by the time it took to answer lately and the requests it has.
    #[default]
    P2cEwma,
    /// One after the other.
    RoundRobin,
    /// The one with the fewest requests.
    LeastRequest,
    /// The one that a key of the request belongs to; few keys move when endpoints come and go.
    ConsistentHash,
}

/// What requests have in common that go to the same endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum HashKey {
    /// The address the connection comes from.
    #[default]
    Address,
    /// The authenticated consumer; the address if there is none.
    Consumer,
    /// The value of a request header; the address if it is not there.
    Header(String),
}

/// How it is found out which endpoints work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthCheck {
    /// By asking them.
    pub active: ActiveCheck,
}

/// A request that is sent to each endpoint again and again; a status from 200 to 399 is a success.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ActiveCheck {
    /// What is asked for with GET, from the endpoint's root; the path of the upstream's `url` is not put before it.
    #[schema(pattern = "^/", example = "/healthz")]
    pub path: String,
    /// Time from one check to the next, in seconds. Default 10.
    #[serde(default = "default_interval_seconds")]
    #[schema(minimum = 1, maximum = 3_600)]
    pub interval_seconds: u32,
    /// To the head of the answer, connecting included, in milliseconds. Default 2000.
    #[serde(default = "default_check_timeout_ms")]
    #[schema(minimum = 1, maximum = 60_000)]
    pub timeout_ms: u32,
    /// So many successes in a row bring an endpoint back. Default 2.
    #[serde(default = "default_healthy_after")]
    #[schema(minimum = 1, maximum = 100)]
    pub healthy_after: u32,
    /// So many failures in a row take an endpoint out. Default 3.
    #[serde(default = "default_unhealthy_after")]
    #[schema(minimum = 1, maximum = 100)]
    pub unhealthy_after: u32,
}

fn default_interval_seconds() -> u32 {
    10
}

fn default_check_timeout_ms() -> u32 {
    2_000
}

fn default_healthy_after() -> u32 {
    2
}

fn default_unhealthy_after() -> u32 {
    3
}

/// When an endpoint is ejected, which is to say left out, for how its answers are. Where an upstream has several
/// endpoints, this holds with its defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OutlierEjection {
    /// So many failures in a row eject it: no connection, no answer, or 502, 503 or 504. Default 5; 0 ejects none.
    #[serde(default = "default_consecutive_errors")]
    #[schema(maximum = 1_000)]
    pub consecutive_errors: u32,
    /// For how long at first, in seconds; twice as long after each further time in a row, ten times as long at most.
    /// A gateway may look whether the endpoint works again, and let it back in sooner. Default 1.
    #[serde(default = "default_ejection_seconds")]
    #[schema(minimum = 1, maximum = 3_600)]
    pub ejection_seconds: u32,
    /// The largest share of the endpoints that is ejected at the same time, in percent, rounded down. Default 50.
    #[serde(default = "default_max_ejected_percent")]
    #[schema(minimum = 1, maximum = 100)]
    pub max_ejected_percent: u8,
}

fn default_consecutive_errors() -> u32 {
    5
}

fn default_ejection_seconds() -> u32 {
    1
}

fn default_max_ejected_percent() -> u8 {
    50
}

impl Default for OutlierEjection {
    fn default() -> Self {
        Self {
            consecutive_errors: default_consecutive_errors(),
            ejection_seconds: default_ejection_seconds(),
            max_ejected_percent: default_max_ejected_percent(),
        }
    }
}

impl Upstream {
    /// An upstream at a URL of which nothing else is said.
    pub const fn at(url: String) -> Self {
        Self {
            url,
            timeout_ms: crate::api::DEFAULT_TIMEOUT_MS,
            connect_timeout_ms: crate::api::DEFAULT_CONNECT_TIMEOUT_MS,
            protocol: None,
            tls: None,
            endpoints: Vec::new(),
            load_balancing: None,
            health_check: None,
            outlier: None,
            max_connections: None,
            max_pending: None,
            idle_timeout_ms: None,
        }
    }

    /// The fields it uses beyond its URL and its times, by name. A gateway that has no word for one of them must not
    /// serve the API as if it were not there.
    ///
    /// ```
    /// use gatehouse_schemas::api::Upstream;
    ///
    /// let mut upstream = Upstream::at("http://orders.internal".to_owned());
    /// assert!(upstream.extras().is_empty());
    /// upstream.max_connections = Some(10);
    /// assert_eq!(upstream.extras(), ["maxConnections"]);
    /// ```
    pub fn extras(&self) -> Vec<&'static str> {
        let used = [
            ("protocol", self.protocol.is_some()),
            ("tls", self.tls.is_some()),
            ("endpoints", !self.endpoints.is_empty()),
            ("loadBalancing", self.load_balancing.is_some()),
            ("healthCheck", self.health_check.is_some()),
            ("outlier", self.outlier.is_some()),
            ("maxConnections", self.max_connections.is_some()),
            ("maxPending", self.max_pending.is_some()),
            ("idleTimeoutMs", self.idle_timeout_ms.is_some()),
        ];
        let used = used.into_iter().filter(|(_, used)| *used);
        used.map(|(name, _)| name).collect()
    }

    /// The places where it refers to secrets, from itself on.
    ///
    /// ```
    /// use gatehouse_schemas::api::Upstream;
    ///
    /// let upstream: Upstream = serde_json::from_value(serde_json::json!({
    ///     "url": "https://orders.internal",
    ///     "tls": {"clientCertificate": {"secretRef": "our-name"}, "clientKey": {"secretRef": "our-key"}},
    /// }))?;
    /// let references = upstream.secret_references();
    /// assert_eq!(references[1].pointer, "/tls/clientKey/secretRef");
    /// assert_eq!(references[1].name.as_str(), "our-key");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn secret_references(&self) -> Vec<SecretReference<'_>> {
        let Some(tls) = &self.tls else {
            return Vec::new();
        };
        let places = [
            ("clientCertificate", &tls.client_certificate),
            ("clientKey", &tls.client_key),
        ];
        let named = places
            .into_iter()
            .filter_map(|(field, secret)| Some((field, secret.as_ref()?)));
        named
            .map(|(field, secret)| SecretReference {
                pointer: format!("/tls/{field}/secretRef"),
                name: &secret.secret_ref,
            })
            .collect()
    }
}
