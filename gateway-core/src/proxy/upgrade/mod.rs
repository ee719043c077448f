//! WebSockets: once both sides have switched protocols, bytes go back and forth unread.

mod boundary;
mod tunnel;

use std::rc::Rc;

use http::{HeaderMap, HeaderValue, Response, header, request};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tracing::debug;

use crate::{
    upstream::{line::Received, load::Lease},
    worker::Worker,
};

/// The caller's side of a connection that may switch.
pub(crate) struct Pending {
    caller: Option<OnUpgrade>,
}

impl Pending {
    /// Takes the caller's side out of the request.
    pub(crate) fn take(parts: &mut request::Parts) -> Self {
        Self {
            caller: parts.extensions.remove::<OnUpgrade>(),
        }
    }

    /// Connects both sides once the answer has been sent. The lease lasts as long as they are connected.
    pub(crate) fn tunnel(self, worker: &Rc<Worker>, mut response: Response<Received>, lease: Option<Lease>) {
        let Some(caller) = self.caller else {
            return;
        };
        let upstream = hyper::upgrade::on(&mut response);
        let lifetimes = worker.shared.websockets;
        let (open, mut cutting) = worker.tunnel();
        tokio::task::spawn_local(async move {
            // Goes when the tunnel does.
            let _lease = lease;
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
            let (caller, upstream) = (TokioIo::new(caller), TokioIo::new(upstream));
            match tunnel::run(caller, upstream, lifetimes, stopped).await {
                Ok(ended) => debug!(reason = ?ended, "A WebSocket ended"),
                Err(error) => debug!(error = %error, "A WebSocket broke off"),
            }
            drop(open);
        });
    }
}

/// Asks the upstream to switch.
pub(crate) fn ask(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

/// The headers with which the caller is told that the upstream has switched: all the upstream's own.
pub(crate) fn accepted(answer: &HeaderMap) -> HeaderMap {
    let mut headers = answer.clone();
    super::head::strip_hop_by_hop(&mut headers);
    ask(&mut headers);
    headers
}
