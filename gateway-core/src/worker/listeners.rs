//! The places a gateway listens at, which come and go while it runs.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{net::TcpSocket, sync::watch};

use crate::tls::Tls;

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;

/// A socket that every worker accepts from.
#[derive(Debug)]
pub(crate) struct Bound {
    /// No other listener of the process ever has it.
    pub(super) id: u64,
    pub(super) socket: TcpListener,
    pub(super) terms: Terms,
    /// Each worker holds on to this while it accepts.
    pub(super) accepting: watch::Receiver<()>,
}

/// On what terms the connections of a listener are served.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) proxy_protocol: bool,
    /// Becomes true when the listener is taken away.
    pub(super) closing: watch::Receiver<bool>,
}

/// All listeners, as their owner sees them.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    open: Mutex<Vec<Open>>,
    bound: watch::Sender<Vec<Arc<Bound>>>,
}

#[derive(Debug)]
struct Open {
    address: SocketAddr,
    tls: Option<Arc<Tls>>,
    bound: Arc<Bound>,
    closing: watch::Sender<bool>,
    accepting: watch::Sender<()>,
}

impl Listeners {
    /// Begins to listen; the address says which port was free. Must be called within a Tokio runtime.
    pub(crate) fn add(
        &self,
        address: SocketAddr,
        tls: Option<Arc<Tls>>,
        proxy_protocol: bool,
        share_port: bool,
    ) -> io::Result<SocketAddr> {
        let socket = listen(address, share_port)?;
        let address = socket.local_addr()?;
        let (closing, is_closing) = watch::channel(false);
        let (accepting, accepts) = watch::channel(());
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let bound = Arc::new(Bound {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            socket,
            terms: Terms {
                tls: tls.clone(),
                proxy_protocol,
                closing: is_closing,
            },
            accepting: accepts,
        });
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.push(Open {
            address,
            tls,
            bound,
            closing,
            accepting,
        });
        self.publish(&open);
        Ok(address)
    }

    /// Stops listening there and asks the connections to end after their requests. Resolves when the address is free.
    /// False if nobody listened there.
    pub(crate) async fn remove(&self, address: SocketAddr) -> bool {
        let removed = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(position) = open.iter().position(|listener| listener.address == address) else {
                return false;
            };
            let removed = open.swap_remove(position);
            self.publish(&open);
            removed
        };
        removed.closing.send_replace(true);
        drop(removed.bound);
        removed.accepting.closed().await;
        true
    }

    /// Stops listening everywhere, and asks all connections to end.
    pub(super) fn close(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for listener in open.drain(..) {
            listener.closing.send_replace(true);
        }
        self.publish(&open);
    }

    /// The listeners of the moment, and each change of them.
    pub(super) fn subscribe(&self) -> watch::Receiver<Vec<Arc<Bound>>> {
        self.bound.subscribe()
    }

    /// The TLS of every HTTPS listener.
    pub(crate) fn tls(&self) -> Vec<Arc<Tls>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().filter_map(|listener| listener.tls.clone()).collect()
    }

    fn publish(&self, open: &[Open]) {
        let bound = open.iter().map(|listener| Arc::clone(&listener.bound)).collect();
        self.bound.send_replace(bound);
    }
}

fn listen(address: SocketAddr, share_port: bool) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    if share_port {
        socket.set_reuseport(true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}
