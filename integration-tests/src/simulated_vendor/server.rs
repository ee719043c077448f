//! The vendor's two ports.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, Response, body::Incoming, header, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

use super::{
    answer::Answer,
    file, simulation,
    vendor::{Call, SharedVendor, Vendor},
};

/// The largest body taken in.
const LARGEST_BODY: usize = 64 << 20;

/// Where a vendor is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// Its own API.
    pub api: SocketAddr,
    /// What tests want of it: `/simulation/...`.
    pub simulation: SocketAddr,
}

/// A running vendor; it ends when this is dropped.
#[derive(Debug)]
pub struct SimulatedVendor {
    addresses: Addresses,
    vendor: SharedVendor,
    file: Option<PathBuf>,
    tasks: Vec<JoinHandle<()>>,
}

impl SimulatedVendor {
    /// Starts one at these addresses; port 0 means any free one. With a file, it begins with what the file holds.
    pub async fn start(addresses: Addresses, file: Option<PathBuf>) -> io::Result<Self> {
        let vendor = Arc::new(Vendor::default());
        if let Some(path) = &file {
            file::load(&mut vendor.lock(), path)?;
        }
        let api = TcpListener::bind(addresses.api).await?;
        let simulation = TcpListener::bind(addresses.simulation).await?;
        let addresses = Addresses {
            api: api.local_addr()?,
            simulation: simulation.local_addr()?,
        };
        let tasks = vec![
            tokio::spawn(accept(api, Port::Api(Arc::clone(&vendor)))),
            tokio::spawn(accept(
                simulation,
                Port::Simulation(Arc::clone(&vendor), file.clone()),
            )),
        ];
        Ok(Self {
            addresses,
            vendor,
            file,
            tasks,
        })
    }

    /// Where it is reached.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }
}

impl Drop for SimulatedVendor {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        simulation::save_at_the_end(&self.vendor, self.file.as_ref());
    }
}

#[derive(Debug, Clone)]
enum Port {
    Api(SharedVendor),
    Simulation(SharedVendor, Option<PathBuf>),
}

impl Port {
    /// Answers in a task of its own: what was asked for happens although the caller has gone.
    async fn answer(self, call: Call) -> Answer {
        let task = tokio::spawn(async move {
            match self {
                Self::Api(vendor) => vendor.handle(call).await,
                Self::Simulation(vendor, file) => simulation::answer(&vendor, call, file.as_ref()).await,
            }
        });
        task.await.unwrap_or_else(|_| Answer::lost())
    }
}

async fn accept(listener: TcpListener, port: Port) {
    // The set ends its connections when the vendor is dropped.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let port = port.clone();
        drop(stream.set_nodelay(true));
        connections.spawn(async move {
            let service = service_fn(move |request| respond(port.clone(), request));
            let server = auto::Builder::new(TokioExecutor::new());
            // A connection that ends early is the caller's business, or was asked for.
            drop(server.serve_connection(TokioIo::new(stream), service).await);
        });
        while connections.try_join_next().is_some() {}
    }
}

/// An error ends the connection without an answer.
async fn respond(port: Port, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, io::Error> {
    let call = read(request).await?;
    let answer = port.answer(call).await;
    if answer.lost {
        return Err(io::Error::other("the answer is lost"));
    }
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    response.body(Full::new(answer.body)).map_err(io::Error::other)
}

async fn read(request: Request<Incoming>) -> Result<Call, io::Error> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, LARGEST_BODY).collect().await;
    let body = body
        .map_err(|error| io::Error::other(error.to_string()))?
        .to_bytes();
    let header = |name: header::HeaderName| {
        let value = head.headers.get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    let query = head.uri.query().unwrap_or_default();
    Ok(Call {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (decoded(name), decoded(value)))
            .collect(),
        authorization: header(header::AUTHORIZATION),
        if_match: header(header::IF_MATCH),
        if_none_match: header(header::IF_NONE_MATCH),
        body,
    })
}

fn decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced)
        .decode_utf8_lossy()
        .into_owned()
}
