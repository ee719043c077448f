//! A receiver of OTLP over HTTP that keeps what it gets.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io::Read as _,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use gatehouse_gateway_core::{OtlpReceiver, TelemetryOptions};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, KeyValue, any_value::Value},
    logs::v1::LogRecord,
    metrics::v1::Metric,
    trace::v1::{Span, span::SpanKind},
};
use prost::Message;
use tokio::{net::TcpListener, sync::watch};
use tokio_rustls::TlsAcceptor;

/// A collector, and all requests it got.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    got: Arc<watch::Sender<Vec<Got>>>,
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    body: Bytes,
}

type Answer = dyn Fn(usize) -> Option<Response<Full<Bytes>>> + Send + Sync;

impl Collector {
    /// One that takes everything.
    pub(crate) async fn start() -> Self {
        Self::answering(|_| Some(Response::default())).await
    }

    /// One that answers the n-th request so, or never.
    pub(crate) async fn answering(
        answer: impl Fn(usize) -> Option<Response<Full<Bytes>>> + Send + Sync + 'static,
    ) -> Self {
        Self::listening(answer, None).await
    }

    /// One that speaks TLS.
    pub(crate) async fn secure(acceptor: TlsAcceptor) -> Self {
        Self::listening(|_| Some(Response::default()), Some(acceptor)).await
    }

    async fn listening(
        answer: impl Fn(usize) -> Option<Response<Full<Bytes>>> + Send + Sync + 'static,
        acceptor: Option<TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let got = Arc::new(watch::Sender::new(Vec::new()));
        let keeping = Arc::clone(&got);
        let answer: Arc<Answer> = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (got, answer) = (Arc::clone(&keeping), Arc::clone(&answer));
                let service = service_fn(move |request| take(Arc::clone(&got), Arc::clone(&answer), request));
                let http = hyper::server::conn::http1::Builder::new();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    match acceptor {
                        None => http.serve_connection(TokioIo::new(stream), service).await,
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => http.serve_connection(TokioIo::new(stream), service).await,
                            Err(_) => Ok(()),
                        },
                    }
                });
            }
        });
        Self { address, got }
    }

    /// Everything to this collector, and at once.
    pub(crate) fn options(&self) -> TelemetryOptions {
        all_to(self.address)
    }

    /// What came to a path, once it is so many requests.
    pub(crate) async fn requests(&self, path: &str, count: usize) -> Vec<Got> {
        let matching = |all: &Vec<Got>| {
            all.iter()
                .filter(|got| got.path == path)
                .cloned()
                .collect::<Vec<_>>()
        };
        self.wait(|all| matching(all).len() >= count).await;
        let all = self.got.borrow();
        matching(&all)
    }

    async fn wait(&self, enough: impl Fn(&Vec<Got>) -> bool) {
        let mut following = self.got.subscribe();
        let waiting = tokio::time::timeout(Duration::from_secs(20), following.wait_for(|all| enough(all)));
        let outcome = waiting.await.map(drop);
        outcome.unwrap_or_else(|_| panic!("not enough came: {:?}", self.got.borrow()));
    }

    /// All spans, once there are so many.
    pub(crate) async fn spans(&self, count: usize) -> Vec<Span> {
        self.wait(|all| spans(all).len() >= count).await;
        spans(&self.got.borrow())
    }

    /// All spans that came so far.
    pub(crate) fn spans_so_far(&self) -> Vec<Span> {
        spans(&self.got.borrow())
    }

    /// All log records, once there are so many.
    pub(crate) async fn logs(&self, count: usize) -> Vec<LogRecord> {
        let records = |all: &Vec<Got>| {
            let requests = decoded::<ExportLogsServiceRequest>(all, "/v1/logs");
            let scopes = requests.into_iter().flat_map(|request| request.resource_logs);
            let scopes = scopes.flat_map(|resource| resource.scope_logs);
            scopes.flat_map(|scope| scope.log_records).collect::<Vec<_>>()
        };
        self.wait(|all| records(all).len() >= count).await;
        records(&self.got.borrow())
    }

    /// The metrics that came last, once some have.
    pub(crate) async fn metrics(&self) -> Vec<Metric> {
        self.requests("/v1/metrics", 1).await;
        let last = decoded::<ExportMetricsServiceRequest>(&self.got.borrow(), "/v1/metrics").pop();
        let scopes = last.expect("metrics").resource_metrics.into_iter();
        scopes
            .flat_map(|resource| resource.scope_metrics)
            .flat_map(|scope| scope.metrics)
            .collect()
    }

    /// The attributes of the service that the last spans are about.
    pub(crate) fn resource(&self) -> BTreeMap<String, String> {
        let last = decoded::<ExportTraceServiceRequest>(&self.got.borrow(), "/v1/traces").pop();
        let resource = last.and_then(|request| request.resource_spans.into_iter().next()?.resource);
        attributes(&resource.expect("a resource").attributes)
    }
}

/// Everything to this address, and at once.
pub(crate) fn all_to(address: SocketAddr) -> TelemetryOptions {
    let receiver = |path: &str| Some(OtlpReceiver::new(format!("http://{address}{path}")));
    TelemetryOptions {
        traces: receiver("/v1/traces"),
        metrics: receiver("/v1/metrics"),
        logs: receiver("/v1/logs"),
        batch: 1,
        delay: Duration::from_millis(10),
        metric_interval: Duration::from_secs(3600),
        ..TelemetryOptions::default()
    }
}

async fn take(
    got: Arc<watch::Sender<Vec<Got>>>,
    answer: Arc<Answer>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let number = Mutex::new(0);
    got.send_modify(|all| {
        *number.lock().expect("not poisoned") = all.len();
        all.push(Got {
            path: head.uri.path().to_owned(),
            headers: head.headers,
            body,
        });
    });
    let number = *number.lock().expect("not poisoned");
    match answer(number) {
        Some(answer) => Ok(answer),
        None => std::future::pending().await,
    }
}

fn decoded<M: Message + Default>(all: &[Got], path: &str) -> Vec<M> {
    let matching = all.iter().filter(|got| got.path == path);
    matching
        .map(|got| {
            let packed = got
                .headers
                .get("content-encoding")
                .is_some_and(|how| how == "gzip");
            let mut body = Vec::new();
            match packed {
                true => flate2::read::GzDecoder::new(&*got.body)
                    .read_to_end(&mut body)
                    .map(drop)
                    .expect("gzip"),
                false => body.extend_from_slice(&got.body),
            }
            M::decode(&*body).expect("OTLP")
        })
        .collect()
}

fn spans(all: &[Got]) -> Vec<Span> {
    let requests = decoded::<ExportTraceServiceRequest>(all, "/v1/traces");
    let scopes = requests.into_iter().flat_map(|request| request.resource_spans);
    let scopes = scopes.flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

/// Attributes as text.
pub(crate) fn attributes(given: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|value| value.value.clone()) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(truth)) => truth.to_string(),
        Some(Value::ArrayValue(list)) => list
            .values
            .iter()
            .map(|value| match &value.value {
                Some(Value::StringValue(text)) => text.clone(),
                other => format!("{other:?}"),
            })
            .collect::<Vec<_>>()
            .join(";"),
        other => format!("{other:?}"),
    };
    given
        .iter()
        .map(|attribute| (attribute.key.clone(), text(&attribute.value)))
        .collect()
}

/// One attribute of a span as text; empty if it has none.
pub(crate) fn attribute(span: &Span, key: &str) -> String {
    attributes(&span.attributes).remove(key).unwrap_or_default()
}

/// The gateway's own spans, and those of its attempts in their order.
pub(crate) fn by_kind(spans: Vec<Span>) -> (Vec<Span>, Vec<Span>) {
    spans
        .into_iter()
        .partition(|span| span.kind == i32::from(SpanKind::Server))
}

/// Bytes as hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An answer with a status.
pub(crate) fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut answer = Response::default();
    *answer.status_mut() = status;
    answer
}
