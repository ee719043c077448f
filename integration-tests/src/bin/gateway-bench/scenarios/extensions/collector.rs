//! A receiver of OTLP that takes everything and only counts.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

/// A running receiver; it ends when it is dropped. Its time is that of the benchmark itself.
#[derive(Debug)]
pub(super) struct Collector {
    address: SocketAddr,
    bytes: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Collector {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let (address, bytes) = (listener.local_addr()?, Arc::default());
        let task = tokio::spawn(accept(listener, Arc::clone(&bytes)));
        Ok(Self { address, bytes, task })
    }

    /// Where spans go.
    pub(super) fn url(&self) -> String {
        format!("http://{}/v1/traces", self.address)
    }

    /// How much came.
    pub(super) fn bytes(&self) -> f64 {
        self.bytes.load(Relaxed) as f64
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, bytes: Arc<AtomicU64>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let bytes = Arc::clone(&bytes);
        connections.spawn(async move {
            let service = service_fn(|request| take(request, &bytes));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            drop(connection.await);
        });
    }
}

async fn take(
    mut request: Request<Incoming>,
    bytes: &AtomicU64,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    while let Some(Ok(frame)) = request.body_mut().frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        bytes.fetch_add(length as u64, Relaxed);
    }
    Ok(Response::new(Empty::new()))
}
