//! Requests on a connection that was made for somebody else (RFC 9110, section 15.5.20).
//!
//! Callers reuse a connection for other hosts that its certificate covers. One that asks for a host with a
//! certificate of its own is told to come on another connection, as the Kubernetes Gateway API asks. So is one whose own
//! certificate, or none, was for the connection's host and does not do for this one: callers choose it by the host that
//! they connect to, and may have another one. Nothing is let through that would not be let through there.

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
    /// Refuses a request for a host that has another certificate than the connection was made with.
    pub(super) fn refuse_misdirected(&self, host: &HeaderValue) -> Result<(), Problem> {
        match self.elsewhere(host) {
            Some((handshake, host)) if !handshake.tls.is_same_certificate(&handshake.server_name, &host) => {
                Err(misdirected())
            }
            _ => Ok(()),
        }
    }

    /// Refuses a request whose API wants the caller's certificate, on a connection for another host that came without:
    /// for this host, the caller may have one.
    pub(super) fn refuse_uncertified(&self, host: &HeaderValue, route: &Route) -> Result<(), Problem> {
        let wanted = self.client.certificates.is_empty() && route.chain.certificate_checks().next().is_some();
        match wanted && self.elsewhere(host).is_some() {
            true => Err(misdirected()),
            false => Ok(()),
        }
    }

    /// What a request is answered whose certificate its API does not take.
    pub(super) fn unless_misdirected(&self, host: &HeaderValue, problem: Problem) -> Problem {
        match self.elsewhere(host) {
            Some(_) => misdirected(),
            None => problem,
        }
    }

    /// The host of a request, if the connection was made for another one. Trusted proxies say for themselves whom they
    /// speak for.
    fn elsewhere(&self, host: &HeaderValue) -> Option<(&Handshake, String)> {
        let handshake = self.client.handshake.as_ref().filter(|_| !self.client.trusted)?;
        let host = canonical_host(text(host));
        let host = host.trim_matches(['[', ']']);
        (host != handshake.server_name).then(|| (handshake, host.to_owned()))
    }
}

fn misdirected() -> Problem {
    Problem::misdirected("This connection was made for another host; use one that is made for this host.")
}
