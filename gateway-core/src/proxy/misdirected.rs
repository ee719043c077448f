//! Requests on a connection that was made for somebody else (RFC 9110, section 15.5.20).
//!
//! Callers reuse a connection for other hosts that its certificate covers. One that asks for a host with a
//! certificate of its own, or with an API that wants to see the caller's certificate where the connection brought
//! none, is told to come on another connection, as the Kubernetes Gateway API asks.

use std::sync::Arc;

use http::HeaderValue;

use super::{Exchange, problem::Problem, text};
use crate::{api::Route, router::canonical_host, tls::Tls};

/// The host that a TLS handshake was for.
#[derive(Debug)]
pub(crate) struct Handshake {
    /// As it was asked for (SNI), in lower case.
    pub(crate) server_name: String,
    pub(crate) tls: Arc<Tls>,
}

impl Exchange<'_> {
    /// Refuses a request whose host needs another connection. Trusted proxies say for themselves whom they speak for.
    pub(super) fn refuse_misdirected(&self, host: &HeaderValue, route: &Route) -> Result<(), Problem> {
        let Some(handshake) = self.client.handshake.as_ref().filter(|_| !self.client.trusted) else {
            return Ok(());
        };
        let host = canonical_host(text(host));
        let host = host.trim_matches(['[', ']']);
        if host == handshake.server_name {
            return Ok(());
        }
        let unasked =
            self.client.certificates.is_empty() && route.chain.certificate_checks().next().is_some();
        match unasked || !handshake.tls.is_same_certificate(&handshake.server_name, host) {
            true => Err(Problem::misdirected(
                "This connection was made for another host; use one that is made for this host.",
            )),
            false => Ok(()),
        }
    }
}
