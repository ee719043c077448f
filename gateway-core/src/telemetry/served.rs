//! One request that is recorded, while it is served: the gateway's own span, and one for each time it is sent on.
//!
//! Nothing is made of it here but notes; spans are made of them where they are exported.

use std::{
    fmt,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header, uri::Authority};

use super::{
    Tracing,
    context::{Context, SpanId},
    queue::Record,
};
use crate::api::Route;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// What is known of a request that was served, or is being served.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) context: Context,
    /// The caller's span.
    pub(super) parent: Option<SpanId>,
    /// The trace that the caller named, if it was not taken on.
    pub(super) link: Option<Context>,
    pub(super) state: Option<Box<str>>,
    pub(super) began: SystemTime,
    pub(super) started: Instant,
    /// How long it took; none if the caller left before it was answered.
    pub(super) took: Option<Duration>,
    pub(super) request: Asked,
    pub(crate) request_id: Option<Box<str>>,
    pub(crate) route: Option<Arc<Route>>,
    pub(super) status: Option<StatusCode>,
    /// Why the gateway itself refused it.
    pub(super) problem: Option<&'static str>,
    pub(super) grpc_status: Option<u8>,
    /// Whether the caller took the answer to its end.
    pub(super) whole: bool,
    /// Whether the upstream did not send the answer to its end.
    pub(super) broken: bool,
    pub(super) attempts: Vec<Attempt>,
}

/// The request as it came. Its texts are copies: what is read of a head shares the memory of the whole head, which would stay
/// for as long as this waits to be exported.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: Box<str>,
    pub(crate) host: Option<Box<str>>,
    pub(crate) version: Version,
    pub(crate) secure: bool,
    pub(crate) address: IpAddr,
    pub(crate) grpc: bool,
}

impl Asked {
    /// The host that a request names: in its target, or in its header.
    pub(crate) fn host(uri: &Uri, headers: &HeaderMap) -> Option<Box<str>> {
        let header = || headers.get(header::HOST)?.to_str().ok();
        let host = uri.authority().map(Authority::as_str).or_else(header)?;
        Some(host.into())
    }
}

/// One time that it was sent to an upstream.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) context: Context,
    /// Since the request came.
    pub(super) began: Duration,
    /// Since the request came; none if it ended with the request.
    pub(super) ended: Option<Duration>,
    /// Host and port.
    pub(super) authority: HeaderValue,
    pub(super) secure: bool,
    pub(super) uri: Uri,
    pub(super) outcome: Option<Outcome>,
}

/// How sending it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered(StatusCode, Version),
    /// By a short name for the kind of failure.
    Failed(&'static str),
}

/// Takes notes of one request, and hands them over when it goes away, however the request ended.
pub(crate) struct Recording {
    /// None once they are handed over.
    notes: Option<Box<Served>>,
    tracing: Arc<Tracing>,
}

impl fmt::Debug for Recording {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Recording").finish_non_exhaustive()
    }
}

impl Recording {
    pub(super) fn new(notes: Served, tracing: Arc<Tracing>) -> Self {
        Self {
            notes: Some(Box::new(notes)),
            tracing,
        }
    }

    /// Changes the notes.
    pub(crate) fn note(&mut self, change: impl FnOnce(&mut Served)) {
        if let Some(notes) = &mut self.notes {
            change(notes);
        }
    }

    /// The request is called this.
    pub(crate) fn named(&mut self, id: &HeaderValue) {
        self.note(|notes| notes.request_id = id.to_str().ok().map(Box::from));
    }

    /// The request is sent to an upstream. The span that this is from now on.
    pub(crate) fn attempt(&mut self, authority: &HeaderValue, secure: bool, uri: &Uri) -> Option<Context> {
        let notes = self.notes.as_mut()?;
        let context = notes.context.child();
        notes.attempts.push(Attempt {
            context,
            began: notes.started.elapsed(),
            ended: None,
            authority: authority.clone(),
            secure,
            uri: uri.clone(),
            outcome: None,
        });
        Some(context)
    }

    /// What became of that. An answer goes on until the request ends, or until the next attempt begins.
    pub(crate) fn attempted(&mut self, outcome: Outcome) {
        self.note(|notes| {
            let since = notes.started.elapsed();
            if let Some(attempt) = notes.attempts.last_mut() {
                attempt.outcome = Some(outcome);
                attempt.ended = matches!(outcome, Outcome::Failed(_)).then_some(since);
            }
        });
    }

    /// The last attempt's answer is not passed on; the request will be sent again.
    pub(crate) fn abandoned(&mut self) {
        self.note(|notes| {
            let since = notes.started.elapsed();
            if let Some(attempt) = notes.attempts.last_mut() {
                attempt.ended.get_or_insert(since);
            }
        });
    }

    /// Reads how a gRPC call ended, in the head of an answer or in its trailers.
    pub(crate) fn grpc_status(&mut self, headers: &HeaderMap) {
        self.note(|notes| {
            let given = notes.request.grpc.then(|| headers.get(GRPC_STATUS)).flatten();
            let code = given.and_then(|value| value.to_str().ok()?.parse().ok());
            notes.grpc_status = code.or(notes.grpc_status);
        });
    }

    /// The answer's body breaks off.
    pub(crate) fn broke_off(&mut self) {
        self.note(|notes| notes.broken = true);
    }

    /// The request is over.
    pub(crate) fn answered(&mut self, status: StatusCode, whole: bool, took: Duration) {
        self.note(|notes| {
            notes.status = Some(status);
            // Nobody asks for the body of an answer to HEAD.
            notes.whole = whole || notes.request.method == Method::HEAD;
            notes.took = Some(took);
        });
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if let Some(mut notes) = self.notes.take() {
            notes.took.get_or_insert(notes.started.elapsed());
            self.tracing.queue.push(notes);
        }
    }
}

impl Record for Box<Served> {
    fn records(&self) -> usize {
        1 + self.attempts.len()
    }

    fn bytes(&self) -> usize {
        let text = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        let uri = |uri: &Uri| uri.path().len() + uri.query().map_or(0, str::len);
        let attempts = self.attempts.iter();
        let attempts =
            attempts.map(|attempt| size_of::<Attempt>() + attempt.authority.len() + uri(&attempt.uri));
        size_of::<Served>()
            + self.request.method.as_str().len()
            + self.request.path.len()
            + text(&self.request.host)
            + text(&self.state)
            + text(&self.request_id)
            + attempts.sum::<usize>()
    }
}
