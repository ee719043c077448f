//! What the gateway tells OpenTelemetry: spans, metrics and the access log, over OTLP, and the W3C Trace Context that
//! ties spans together.
//!
//! Workers put notes into bounded queues and never wait. Everything else happens in tasks of the embedder's runtime:
//! making OTLP of the notes, sending it, trying again. What does not fit or cannot be sent is dropped and counted.

mod access;
pub(crate) mod context;
mod counts;
mod export;
mod logs;
mod metrics;
mod options;
mod queue;
mod sampler;
mod served;
mod spans;
mod values;
mod variables;

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use http::HeaderMap;

pub(crate) use self::{
    access::Access,
    export::Exporting,
    served::{Asked, Outcome, Recording, Served},
};
use self::{
    context::{Context, TRACEPARENT, TRACESTATE, TraceId},
    counts::Counts,
    export::Export,
    queue::Queue,
};
pub use self::{
    options::{OtlpReceiver, TelemetryOptions, TraceContextFrom},
    sampler::Sampler,
    variables::VariableError,
};
use crate::error::StartError;

/// What the workers see of telemetry.
#[derive(Debug)]
pub(crate) struct Telemetry {
    pub(crate) tracing: Option<Arc<Tracing>>,
    logs: Option<Arc<Queue<Box<Access>>>>,
    /// Only counts; metrics are read when they are sent.
    metrics: Option<Arc<Counts>>,
    export: Export,
}

/// What the workers need to trace requests.
#[derive(Debug)]
pub(crate) struct Tracing {
    sampler: Sampler,
    from: TraceContextFrom,
    queue: Queue<Box<Served>>,
}

/// Which trace a request belongs to, and what is noted of it if it is recorded.
#[derive(Debug)]
pub(crate) struct Trace {
    /// The gateway's own span.
    pub(crate) context: Context,
    pub(crate) recording: Option<Recording>,
}

/// The trace of a request, as the access log says it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traced {
    pub(crate) context: Context,
    /// Whether the span is the gateway's own; otherwise it is the caller's.
    pub(crate) own: bool,
}

impl Telemetry {
    /// Makes ready to export; nothing is sent yet.
    pub(crate) fn new(options: &TelemetryOptions) -> Result<Arc<Self>, StartError> {
        let export = Export::new(options).map_err(|reason| StartError::Telemetry { reason })?;
        let tracing = Tracing {
            sampler: options.sampler,
            from: options.trace_context,
            queue: Queue::new(options.queue, options.batch),
        };
        let logs = Queue::new(options.queue, options.batch);
        Ok(Arc::new(Self {
            tracing: options.traces.is_some().then(|| Arc::new(tracing)),
            logs: options.logs.is_some().then(|| Arc::new(logs)),
            metrics: options.metrics.is_some().then(Arc::default),
            export,
        }))
    }

    /// What was exported and what was lost, in Prometheus' text format.
    pub(crate) fn text(&self) -> String {
        let tracing = self
            .tracing
            .as_ref()
            .map(|tracing| ("traces", &tracing.queue.counts));
        let metrics = self.metrics.as_ref().map(|counts| ("metrics", &**counts));
        let logs = self.logs.as_ref().map(|queue| ("logs", &queue.counts));
        let signals: Vec<_> = [tracing, metrics, logs].into_iter().flatten().collect();
        counts::text(&signals)
    }

    /// Whether the access log is exported.
    pub(crate) fn exports_access_log(&self) -> bool {
        self.logs.is_some()
    }

    /// Puts a request into the exported access log.
    pub(crate) fn log(&self, access: impl FnOnce() -> Access) {
        if let Some(queue) = &self.logs {
            queue.push(Box::new(access()));
        }
    }
}

impl Tracing {
    /// Begins the gateway's span of a request. What its headers say of the trace is taken on or taken away; what the
    /// gateway says instead is put in when the request is sent on.
    pub(crate) fn begin(
        self: &Arc<Self>,
        headers: &mut HeaderMap,
        trusted_proxy: bool,
        started: Instant,
        asked: impl FnOnce(&HeaderMap) -> Asked,
    ) -> Trace {
        let said = Context::of(headers);
        let believed = match self.from {
            TraceContextFrom::Everybody => true,
            TraceContextFrom::TrustedProxies => trusted_proxy,
            TraceContextFrom::Nobody => false,
        };
        let parent = said.filter(|_| believed);
        match parent {
            Some(_) => context::keep_state(headers),
            None => {
                headers.remove(TRACEPARENT);
                headers.remove(TRACESTATE);
            }
        }
        let trace = parent.map_or_else(TraceId::random, |parent| parent.trace);
        let sampled = self.sampler.samples(trace, parent);
        let context = match parent {
            Some(parent) => parent.child().sampled(sampled),
            None => Context::root(trace, sampled),
        };
        let served = || Served {
            context,
            parent: parent.map(|parent| parent.span),
            link: said.filter(|_| !believed),
            state: headers
                .get(TRACESTATE)
                .and_then(|state| Some(state.to_str().ok()?.into())),
            began: SystemTime::now(),
            started,
            took: None,
            request: asked(headers),
            request_id: None,
            route: None,
            status: None,
            problem: None,
            grpc_status: None,
            whole: false,
            broken: false,
            attempts: Vec::new(),
        };
        Trace {
            context,
            recording: sampled.then(|| Recording::new(served(), Arc::clone(self))),
        }
    }
}

impl Served {
    /// The gateway itself answers, and this is why.
    pub(crate) fn refused(&mut self, problem: &'static str) {
        self.problem = Some(problem);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use bytes::Bytes;
    use http::{HeaderValue, Method, Version};

    use super::*;

    const PARENT: &str = "00-12345678901234567890123456789012-1234567890123456-01";

    fn begin(from: TraceContextFrom, trusted: bool, share: f64, headers: &mut HeaderMap) -> Trace {
        let options = TelemetryOptions {
            traces: Some(OtlpReceiver::new("http://127.0.0.1:4318/v1/traces")),
            sampler: Sampler {
                share,
                follow_parent: true,
            },
            trace_context: from,
            ..TelemetryOptions::default()
        };
        let telemetry = Telemetry::new(&options).unwrap();
        let asked = |_: &HeaderMap| Asked {
            method: Method::GET,
            path: "/".into(),
            host: None,
            version: Version::HTTP_11,
            secure: false,
            address: Ipv4Addr::LOCALHOST.into(),
            grpc: false,
        };
        let tracing = telemetry.tracing.as_ref().unwrap();
        tracing.begin(headers, trusted, Instant::now(), asked)
    }

    fn headers(given: &[(&'static str, &str)]) -> HeaderMap {
        let given = given.iter().map(|(name, value)| {
            let value = HeaderValue::from_str(value).unwrap();
            (http::HeaderName::from_static(name), value)
        });
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn a_trace_is_taken_on_from_those_who_are_believed() {
        use TraceContextFrom::{Everybody, Nobody, TrustedProxies};
        for (from, trusted, taken_on) in [
            (Everybody, false, true),
            (TrustedProxies, true, true),
            (TrustedProxies, false, false),
            (Nobody, true, false),
        ] {
            let mut headers = headers(&[("traceparent", PARENT), ("tracestate", "a=1")]);
            let trace = begin(from, trusted, 1.0, &mut headers);
            let parent = Context::parse(PARENT.as_bytes()).unwrap();
            assert_eq!(
                trace.context.trace == parent.trace,
                taken_on,
                "{from:?} {trusted}"
            );
            assert_ne!(trace.context.span, parent.span);
            assert_eq!(headers.contains_key(TRACESTATE), taken_on, "{from:?} {trusted}");
            trace.recording.unwrap().note(|served| {
                assert_eq!(served.parent, taken_on.then_some(parent.span));
                assert_eq!(served.link, (!taken_on).then_some(parent));
            });
        }
    }

    /// Heads may be large, and thousands of requests wait while a receiver is away.
    #[test]
    fn nothing_keeps_the_memory_of_a_whole_head() {
        let head = Bytes::from(format!("{PARENT}a=1r-7{}", "x".repeat(60_000)).into_bytes());
        let part = |from: usize, to: usize| HeaderValue::from_maybe_shared(head.slice(from..to)).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, part(0, 55));
        headers.insert(TRACESTATE, part(55, 58));
        let mut trace = begin(TraceContextFrom::Everybody, false, 1.0, &mut headers);
        let recording = trace.recording.as_mut().unwrap();
        recording.named(&part(58, 61));
        recording.note(|served| {
            assert_eq!(served.state.as_deref(), Some("a=1"));
            assert_eq!(served.request_id.as_deref(), Some("r-7"));
        });
        assert!(!head.is_unique());
        drop(headers);
        assert!(head.is_unique());
    }

    #[test]
    fn a_trace_that_cannot_be_read_is_none_and_takes_its_state_with_it() {
        for given in [
            &[("tracestate", "a=1")][..],
            &[("traceparent", "00-0-0-0"), ("tracestate", "a=1")],
            &[
                ("traceparent", PARENT),
                ("traceparent", PARENT),
                ("tracestate", "a=1"),
            ],
        ] {
            let mut headers = headers(given);
            let trace = begin(TraceContextFrom::Everybody, false, 1.0, &mut headers);
            assert!(!trace.context.trace.to_string().starts_with("123"), "{given:?}");
            assert!(!headers.contains_key(TRACESTATE), "{given:?}");
            trace.recording.unwrap().note(|served| {
                assert_eq!((served.parent, served.link), (None, None));
            });
        }
    }

    #[test]
    fn the_flag_says_whether_it_is_recorded() {
        let unsampled = PARENT.replace("-01", "-00");
        for (parent, share, recorded) in [
            (Some(PARENT), 0.0, true),
            (Some(&*unsampled), 1.0, false),
            (None, 1.0, true),
            (None, 0.0, false),
        ] {
            let given = parent.map(|parent| ("traceparent", parent));
            let mut headers = headers(given.as_slice());
            let trace = begin(TraceContextFrom::Everybody, false, share, &mut headers);
            assert_eq!(trace.recording.is_some(), recorded, "{parent:?} {share}");
            assert_eq!(trace.context.is_sampled(), recorded, "{parent:?} {share}");
            // New traces are random, and say so; of others nobody knows.
            assert_eq!(trace.context.flags() & 2 != 0, parent.is_none());
            assert!(headers.contains_key(TRACEPARENT) == parent.is_some());
        }
    }
}
