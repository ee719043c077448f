//! A tiny API gateway to try the connector on: small, and real. Replace it by yours.
//!
//! Its Admin API lists, reads, writes and removes APIs, with versions and conditions; its data plane forwards requests
//! to upstreams, and asks for keys. Everything it holds is one [`table`] that is swapped as a whole, so an API is never
//! reachable without its keys. It forgets everything when it ends.

mod admin_api;
mod data_plane;
mod paths;
mod table;
mod validity;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use secrecy::SecretString;
use tokio::{net::TcpListener, task::JoinHandle};

pub use self::table::Condition;
use self::table::Table;
use crate::client::documents::{Api, Document, Refusal};

/// How a tiny gateway is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the Admin API listens; port 0 takes a free one.
    pub admin_listen: SocketAddr,
    /// Where consumers are served; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The token that may do everything.
    pub admin_token: SecretString,
    /// The token that may look at APIs, if there is one.
    pub read_token: Option<SecretString>,
}

/// A running gateway; it ends when this is dropped.
#[derive(Debug)]
pub struct TinyGateway {
    admin: SocketAddr,
    proxy: SocketAddr,
    state: Arc<State>,
    servers: [JoinHandle<io::Result<()>>; 2],
}

/// What both listeners share.
#[derive(Debug)]
struct State {
    admin_token: SecretString,
    read_token: Option<SecretString>,
    table: Mutex<Arc<Table>>,
    upstreams: reqwest::Client,
}

impl TinyGateway {
    /// Starts one that holds nothing.
    pub async fn start(options: Options) -> io::Result<Self> {
        let upstreams = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build();
        let state = Arc::new(State {
            admin_token: options.admin_token,
            read_token: options.read_token,
            table: Mutex::default(),
            upstreams: upstreams.map_err(io::Error::other)?,
        });
        let (admin, admin_server) = serve(options.admin_listen, admin_api::router(state.clone())).await?;
        let (proxy, proxy_server) = serve(options.listen, data_plane::router(state.clone())).await?;
        Ok(Self {
            admin,
            proxy,
            state,
            servers: [admin_server, proxy_server],
        })
    }

    /// Where the Admin API is.
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.admin)
    }

    /// Where consumers are served.
    pub fn proxy_url(&self) -> String {
        format!("http://{}", self.proxy)
    }

    /// All that it holds, in the order of ids.
    pub fn apis(&self) -> Vec<Api> {
        self.state.table().apis().cloned().collect()
    }

    /// What somebody else does to it, without the Admin API: makes or changes an API.
    pub fn put(&self, id: &str, document: Document) -> Result<Api, Refused> {
        self.state
            .change(|table| table.put(id, document, &Condition::default()))
    }

    /// What somebody else does to it: removes an API.
    pub fn delete(&self, id: &str) -> Result<(), Refused> {
        self.state.change(|table| table.delete(id, &Condition::default()))
    }

    /// Breaks what is stored of an API, as a failing disk would: it is listed, and neither read nor served.
    pub fn damage(&self, id: &str) {
        self.state.swap(|table| table.damage(id));
    }
}

impl Drop for TinyGateway {
    fn drop(&mut self) {
        self.servers.iter().for_each(JoinHandle::abort);
    }
}

impl State {
    /// What is in force now. Whoever has it sees one table from beginning to end.
    fn table(&self) -> Arc<Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One change after the other, each of a whole table; a refused one changes nothing.
    fn change<T>(&self, change: impl FnOnce(&mut Table) -> Result<T, Refused>) -> Result<T, Refused> {
        let mut current = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let mut table = Table::clone(&current);
        let result = change(&mut table)?;
        *current = Arc::new(table);
        Ok(result)
    }

    fn swap(&self, change: impl FnOnce(&mut Table)) {
        let mut current = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut current));
    }
}

async fn serve(listen: SocketAddr, router: Router) -> io::Result<(SocketAddr, JoinHandle<io::Result<()>>)> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    Ok((address, server))
}

/// An answer other than success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The HTTP status.
    pub status: u16,
    /// Why.
    pub refusal: Refusal,
}

impl Refused {
    fn new(status: u16, code: &str, error: impl Into<String>) -> Self {
        let refusal = Refusal {
            code: code.to_owned(),
            error: error.into(),
        };
        Self { status, refusal }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self.refusal)).into_response()
    }
}
