//! Accepting connections.

use std::{cell::Cell, collections::HashMap, io, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

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
    let waiting = listener.into_std().map(waiting).into_iter().flatten();
    for (stream, peer) in waiting {
        match TcpStream::from_std(stream) {
            Ok(stream) => begin(&worker, stream, peer, terms.clone()),
            Err(error) => warn!(error = %error, "A connection cannot be served"),
        }
    }
}

/// Everybody who has connected and was not accepted. The system is asked until it has nobody left: the runtime's own
/// listener gives way to others after a number of connections, and may not have heard of the latest.
fn waiting(listener: std::net::TcpListener) -> impl Iterator<Item = (std::net::TcpStream, SocketAddr)> {
    std::iter::from_fn(move || {
        loop {
            match listener.accept() {
                Ok((stream, peer)) => {
                    if stream.set_nonblocking(true).is_ok() {
                        return Some((stream, peer));
                    }
                }
                Err(error) if is_callers_fault(&error) => {}
                Err(error) => {
                    if error.kind() != io::ErrorKind::WouldBlock {
                        warn!(error = %error, "Connections that were made cannot be accepted; they are reset");
                    }
                    return None;
                }
            }
        }
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_who_has_connected_is_left_behind() {
        const CALLERS: usize = 300;
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        socket.bind(loopback).expect("a port");
        let listener = socket.listen(1024).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| std::net::TcpStream::connect(address).expect("a connection"))
            .collect();
        let listener = listener.into_std().expect("a listener");
        assert_eq!(waiting(listener).count(), callers.len());
    }
}
