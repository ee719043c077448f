//! What is spoken to an endpoint that may choose: HTTP/2 if it agrees to that in the TLS handshake, else HTTP/1.1. Each
//! new connection settles it anew; what the last one settled says only which kept connections are looked at first.

use std::{
    sync::atomic::{AtomicU8, Ordering::Relaxed},
    time::Instant,
};

use tokio::time::timeout;

use super::{Endpoint, Upstream, connect, line::Line, multiplexed, pool::Pool, send::SendError};

/// What an endpoint agreed to last.
#[derive(Debug, Default)]
pub(crate) struct Agreed(AtomicU8);

const HTTP1: u8 = 1;
const HTTP2: u8 = 2;

impl Agreed {
    fn is(&self, protocol: u8) -> bool {
        self.0.load(Relaxed) == protocol
    }

    fn set(&self, protocol: u8) {
        if !self.is(protocol) {
            self.0.store(protocol, Relaxed);
        }
    }
}

/// Whether the next request to an endpoint goes over HTTP/2. There is a kept connection for it then, unless another
/// request takes it first. It takes no longer than connecting may.
pub(super) async fn on_http2(
    pool: &Pool,
    upstream: &Upstream,
    endpoint: &Endpoint,
    now: Instant,
) -> Result<bool, SendError> {
    if endpoint.tls.is_none() {
        return Ok(false);
    }
    let settled = match endpoint.agreed.is(HTTP1) {
        true => pool.has(endpoint.id, now).then_some(false),
        false => pool.multiplexed.has_place(endpoint.id).then_some(true),
    };
    if let Some(settled) = settled {
        return Ok(settled);
    }
    let settling = timeout(upstream.connect_timeout, settle(pool, upstream, endpoint));
    settling.await.map_err(|_| SendError::ConnectTimeout)?
}

async fn settle(pool: &Pool, upstream: &Upstream, endpoint: &Endpoint) -> Result<bool, SendError> {
    if endpoint.agreed.is(HTTP1) {
        return open(pool, upstream, endpoint).await;
    }
    // One opens; the others then share its connection, or open their own if it carries one request at a time.
    let shared = pool.multiplexed.to(endpoint.id);
    let opening = shared.opening().await;
    if pool.multiplexed.has_place(endpoint.id) {
        return Ok(true);
    }
    if endpoint.agreed.is(HTTP1) {
        drop(opening);
    }
    open(pool, upstream, endpoint).await
}

/// Opens a connection for what the endpoint agrees to, and keeps it.
async fn open(pool: &Pool, upstream: &Upstream, endpoint: &Endpoint) -> Result<bool, SendError> {
    let stream = connect::connect_either(endpoint)
        .await
        .map_err(SendError::Connect)?;
    let idle_timeout = upstream.idle_timeout;
    if stream.agreed_to_http2() {
        let connection = multiplexed::handshake(stream, idle_timeout).await?;
        drop(pool.multiplexed.to(endpoint.id).add(connection, idle_timeout));
        endpoint.agreed.set(HTTP2);
        return Ok(true);
    }
    pool.put(endpoint.id, Line::over(stream), Instant::now() + idle_timeout);
    endpoint.agreed.set(HTTP1);
    Ok(false)
}
