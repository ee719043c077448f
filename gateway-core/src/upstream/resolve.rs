//! The addresses of an endpoint's host.
//!
//! The system's resolver tells no time to live, so addresses are asked for again after [`FRESH`], while those that
//! are known go on being used. When none of them can be connected to, the next connection asks first. An answer
//! that fails leaves what is known.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::net::lookup_host;
use tracing::warn;

use super::uptime;

/// How long addresses are used before they are asked for again.
const FRESH: Duration = Duration::from_secs(10);

/// A host and what is known of its addresses.
#[derive(Debug)]
pub(crate) struct Resolution {
    host: String,
    port: u16,
    known: Mutex<Known>,
    asking: AtomicBool,
    turn: AtomicUsize,
}

#[derive(Debug, Clone)]
struct Known {
    addresses: Arc<[SocketAddr]>,
    /// Until when they need not be asked for again; none if that must come first.
    until: Option<Duration>,
}

/// Somebody asks; when this goes away, another may.
struct Asking(Arc<Resolution>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.asking.store(false, Relaxed);
    }
}

impl Resolution {
    /// Nothing is known yet, unless the host is an address.
    pub(crate) fn new(host: &str, port: u16) -> Arc<Self> {
        let address = host.parse::<IpAddr>().ok();
        let known = match address {
            Some(address) => Known {
                addresses: Arc::from([SocketAddr::new(address, port)]),
                until: Some(Duration::MAX),
            },
            None => Known {
                addresses: Arc::from([]),
                until: None,
            },
        };
        Arc::new(Self {
            host: host.to_owned(),
            port,
            known: Mutex::new(known),
            asking: AtomicBool::new(false),
            turn: AtomicUsize::new(0),
        })
    }

    /// The addresses in the order in which they are to be tried; never empty.
    pub(crate) async fn addresses(self: &Arc<Self>) -> io::Result<Vec<SocketAddr>> {
        let now = uptime();
        let known = self.known();
        let addresses = match known.until {
            Some(until) if now < until => known.addresses,
            Some(_) => {
                self.ask_beside();
                known.addresses
            }
            None => match self.ask().await {
                Ok(addresses) => addresses,
                Err(error) if known.addresses.is_empty() => return Err(error),
                Err(error) => {
                    self.warn(&error);
                    known.addresses
                }
            },
        };
        Ok(in_turn(&addresses, self.turn.fetch_add(1, Relaxed)))
    }

    /// None of the addresses could be connected to: asks before they are used again.
    pub(crate) fn doubt(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.until != Some(Duration::MAX) {
            known.until = None;
        }
    }

    fn known(&self) -> Known {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn ask_beside(self: &Arc<Self>) {
        if self.asking.swap(true, Relaxed) {
            return;
        }
        let asking = Asking(Arc::clone(self));
        tokio::spawn(async move {
            if let Err(error) = asking.0.ask().await {
                asking.0.warn(&error);
                let mut known = asking.0.known.lock().unwrap_or_else(PoisonError::into_inner);
                known.until = known.until.map(|_| uptime() + FRESH);
            }
        });
    }

    async fn ask(&self) -> io::Result<Arc<[SocketAddr]>> {
        let addresses: Arc<[SocketAddr]> = lookup_host((self.host.as_str(), self.port)).await?.collect();
        if addresses.is_empty() {
            let reason = format!("host `{}` has no addresses", self.host);
            return Err(io::Error::new(io::ErrorKind::NotFound, reason));
        }
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Known {
            addresses: Arc::clone(&addresses),
            until: Some(uptime() + FRESH),
        };
        Ok(addresses)
    }

    fn warn(&self, error: &io::Error) {
        warn!(
            upstream.host = self.host,
            error = %error,
            "The addresses of upstream host `{}` cannot be found; using those that are known", self.host
        );
    }
}

/// Those of the first one's kind before the others, as the system prefers them; each begins once.
fn in_turn(addresses: &[SocketAddr], turn: usize) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else {
        return Vec::new();
    };
    let (mut preferred, others): (Vec<_>, Vec<_>) = addresses
        .iter()
        .partition(|address| address.is_ipv4() == first.is_ipv4());
    let start = turn % preferred.len();
    preferred.rotate_left(start);
    preferred.extend(others);
    preferred
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(addresses: &[&str], turn: usize) -> String {
        let addresses: Vec<SocketAddr> = addresses
            .iter()
            .map(|ip| SocketAddr::new(ip.parse().expect("an address"), 80))
            .collect();
        let order = in_turn(&addresses, turn);
        order
            .iter()
            .map(|it| it.ip().to_string())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn all_addresses_get_connections_and_the_preferred_kind_comes_first() {
        let all = ["10.0.0.1", "::1", "10.0.0.2"];
        assert_eq!(shown(&all, 0), "10.0.0.1 10.0.0.2 ::1");
        assert_eq!(shown(&all, 1), "10.0.0.2 10.0.0.1 ::1");
        assert_eq!(shown(&all, 2), "10.0.0.1 10.0.0.2 ::1");
        assert_eq!(shown(&["::1", "127.0.0.1"], 5), "::1 127.0.0.1");
        assert_eq!(shown(&[], 5), "");
    }

    #[tokio::test]
    async fn an_address_is_never_asked_for_and_a_name_again_when_it_is_in_doubt() {
        let address = Resolution::new("127.0.0.1", 80);
        address.doubt();
        assert_eq!(address.addresses().await.expect("known").len(), 1);
        let name = Resolution::new("localhost", 80);
        assert!(name.known().until.is_none());
        assert!(
            !name
                .addresses()
                .await
                .expect("localhost has addresses")
                .is_empty()
        );
        assert!(name.known().until.is_some());
        name.doubt();
        assert!(name.known().until.is_none());
        assert!(
            !name.known().addresses.is_empty(),
            "what is known is not forgotten"
        );
    }

    #[tokio::test]
    async fn what_is_known_is_used_while_the_resolver_fails() {
        let resolution = Resolution::new("nowhere.invalid", 80);
        assert!(resolution.addresses().await.is_err());
        *resolution.known.lock().unwrap() = Known {
            addresses: Arc::from([SocketAddr::from(([127, 0, 0, 1], 80))]),
            until: None,
        };
        assert_eq!(resolution.addresses().await.expect("known").len(), 1);
    }
}
