//! A load balancer for replicas: one address, connections to whichever of them answers.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Forwards connections in turn; ends with the test.
#[derive(Debug)]
pub struct Balancer {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Balancer {
    /// Starts one in front of these.
    pub async fn start(targets: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(forward(listener, targets));
        Self { address, task }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(listener: TcpListener, targets: Vec<SocketAddr>) {
    let turn = AtomicUsize::new(0);
    while let Ok((mut caller, _)) = listener.accept().await {
        let first = turn.fetch_add(1, Ordering::Relaxed);
        let targets = targets.clone();
        tokio::spawn(async move {
            if let Some(mut target) = reachable(&targets, first).await {
                // Whoever went away first: the other notices that its connection ends.
                drop(copy_bidirectional(&mut caller, &mut target).await);
            }
        });
    }
}

/// A connection to the first that takes one, beginning at a number.
async fn reachable(targets: &[SocketAddr], first: usize) -> Option<TcpStream> {
    for offset in 0..targets.len() {
        if let Ok(target) = TcpStream::connect(targets[(first + offset) % targets.len()]).await {
            return Some(target);
        }
    }
    None
}
