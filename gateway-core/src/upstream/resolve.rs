//! The addresses of an endpoint's host.
//!
//! The system's resolver tells no time to live, so addresses are asked for again after [`FRESH`], while those that
//! are known go on being used. When none of them can be connected to, the next connection asks first. An answer
//! that fails leaves what is known.
//!
//! A question may take long and holds a thread of the process, so there is one at a time for each host, and none within
//! [`SETTLED`] of the last one, whatever came of it.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{net::lookup_host, sync::watch};
use tracing::warn;

use super::uptime;

/// How long addresses are used before they are asked for again.
const FRESH: Duration = Duration::from_secs(10);

/// How long an answer stands, even if it was a failure or its addresses take no connection.
const SETTLED: Duration = Duration::from_secs(1);

/// Asks for the addresses of a host.
type Lookup = fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;

/// A host and what is known of its addresses.
#[derive(Debug)]
pub(crate) struct Resolution {
    host: String,
    port: u16,
    known: Mutex<Known>,
    turn: AtomicUsize,
    lookup: Lookup,
}

#[derive(Debug, Default)]
struct Known {
    addresses: Arc<[SocketAddr]>,
    /// Until when they need not be asked for again.
    until: Duration,
    /// None of them could be connected to.
    doubted: bool,
    /// When there was last an answer.
    answered: Option<Duration>,
    /// Why that answer had no addresses.
    failure: Option<Failure>,
    /// The question that is under way; its other end goes away when there is an answer.
    asking: Option<watch::Receiver<()>>,
}

#[derive(Debug, Clone)]
struct Failure {
    kind: io::ErrorKind,
    reason: Arc<str>,
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        Self::new(failure.kind, failure.reason.to_string())
    }
}

/// What somebody does who needs an address.
#[derive(Debug)]
enum Step {
    Use(Arc<[SocketAddr]>),
    /// Uses these and has others asked for.
    UseAndAsk(Arc<[SocketAddr]>),
    Refuse(Failure),
    Ask,
    /// Somebody asks already.
    Wait(watch::Receiver<()>),
}

impl Known {
    fn step(&self, now: Duration) -> Step {
        let asking = self.asking.as_ref().filter(|asking| asking.has_changed().is_ok());
        let settled = self.answered.is_some_and(|answered| now < answered + SETTLED);
        if self.addresses.is_empty() {
            return match (asking, &self.failure) {
                (Some(asking), _) => Step::Wait(asking.clone()),
                (None, Some(failure)) if settled => Step::Refuse(failure.clone()),
                (None, _) => Step::Ask,
            };
        }
        let fresh = now < self.until && !self.doubted;
        match fresh || settled || asking.is_some() {
            true => Step::Use(Arc::clone(&self.addresses)),
            false if self.doubted => Step::Ask,
            false => Step::UseAndAsk(Arc::clone(&self.addresses)),
        }
    }

    fn learn(&mut self, answer: io::Result<Vec<SocketAddr>>, now: Duration) {
        self.answered = Some(now);
        self.until = now + FRESH;
        match answer {
            Ok(addresses) => {
                self.addresses = addresses.into();
                self.doubted = false;
                self.failure = None;
            }
            Err(error) => {
                self.failure = Some(Failure {
                    kind: error.kind(),
                    reason: error.to_string().into(),
                });
            }
        }
    }
}

impl Resolution {
    /// Nothing is known yet, unless the host is an address.
    pub(crate) fn new(host: &str, port: u16) -> Arc<Self> {
        Self::with(host, port, |host, port| {
            Box::pin(async move { Ok(lookup_host((host, port)).await?.collect()) })
        })
    }

    /// The same, asking in this way.
    pub(super) fn with(host: &str, port: u16, lookup: Lookup) -> Arc<Self> {
        let known = match host.parse::<IpAddr>() {
            Ok(address) => Known {
                addresses: Arc::from([SocketAddr::new(address, port)]),
                until: Duration::MAX,
                ..Known::default()
            },
            Err(_) => Known::default(),
        };
        Arc::new(Self {
            host: host.to_owned(),
            port,
            known: Mutex::new(known),
            turn: AtomicUsize::new(0),
            lookup,
        })
    }

    /// The addresses in the order in which they are to be tried; never empty.
    pub(crate) async fn addresses(self: &Arc<Self>) -> io::Result<Vec<SocketAddr>> {
        loop {
            let mut asking = {
                let mut known = self.known();
                match known.step(uptime()) {
                    Step::Use(addresses) => return Ok(self.in_turn(&addresses)),
                    Step::UseAndAsk(addresses) => {
                        self.ask(&mut known);
                        return Ok(self.in_turn(&addresses));
                    }
                    Step::Refuse(failure) => return Err(failure.into()),
                    Step::Ask => self.ask(&mut known),
                    Step::Wait(asking) => asking,
                }
            };
            // Nothing is ever said there: it ends.
            let _ = asking.changed().await;
        }
    }

    /// None of the addresses could be connected to: asks before they are used again.
    pub(crate) fn doubt(&self) {
        let mut known = self.known();
        known.doubted = known.until != Duration::MAX;
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks in a task of its own: whoever waits for the answer may go away, and the next one waits for the same.
    fn ask(self: &Arc<Self>, known: &mut Known) -> watch::Receiver<()> {
        let (under_way, asking) = watch::channel(());
        known.asking = Some(asking.clone());
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let answer = (this.lookup)(this.host.clone(), this.port).await;
            this.learn(answer);
            drop(under_way);
        });
        asking
    }

    fn learn(&self, answer: io::Result<Vec<SocketAddr>>) {
        let answer = match answer {
            Ok(addresses) if addresses.is_empty() => {
                let reason = format!("host `{}` has no addresses", self.host);
                Err(io::Error::new(io::ErrorKind::NotFound, reason))
            }
            answer => answer,
        };
        let mut known = self.known();
        if let Err(error) = &answer
            && !known.addresses.is_empty()
        {
            warn!(
                upstream.host = self.host,
                error = %error,
                "The addresses of upstream host `{}` cannot be found; using those that are known", self.host
            );
        }
        known.learn(answer, uptime());
    }

    fn in_turn(&self, addresses: &[SocketAddr]) -> Vec<SocketAddr> {
        in_turn(addresses, self.turn.fetch_add(1, Relaxed))
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
    use std::net::Ipv4Addr;

    use tokio::sync::Semaphore;

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

    fn known(addresses: &[[u8; 4]]) -> Known {
        Known {
            addresses: addresses.iter().map(|ip| SocketAddr::from((*ip, 80))).collect(),
            ..Known::default()
        }
    }

    fn refused() -> io::Error {
        io::Error::new(io::ErrorKind::NotFound, "nobody knows it")
    }

    #[test]
    fn an_answer_stands_for_a_second_whatever_it_was_and_addresses_for_ten_unless_doubted() {
        let at = Duration::from_millis;
        let shown = |known: &Known, now| match known.step(at(now)) {
            Step::Use(_) => "use",
            Step::UseAndAsk(_) => "use and ask",
            Step::Refuse(_) => "refuse",
            Step::Ask => "ask",
            Step::Wait(_) => "wait",
        };
        let mut host = Known::default();
        assert_eq!(shown(&host, 0), "ask");
        host.learn(Err(refused()), at(1_000));
        assert_eq!([1_999, 2_000].map(|now| shown(&host, now)), ["refuse", "ask"]);
        host.learn(Ok(vec![SocketAddr::from(([192, 0, 2, 1], 80))]), at(2_000));
        let times = [2_000, 11_999, 12_000];
        assert_eq!(times.map(|now| shown(&host, now)), ["use", "use", "use and ask"]);
        host.doubted = true;
        assert_eq!([2_999, 3_000].map(|now| shown(&host, now)), ["use", "ask"]);
        host.learn(Err(refused()), at(4_000));
        assert_eq!([4_999, 5_000].map(|now| shown(&host, now)), ["use", "ask"]);
        let (under_way, asking) = watch::channel(());
        host.asking = Some(asking.clone());
        assert_eq!(shown(&host, 5_000), "use", "while somebody else asks");
        host.addresses = Arc::from([]);
        assert_eq!(shown(&host, 5_000), "wait");
        drop(under_way);
        assert_eq!(shown(&host, 5_000), "ask", "nobody asks any more");
    }

    #[tokio::test]
    async fn an_address_is_never_asked_for() {
        let address = Resolution::with("127.0.0.1", 80, |_, _| unreachable!("it is known"));
        address.doubt();
        assert_eq!(address.addresses().await.expect("known").len(), 1);
    }

    #[tokio::test]
    async fn the_systems_resolver_is_asked() {
        let known = Resolution::new("localhost", 80).addresses().await;
        assert!(!known.expect("localhost has addresses").is_empty());
        assert!(Resolution::new("nowhere.invalid", 80).addresses().await.is_err());
    }

    #[tokio::test]
    async fn all_who_need_a_name_wait_for_one_answer_and_take_a_failure_for_one() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let name = Resolution::with("name.test", 80, |_, _| {
            ASKED.fetch_add(1, Relaxed);
            Box::pin(async {
                tokio::task::yield_now().await;
                Err(refused())
            })
        });
        let all = (0..100).map(|_| name.addresses());
        for answer in futures_util::future::join_all(all).await {
            assert_eq!(answer.expect_err("refused").to_string(), "nobody knows it");
        }
        name.addresses().await.expect_err("it is remembered");
        assert_eq!(ASKED.load(Relaxed), 1);
    }

    #[test]
    fn a_worker_goes_on_with_what_is_known_while_one_asks() {
        static TOLD: Semaphore = Semaphore::const_new(0);
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        const NEW: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 80);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(tokio::runtime::LocalOptions::default())
            .expect("a runtime as workers have it");
        runtime.block_on(async {
            let name = Resolution::with("name.test", 80, |_, _| {
                ASKED.fetch_add(1, Relaxed);
                Box::pin(async {
                    let _told = TOLD.acquire().await;
                    Ok(vec![NEW])
                })
            });
            let old = [192, 0, 2, 1];
            *name.known() = known(&[old]);
            name.doubt();
            let first = tokio::spawn({
                let name = Arc::clone(&name);
                async move { name.addresses().await }
            });
            while ASKED.load(Relaxed) == 0 {
                tokio::task::yield_now().await;
            }
            for _ in 0..100 {
                name.doubt();
                let others = name.addresses().await.expect("known");
                assert_eq!(others, [SocketAddr::from((old, 80))]);
            }
            // Who asked goes away, and the question goes on.
            first.abort();
            assert!(first.await.is_err());
            TOLD.add_permits(1);
            while name.known().addresses.first() != Some(&NEW) {
                tokio::task::yield_now().await;
            }
            name.doubt();
            assert_eq!(name.addresses().await.expect("known"), [NEW]);
            assert_eq!(ASKED.load(Relaxed), 1);
        });
    }
}
