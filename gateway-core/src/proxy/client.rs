//! The caller at the other end of a connection.

use std::{
    cell::{Cell, RefCell},
    net::IpAddr,
    rc::Rc,
    sync::Arc,
    time::Instant,
};

use http::{HeaderMap, HeaderValue};
use rustls::pki_types::CertificateDer;
use tokio::sync::Notify;

use super::misdirected::Handshake;
use crate::worker::Worker;

/// The most policies whose judgement of a certificate is kept with its connection.
const MAX_JUDGED: usize = 16;

/// What all requests of one connection have in common.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) worker: Rc<Worker>,
    /// The other end, as the system or the PROXY protocol says it.
    pub(crate) address: IpAddr,
    /// The address as `X-Forwarded-For` says it.
    pub(crate) address_header: HeaderValue,
    /// Whether what this caller says of others is believed.
    pub(crate) trusted: bool,
    /// Whether the connection is TLS.
    pub(crate) secure: bool,
    /// What the caller showed in the handshake, its own first. Nobody has verified them yet.
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    /// The host that the connection was made for, if it is TLS and the caller said so.
    pub(crate) handshake: Option<Handshake>,
    judged: RefCell<Vec<Judged>>,
    /// Whether a request has come.
    pub(crate) began: Cell<bool>,
    /// Whether each further answer is the last one.
    pub(crate) closing: Cell<bool>,
    /// Is told when the connection must not be used for new requests.
    pub(crate) over: Notify,
}

/// What a policy found when it verified this caller's certificate.
#[derive(Debug)]
struct Judged {
    policy: u64,
    consumer: Arc<str>,
    at: Instant,
}

impl Client {
    /// A caller; its certificates if the connection is TLS.
    pub(crate) fn new(
        worker: Rc<Worker>,
        address: IpAddr,
        certificates: Option<Vec<CertificateDer<'static>>>,
    ) -> Self {
        Self {
            address,
            address_header: address_header(address),
            trusted: worker.shared.trusted_proxies.contain(address),
            worker,
            secure: certificates.is_some(),
            certificates: certificates.unwrap_or_default(),
            handshake: None,
            judged: RefCell::default(),
            began: Cell::new(false),
            closing: Cell::new(false),
            over: Notify::new(),
        }
    }

    /// The same caller, for what is done when it has been answered already.
    pub(crate) fn in_background(&self) -> Self {
        Self {
            worker: Rc::clone(&self.worker),
            address: self.address,
            address_header: self.address_header.clone(),
            trusted: self.trusted,
            secure: self.secure,
            certificates: Vec::new(),
            handshake: None,
            judged: RefCell::default(),
            began: Cell::new(true),
            closing: Cell::new(false),
            over: Notify::new(),
        }
    }

    /// Where a request with these headers came from.
    pub(crate) fn origin(&self, headers: &HeaderMap) -> IpAddr {
        match self.trusted {
            true => self.worker.shared.trusted_proxies.client(self.address, headers),
            false => self.address,
        }
    }

    /// Whom a policy found this caller to be since a point in time.
    pub(crate) fn judged(&self, policy: u64, since: Instant) -> Option<Arc<str>> {
        let judged = self.judged.borrow();
        let found = judged.iter().find(|judged| judged.policy == policy)?;
        (found.at >= since).then(|| Arc::clone(&found.consumer))
    }

    /// Keeps whom a policy found this caller to be.
    pub(crate) fn keep_judged(&self, policy: u64, consumer: Arc<str>, at: Instant) {
        let mut judged = self.judged.borrow_mut();
        judged.retain(|judged| judged.policy != policy);
        if judged.len() >= MAX_JUDGED {
            judged.remove(0);
        }
        judged.push(Judged { policy, consumer, at });
    }
}

fn address_header(address: IpAddr) -> HeaderValue {
    // An address is always a header value.
    HeaderValue::try_from(address.to_canonical().to_string())
        .unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}
