//! Accepting connections.

use std::{cell::Cell, collections::HashMap, io, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, spawn_local},
    time::sleep,
};
use tracing::warn;

use super::{Bound, Terms, Worker, connection};

/// The listeners a worker accepts from, each in a task of its own.
#[derive(Default)]
pub(super) struct Accepting(HashMap<u64, JoinHandle<()>>);

impl Accepting {
    /// Begins with those that are new. A task ends by itself when its listener is taken away.
    pub(super) fn follow(
        &mut self,
        worker: &Rc<Worker>,
        listeners: &mut watch::Receiver<Vec<Arc<Bound>>>,
    ) -> io::Result<()> {
        self.0.retain(|_, task| !task.is_finished());
        let bound = listeners.borrow_and_update();
        for bound in bound.iter() {
            if self.0.contains_key(&bound.id) {
                continue;
            }
            let listener = TcpListener::from_std(nonblocking(bound.socket.try_clone()?)?)?;
            let accepts = bound.accepting.clone();
            let accepting = accept(Rc::clone(worker), listener, bound.terms.clone());
            let task = spawn_local(async move {
                accepting.await;
                drop(accepts);
            });
            self.0.insert(bound.id, task);
        }
        Ok(())
    }

    /// Waits until nothing is accepted any more.
    pub(super) async fn ended(self) {
        for task in self.0.into_values() {
            // A task that panicked has ended, too.
            let _ = task.await;
        }
    }
}

fn nonblocking(listener: std::net::TcpListener) -> io::Result<std::net::TcpListener> {
    listener.set_nonblocking(true)?;
    Ok(listener)
}

async fn accept(worker: Rc<Worker>, listener: TcpListener, terms: Terms) {
    let mut closing = terms.closing.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = closing.wait_for(|closing| *closing) => break,
        };
        match accepted {
            Ok((stream, peer)) => begin(&worker, stream, peer, terms.clone()),
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
    // Whoever has connected already would be reset with the socket.
    while let Some(Ok((stream, peer))) = listener.accept().now_or_never() {
        begin(&worker, stream, peer, terms.clone());
    }
}

fn is_callers_fault(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

fn begin(worker: &Rc<Worker>, stream: TcpStream, peer: SocketAddr, terms: Terms) {
    let open = Open::count(Rc::clone(worker), |worker| &worker.connections);
    let worker = Rc::clone(worker);
    spawn_local(async move {
        connection::serve(worker, stream, peer.ip(), terms).await;
        drop(open);
    });
}

/// Counts something for as long as it lives.
pub(crate) struct Open {
    worker: Rc<Worker>,
    counter: fn(&Worker) -> &Cell<usize>,
}

impl Open {
    pub(super) fn count(worker: Rc<Worker>, counter: fn(&Worker) -> &Cell<usize>) -> Self {
        counter(&worker).update(|count| count + 1);
        Self { worker, counter }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        (self.counter)(&self.worker).update(|count| count.saturating_sub(1));
        self.worker.some_closed.notify_one();
    }
}
