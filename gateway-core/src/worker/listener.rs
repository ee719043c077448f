//! Accepting connections.

use std::{io, net::SocketAddr, rc::Rc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, spawn_local},
    time::sleep,
};
use tokio_rustls::TlsAcceptor;
use tracing::warn;

use super::{Listeners, Worker, connection};

/// Begins to accept from all sockets, each in a task of its own.
pub(crate) fn accept_all(
    worker: &Rc<Worker>,
    listeners: Listeners,
    stopping: &watch::Receiver<Option<Duration>>,
) -> io::Result<Vec<JoinHandle<()>>> {
    let plain = listen(listeners.plain)?;
    let mut tasks = vec![spawn_local(accept(
        Rc::clone(worker),
        plain,
        None,
        stopping.clone(),
    ))];
    if let Some((listener, acceptor)) = listeners.tls {
        let listener = listen(listener)?;
        tasks.push(spawn_local(accept(
            Rc::clone(worker),
            listener,
            Some(acceptor),
            stopping.clone(),
        )));
    }
    Ok(tasks)
}

fn listen(listener: std::net::TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

async fn accept(
    worker: Rc<Worker>,
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    stopping: watch::Receiver<Option<Duration>>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => begin(&worker, stream, peer, acceptor.clone(), stopping.clone()),
            Err(error) if is_callers_fault(&error) => {}
            Err(error) => {
                // Most likely out of file descriptors; accepting again at once would spin.
                warn!(error = %error, "Connections cannot be accepted; retrying in 100 ms");
                sleep(Duration::from_millis(100)).await;
            }
        }
        // Leaves the next connection to a worker that has nothing else to do.
        tokio::task::yield_now().await;
    }
}

fn is_callers_fault(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

fn begin(
    worker: &Rc<Worker>,
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    stopping: watch::Receiver<Option<Duration>>,
) {
    let open = Open::count(Rc::clone(worker));
    let worker = Rc::clone(worker);
    spawn_local(async move {
        connection::serve(worker, stream, peer.ip(), acceptor, stopping).await;
        drop(open);
    });
}

/// Counts a connection for as long as it lives.
struct Open(Rc<Worker>);

impl Open {
    fn count(worker: Rc<Worker>) -> Self {
        worker.connections.set(worker.connections.get() + 1);
        Self(worker)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.set(self.0.connections.get() - 1);
        self.0.all_closed.notify_one();
    }
}
