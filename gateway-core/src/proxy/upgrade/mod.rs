//! WebSockets: once both sides have switched protocols, bytes go back and forth unread.
//!
//! Over HTTP/1.1 callers ask to switch with a GET, over HTTP/2 with a CONNECT that names the protocol (RFC 8441). Within
//! the gateway both are the GET of HTTP/1.1, answered with 101.

mod boundary;
pub(crate) mod handshake;
mod tunnel;

use std::rc::Rc;

use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header, request};
use hyper::{ext::Protocol, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use tracing::debug;

use super::problem::Problem;
use crate::{
    guard::Guarded,
    upstream::{load::Lease, multiplexed::Stream, send::Answer},
    worker::Worker,
};

const WEBSOCKET: &[u8] = b"websocket";

/// The caller's side of a connection that may switch.
pub(crate) struct Pending {
    caller: Option<OnUpgrade>,
    /// The key that was made for a caller over HTTP/2.
    key: Option<HeaderValue>,
}

impl Pending {
    /// Takes the caller's side out of the request.
    pub(crate) fn take(parts: &mut request::Parts) -> Self {
        Self {
            caller: parts.extensions.remove::<OnUpgrade>(),
            key: None,
        }
    }

    /// Takes it out of a request over HTTP/2, if it asks for a WebSocket. From then on the request is the GET that it
    /// would have been over HTTP/1.1.
    pub(crate) fn take_extended(parts: &mut request::Parts) -> Option<Self> {
        let asks = parts.version == Version::HTTP_2
            && parts.method == Method::CONNECT
            && parts
                .extensions
                .get::<Protocol>()
                .is_some_and(|protocol| protocol.as_ref().eq_ignore_ascii_case(WEBSOCKET));
        asks.then(|| {
            parts.extensions.remove::<Protocol>();
            parts.method = Method::GET;
            parts.headers.remove(header::SEC_WEBSOCKET_KEY);
            Self {
                caller: parts.extensions.remove::<OnUpgrade>(),
                key: Some(handshake::new_key()),
            }
        })
    }

    /// Asks the upstream to switch.
    pub(crate) fn ask(&self, headers: &mut HeaderMap) {
        switch(headers);
        if let Some(key) = &self.key {
            headers.insert(header::SEC_WEBSOCKET_KEY, key.clone());
        }
    }

    /// With what the caller is told that the upstream has switched: all the upstream's own headers.
    pub(crate) fn accepted(&self, answer: &HeaderMap) -> Result<(StatusCode, HeaderMap), Problem> {
        let mut headers = answer.clone();
        super::head::strip_hop_by_hop(&mut headers);
        let Some(key) = &self.key else {
            switch(&mut headers);
            return Ok((StatusCode::SWITCHING_PROTOCOLS, headers));
        };
        if headers.remove(header::SEC_WEBSOCKET_ACCEPT).as_ref() != Some(&handshake::accept(key)) {
            return Err(Problem::upstream_failed(
                "The upstream switched protocols, but not to the WebSocket that it was asked for.",
            ));
        }
        // There is no body whose length could be meant, and HTTP/2 forbids to say one.
        headers.remove(header::CONTENT_LENGTH);
        Ok((StatusCode::OK, headers))
    }

    /// Connects both sides once the answer has been sent. The lease, and the upstream's stream if others share its
    /// connection, last as long as they are connected.
    pub(crate) fn tunnel(self, worker: &Rc<Worker>, answer: Answer, lease: Option<Lease>) {
        let Some(caller) = self.caller else {
            return;
        };
        let Answer {
            mut response, stream, ..
        } = answer;
        let upstream = hyper::upgrade::on(&mut response);
        let (open, mut cutting) = worker.tunnel();
        let worker = Rc::clone(worker);
        tokio::task::spawn_local(async move {
            // They go when the tunnel does.
            let _held: (Option<Lease>, Option<Stream>) = (lease, stream);
            let (caller, upstream) = match tokio::try_join!(caller, upstream) {
                Ok(sides) => sides,
                Err(error) => {
                    debug!(error = %error, "A WebSocket could not be opened");
                    return;
                }
            };
            let stopped = async {
                let _ = cutting.wait_for(|cutting| *cutting).await;
            };
            // Over HTTP/2 the connection itself goes on when the caller takes nothing of this one stream.
            let caller = Guarded::unwatched(TokioIo::new(caller), Vec::new());
            let caller = caller.with_stall_timeout(worker.shared.stall_timeout);
            let lifetimes = worker.shared.websockets;
            match tunnel::run(caller, TokioIo::new(upstream), lifetimes, stopped).await {
                Ok(ended) => debug!(reason = ?ended, "A WebSocket ended"),
                Err(error) => debug!(error = %error, "A WebSocket broke off"),
            }
            drop(open);
        });
    }
}

/// Why a tunnel is not opened.
pub(crate) fn refused(parts: &request::Parts) -> Problem {
    match parts.extensions.get::<Protocol>() {
        Some(_) => {
            Problem::unsupported_protocol("Over HTTP/2 this gateway opens WebSockets, and nothing else.")
        }
        None => Problem::method_not_allowed("This gateway opens no tunnels.").closing(),
    }
}

/// Why an answer that would have been a success is not given to somebody who asked for a WebSocket over HTTP/2.
pub(crate) fn not_opened(status: StatusCode) -> Problem {
    Problem::unsupported_protocol(format!(
        "There is no WebSocket here: the answer would have been {}, which over HTTP/2 would mean that there is.",
        status.as_u16()
    ))
}

/// Says that protocols are switched, or are to be.
pub(crate) fn switch(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}
