//! The trace that a request belongs to: told to upstreams, and noted where it is recorded.
//!
//! All of this does nothing where requests are not traced.

use http::{HeaderMap, Request, request};

use super::{Exchange, body::RequestBody, problem::Problem};
use crate::{
    telemetry::{
        Asked, Outcome, Recording, Trace, Traced,
        context::{Context, TRACEPARENT},
    },
    upstream::{
        Endpoint,
        send::{Answer, SendError},
    },
};

impl Exchange<'_> {
    /// Begins the gateway's span.
    pub(super) fn begin_trace(&mut self, parts: &mut request::Parts) {
        let Some(telemetry) = &self.client.worker.shared.telemetry else {
            return;
        };
        let Some(tracing) = &telemetry.tracing else {
            return;
        };
        let (method, uri, version) = (&parts.method, &parts.uri, parts.version);
        let asked = |headers: &HeaderMap| Asked {
            method: method.clone(),
            path: uri.path().into(),
            host: Asked::host(uri, headers),
            version,
            secure: self.client.secure,
            address: self.address,
            grpc: self.grpc,
        };
        self.trace = Some(tracing.begin(&mut parts.headers, self.client.trusted, self.started, asked));
    }

    /// Notes how the request is called.
    pub(super) fn name_trace(&mut self) {
        if let (Some(recording), Some(id)) = (recording(&mut self.trace), &self.request_id) {
            recording.named(id);
        }
    }

    /// Whether the access log goes anywhere beside the process's own log.
    pub(super) fn exports_access_log(&self) -> bool {
        let telemetry = self.client.worker.shared.telemetry.as_ref();
        telemetry.is_some_and(|telemetry| telemetry.exports_access_log())
    }

    /// The trace as the access log says it: with the gateway's own span, or only the caller's trace.
    pub(super) fn traced(&self, headers: &HeaderMap) -> Option<Traced> {
        let own = self.trace.as_ref().map(|trace| trace.context);
        Some(Traced {
            context: own.or_else(|| Context::of(headers))?,
            own: own.is_some(),
        })
    }

    /// Tells an upstream of the gateway's span. What changes headers comes after it and may take it away.
    pub(super) fn write_trace(&self, headers: &mut HeaderMap) {
        if let Some(trace) = &self.trace {
            headers.insert(TRACEPARENT, trace.context.header());
        }
    }

    /// Begins the span of one attempt, and tells the upstream of it instead, unless it is told of none.
    pub(super) fn trace_attempt(&mut self, endpoint: &Endpoint, request: &mut Request<RequestBody>) {
        let route = &self.route;
        let Some(recording) = recording(&mut self.trace) else {
            return;
        };
        recording.note(|served| served.route = route.clone());
        let context = recording.attempt(&endpoint.authority, endpoint.tls.is_some(), request.uri());
        if let (Some(context), Some(told)) = (context, request.headers_mut().get_mut(TRACEPARENT)) {
            *told = context.header();
        }
    }

    /// Notes what became of the attempt.
    pub(super) fn trace_outcome(&mut self, outcome: &Result<Answer, SendError>) {
        if let Some(recording) = recording(&mut self.trace) {
            recording.attempted(match outcome {
                Ok(answer) => Outcome::Answered(answer.response.status(), answer.response.version()),
                Err(error) => Outcome::Failed(kind(error)),
            });
        }
    }

    /// The attempt was not the last one.
    pub(super) fn trace_repeat(&mut self) {
        if let Some(recording) = recording(&mut self.trace) {
            recording.abandoned();
        }
    }

    /// Notes why the gateway itself answers.
    pub(super) fn trace_refusal(&mut self, problem: &Problem) {
        if let Some(recording) = recording(&mut self.trace) {
            recording.note(|served| served.refused(problem.kind()));
        }
    }

    /// There is an answer with these headers; the span ends with it.
    pub(super) fn end_trace(&mut self, headers: &HeaderMap) -> Option<Recording> {
        let mut recording = self.trace.as_mut()?.recording.take()?;
        recording.grpc_status(headers);
        recording.note(|served| served.route = self.route.clone());
        Some(recording)
    }

    /// The same trace for what is done when the request has been answered; nothing of that is recorded.
    pub(super) fn trace_in_background(&self) -> Option<Trace> {
        let context = self.trace.as_ref()?.context;
        Some(Trace {
            context,
            recording: None,
        })
    }
}

fn recording(trace: &mut Option<Trace>) -> Option<&mut Recording> {
    trace.as_mut()?.recording.as_mut()
}

fn kind(error: &SendError) -> &'static str {
    match error {
        error if error.is_ours() => "request_broken_off",
        SendError::Connect(_) | SendError::NotHttp2 | SendError::Handshake(_) => "connection_failed",
        SendError::ConnectTimeout => "connect_timeout",
        SendError::Timeout => "timeout",
        _ => "connection_broken",
    }
}
