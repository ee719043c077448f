//! What is recorded when a response has been sent: metrics and the access log.

use std::{rc::Rc, sync::Arc, time::Instant};

use http::{Method, StatusCode};
use tracing::{Level, event};

use crate::{metrics::ApiMetrics, policy::log::Logged, worker::Worker};

/// Records one request when it goes away, whether its response was sent whole or not.
#[derive(Debug)]
pub(crate) struct Completion {
    worker: Rc<Worker>,
    /// None for what no caller asked for.
    metrics: Option<Arc<ApiMetrics>>,
    started: Instant,
    status: StatusCode,
    sent: u64,
    broken: bool,
    /// Only if the request is written to the access log.
    entry: Option<Box<AccessEntry>>,
}

/// What the access log says of a request. No query, no credential, and no header but those that a `log` policy names.
#[derive(Debug)]
pub(crate) struct AccessEntry {
    pub(crate) method: Method,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) client: std::net::IpAddr,
    pub(crate) request_id: String,
    pub(crate) api: Option<Arc<str>>,
    pub(crate) consumer: Option<Arc<str>>,
    pub(crate) logged: Option<Logged>,
}

impl Completion {
    /// Begins to watch a response that will have this status.
    pub(crate) fn new(
        worker: Rc<Worker>,
        metrics: Option<Arc<ApiMetrics>>,
        started: Instant,
        status: StatusCode,
        entry: Option<Box<AccessEntry>>,
    ) -> Self {
        Self {
            worker,
            metrics,
            started,
            status,
            sent: 0,
            broken: false,
            entry,
        }
    }

    /// Counts bytes of the body.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// This response is not sent, another one is: records nothing, and gives back what is to be logged.
    pub(super) fn discard(mut self) -> Option<Box<AccessEntry>> {
        self.metrics = None;
        self.entry.take()
    }

    /// The body did not come to its end.
    pub(crate) fn broke_off(&mut self) {
        self.broken = true;
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        let duration = self.started.elapsed();
        let status = self.status.as_u16();
        if let Some(metrics) = &self.metrics {
            metrics.request(self.worker.number, status, duration);
        }
        let Some(entry) = self.entry.take() else {
            return;
        };
        let logged = entry.logged.as_ref();
        let duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        event!(
            target: "gateway_access",
            Level::INFO,
            {
                http.method = %entry.method,
                http.host = %entry.host,
                http.path = %entry.path,
                http.status = status,
                client.address = %entry.client,
                request.id = %entry.request_id,
                api.name = entry.api.as_deref(),
                consumer = entry.consumer.as_deref(),
                duration_us = duration_us,
                response_bytes = self.sent,
                complete = !self.broken,
                request.headers = logged.and_then(|logged| logged.request.as_deref()),
                response.headers = logged.and_then(|logged| logged.response.as_deref()),
            },
            "Answered `{} {}` with {status}",
            entry.method,
            entry.path
        );
    }
}
