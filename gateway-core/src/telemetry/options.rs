//! Where telemetry is sent, and how much of it.

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;

use super::sampler::Sampler;

/// What is exported over OTLP, and where to. Signals without a receiver are not exported.
#[derive(Debug, Clone)]
pub struct TelemetryOptions {
    /// Where spans go.
    pub traces: Option<OtlpReceiver>,
    /// Where metrics go.
    pub metrics: Option<OtlpReceiver>,
    /// Where the access log goes, beside where it goes anyway.
    pub logs: Option<OtlpReceiver>,
    /// Which requests are recorded as spans.
    pub sampler: Sampler,
    /// From whom a request's trace is taken on.
    pub trace_context: TraceContextFrom,
    /// What is exported about the gateway itself with every signal, by the names of OpenTelemetry's conventions.
    pub resource: Vec<(String, String)>,
    /// How many spans, and how many log records, wait to be sent at most; further ones are dropped and counted.
    pub queue: usize,
    /// How many are sent at once at most.
    pub batch: usize,
    /// How long the first one of a batch waits for others.
    pub delay: Duration,
    /// How often metrics are sent.
    pub metric_interval: Duration,
    /// How long the gateway takes at its end to send what is left.
    pub flush: Duration,
}

impl Default for TelemetryOptions {
    /// Nothing is exported.
    fn default() -> Self {
        Self {
            traces: None,
            metrics: None,
            logs: None,
            sampler: Sampler::default(),
            trace_context: TraceContextFrom::default(),
            resource: vec![("service.name".to_owned(), "gatehouse-gateway".to_owned())],
            queue: 8192,
            batch: 512,
            delay: Duration::from_secs(1),
            metric_interval: Duration::from_secs(60),
            flush: Duration::from_secs(5),
        }
    }
}

/// A receiver of one signal that speaks OTLP over HTTP with Protocol Buffers.
#[derive(Debug, Clone)]
pub struct OtlpReceiver {
    /// The whole URL, with the path of the signal: `https://collector:4318/v1/traces`. No user name, no password.
    pub url: String,
    /// Headers of each request, which often carry a token.
    pub headers: Vec<(String, SecretString)>,
    /// How long it may take to answer.
    pub timeout: Duration,
    /// Whether requests are compressed with gzip.
    pub gzip: bool,
    /// The authorities in PEM that its certificate may come from. Default: those that the system trusts.
    pub authorities_file: Option<PathBuf>,
}

impl OtlpReceiver {
    /// The receiver at this URL, with everything else at its default.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            headers: Vec::new(),
            timeout: Duration::from_secs(10),
            gzip: false,
            authorities_file: None,
        }
    }
}

/// From whom the gateway takes on the trace that a request says it belongs to. For everybody else a new trace begins,
/// which links to the one that was said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TraceContextFrom {
    /// From every caller.
    #[default]
    Everybody,
    /// From trusted proxies.
    TrustedProxies,
    /// From nobody.
    Nobody,
}
