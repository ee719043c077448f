//! Sending an attempt as it is, and what came of it.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Longer than anybody's patience that is under test.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends bytes on a new connection; what came back until the other side closed it.
pub(crate) async fn send(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("somebody listens");
    // Who refuses early may close before everything is written.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    assert!(
        read.is_ok(),
        "the connection stays open after {:?}",
        String::from_utf8_lossy(bytes)
    );
    answer
}

/// The statuses of the answers in these bytes, without those that only announce others.
pub(crate) fn statuses(answer: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(answer).into_owned();
    let answers = text.split("HTTP/1.").skip(1);
    answers
        .filter_map(|rest| rest.get(2..5)?.parse().ok())
        .filter(|status| *status >= 200)
        .collect()
}
