//! What is recorded when a response has been sent: metrics and the access log.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Instant, SystemTime},
};

use http::{HeaderMap, Method, StatusCode};
use tracing::{Level, event, field};

use crate::{
    metrics::ApiMetrics,
    policy::log::Logged,
    telemetry::{Access, Recording, Traced},
    worker::Worker,
};

/// Records one request when it goes away, whether its response was sent whole or not.
#[derive(Debug)]
pub(crate) struct Completion {
    worker: Rc<Worker>,
    /// None for what no caller asked for.
    metrics: Option<Arc<ApiMetrics>>,
    started: Instant,
    status: StatusCode,
    sent: u64,
    /// The body has come to its end. Without that, it broke off or its caller went away.
    whole: bool,
    /// Only if the request is written to the access log.
    entry: Option<Box<AccessEntry>>,
    /// Only if the request is traced.
    recording: Option<Recording>,
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
    pub(crate) trace: Option<Traced>,
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
        let is_head = entry.as_ref().is_some_and(|entry| entry.method == Method::HEAD);
        Self {
            worker,
            metrics,
            started,
            status,
            sent: 0,
            // Nobody asks for the body of an answer that has none.
            whole: is_head || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED),
            entry,
            recording: None,
        }
    }

    /// Has the request's span end with it.
    pub(crate) fn record(&mut self, recording: Option<Recording>) {
        self.recording = recording;
    }

    /// Looks at the trailers of the body.
    pub(crate) fn trailers(&mut self, trailers: &HeaderMap) {
        if let Some(recording) = &mut self.recording {
            recording.grpc_status(trailers);
        }
    }

    /// The upstream did not send all of the body.
    pub(crate) fn broke_off(&mut self) {
        if let Some(recording) = &mut self.recording {
            recording.broke_off();
        }
    }

    /// Counts bytes of the body.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// The body has come to its end.
    pub(crate) fn ended(&mut self) {
        self.whole = true;
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        let duration = self.started.elapsed();
        let status = self.status.as_u16();
        if let Some(metrics) = &self.metrics {
            metrics.request(self.worker.number, status, duration);
        }
        if let Some(mut recording) = self.recording.take() {
            recording.answered(self.status, self.whole, duration);
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
                trace.id = entry.trace.map(|trace| field::display(trace.context.trace)),
                span.id = entry.trace.filter(|trace| trace.own).map(|trace| field::display(trace.context.span)),
                request.id = %entry.request_id,
                api.name = entry.api.as_deref(),
                consumer = entry.consumer.as_deref(),
                duration_us = duration_us,
                response_bytes = self.sent,
                complete = self.whole,
                request.headers = logged.and_then(|logged| logged.request.as_deref()),
                response.headers = logged.and_then(|logged| logged.response.as_deref()),
            },
            "Answered `{} {}` with {status}",
            entry.method,
            entry.path
        );
        if let Some(telemetry) = &self.worker.shared.telemetry {
            telemetry.log(|| Access {
                at: SystemTime::now(),
                entry,
                status: self.status,
                duration_us,
                sent: self.sent,
                complete: self.whole,
            });
        }
    }
}
