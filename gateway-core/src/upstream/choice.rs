//! Choosing an endpoint for a request and drawing conclusions from how it went.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use gatehouse_schemas::api::{BalancingAlgorithm, HashKey};
use http::HeaderName;
use tracing::{info, warn};

use super::{
    Member, Upstream,
    balance::{self, Candidates},
    ejection::{Standing, Trial},
    load::{Full, Lease},
    probe::Probe,
};

/// Where an endpoint cannot be ejected, a request that failed is taken for one that took so long, lest failing fast
/// attract more. Where it can be, attracting more gets it out sooner.
const FAILED_TAKES: Duration = Duration::from_secs(1);

/// Held while it is decided whether one more may be ejected, so that two workers do not eject one too many.
static EJECTING: Mutex<()> = Mutex::new(());

/// How endpoints are chosen.
#[derive(Debug)]
pub(crate) enum Balancer {
    BetterOfTwo,
    LeastRequests,
    /// The credits of the endpoints.
    InTurn(Mutex<Box<[i64]>>),
    Owner(Key),
}

/// What requests have in common that go to the same endpoint.
#[derive(Debug)]
pub(crate) enum Key {
    Address,
    Consumer,
    Header(HeaderName),
}

impl Balancer {
    /// For so many endpoints.
    pub(crate) fn new(
        algorithm: BalancingAlgorithm,
        key: Option<&HashKey>,
        count: usize,
    ) -> Result<Self, String> {
        Ok(match algorithm {
            BalancingAlgorithm::P2cEwma => Self::BetterOfTwo,
            BalancingAlgorithm::LeastRequest => Self::LeastRequests,
            BalancingAlgorithm::RoundRobin => Self::InTurn(Mutex::new(vec![0; count].into())),
            BalancingAlgorithm::ConsistentHash => Self::Owner(match key {
                None | Some(HashKey::Address) => Key::Address,
                Some(HashKey::Consumer) => Key::Consumer,
                Some(HashKey::Header(name)) => Key::Header(
                    HeaderName::try_from(name).map_err(|_| format!("`{name}` is not a header name"))?,
                ),
            }),
        })
    }

    fn choose(&self, view: &View<'_>, key: u64) -> Option<usize> {
        match self {
            Self::BetterOfTwo => balance::better_of_two(view, fastrand::u64(..)),
            Self::LeastRequests => balance::least_requests(view, fastrand::u64(..)),
            Self::InTurn(credits) => {
                let mut credits = credits.lock().unwrap_or_else(PoisonError::into_inner);
                balance::in_turn(view, &mut credits)
            }
            Self::Owner(_) => balance::owner(view, key),
        }
    }
}

/// When endpoints are ejected.
#[derive(Debug)]
pub(crate) struct Outlier {
    pub(crate) consecutive_errors: u32,
    pub(crate) first: Duration,
    /// The most that may be out at the same time.
    pub(crate) most_out: usize,
    /// How those that are out are looked at.
    pub(crate) probe: Probe,
}

/// What is chosen by.
#[derive(Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) now: Duration,
    /// A number for what the request has in common with others.
    pub(crate) key: u64,
    /// Whether it can be sent to another endpoint if this one fails, so that nobody notices.
    pub(crate) harmless: bool,
    /// Endpoints that have failed it already.
    pub(crate) tried: &'a [u64],
}

/// The endpoint for a request.
#[derive(Debug)]
pub(crate) struct Choice<'a> {
    pub(crate) member: &'a Member,
    /// If the request finds out whether the endpoint works again.
    pub(crate) trial: Option<Trial>,
}

/// What must hold of an endpoint to be chosen, from all down to nothing.
#[derive(Debug, Clone, Copy)]
struct Demand {
    works: bool,
    untried: bool,
    room: bool,
}

const DEMANDS: [Demand; 5] = [
    Demand {
        works: true,
        untried: true,
        room: true,
    },
    Demand {
        works: true,
        untried: true,
        room: false,
    },
    Demand {
        works: true,
        untried: false,
        room: false,
    },
    Demand {
        works: false,
        untried: true,
        room: false,
    },
    Demand {
        works: false,
        untried: false,
        room: false,
    },
];

/// The endpoints of an upstream as one request sees them.
struct View<'a> {
    upstream: &'a Upstream,
    wish: &'a Wish<'a>,
    demand: Demand,
    /// Whether those that are due count as working.
    tries: bool,
}

impl View<'_> {
    fn standing(&self, member: &Member) -> Standing {
        match self.upstream.outlier {
            Some(_) => member
                .endpoint
                .ejection
                .standing(self.wish.now, self.wish.harmless),
            None => Standing::In,
        }
    }

    fn works(&self, member: &Member) -> bool {
        let standing = match self.standing(member) {
            Standing::In => true,
            Standing::Due => self.tries,
            Standing::Out => false,
        };
        standing && member.is_healthy()
    }

    fn meets(&self, member: &Member) -> bool {
        let endpoint = &member.endpoint;
        let max = self.upstream.max_connections.unwrap_or(u32::MAX);
        (!self.demand.works || self.works(member))
            && (!self.demand.untried || !self.wish.tried.contains(&endpoint.id))
            && (!self.demand.room || endpoint.load.requests() < max)
    }

    fn member(&self, index: usize) -> Option<&Member> {
        self.upstream.members.get(index)
    }
}

impl Candidates for View<'_> {
    fn count(&self) -> usize {
        self.upstream.members.len()
    }

    fn is_eligible(&self, index: usize) -> bool {
        self.member(index).is_some_and(|member| self.meets(member))
    }

    fn weight(&self, index: usize) -> u32 {
        self.member(index).map_or(1, |member| member.weight)
    }

    fn requests(&self, index: usize) -> u32 {
        self.member(index)
            .map_or(0, |member| member.endpoint.load.requests())
    }

    fn latency(&self, index: usize) -> f32 {
        self.member(index)
            .map_or(0.0, |member| member.endpoint.load.latency(self.wish.now))
    }

    fn is_due(&self, index: usize) -> bool {
        let due = |member| self.standing(member) == Standing::Due;
        self.demand.works && self.member(index).is_some_and(due)
    }

    fn identity(&self, index: usize) -> u64 {
        self.member(index).map_or(0, |member| member.endpoint.identity)
    }
}

impl Upstream {
    /// Chooses an endpoint: one that works and has room, else the best there is. If none works, all get requests: it
    /// is then more likely that we are wrong.
    pub(crate) fn choose<'a>(&'a self, wish: &Wish<'_>) -> Choice<'a> {
        for demand in DEMANDS {
            for tries in [true, false] {
                let view = View {
                    upstream: self,
                    wish,
                    demand,
                    tries,
                };
                let Some(index) = self.balancer.choose(&view, wish.key) else {
                    break;
                };
                let Some(member) = self.members.get(index) else {
                    break;
                };
                if !view.is_due(index) {
                    return Choice { member, trial: None };
                }
                if let Some(trial) = Trial::claim(&member.endpoint, wish.now, wish.harmless) {
                    return Choice {
                        member,
                        trial: Some(trial),
                    };
                }
                // Another request was faster; one that works is chosen then.
            }
        }
        Choice {
            member: &self.first,
            trial: None,
        }
    }

    /// Counts a request at an endpoint, as soon as the limits let it.
    pub(crate) async fn lease(&self, member: &Member) -> Result<Lease, Full> {
        match self.max_connections {
            None => Ok(Lease::take(&member.endpoint)),
            Some(max) => Lease::wait(&member.endpoint, max, self.max_pending, self.connect_timeout).await,
        }
    }

    /// Draws conclusions from a request that was answered.
    pub(crate) fn succeeded(&self, choice: &mut Choice<'_>, now: Duration, took: Duration) {
        let endpoint = &choice.member.endpoint;
        endpoint.load.observe(now, took);
        match choice.trial.take() {
            None => endpoint.ejection.succeeded(),
            Some(trial) => {
                trial.succeeded(now);
                let name = endpoint.name();
                info!(
                    upstream.endpoint = name,
                    "Endpoint `{name}` answers again and gets its share of requests"
                );
            }
        }
    }

    /// Draws conclusions from a request that failed; says whether the endpoint was ejected for it.
    pub(crate) fn failed(&self, choice: &mut Choice<'_>, now: Duration) -> bool {
        let endpoint = &choice.member.endpoint;
        let Some(outlier) = &self.outlier else {
            endpoint.load.observe(now, FAILED_TAKES);
            return false;
        };
        let name = endpoint.name();
        if let Some(trial) = choice.trial.take() {
            let seconds = trial.failed(now, outlier.first).as_secs();
            info!(
                upstream.endpoint = name,
                "Endpoint `{name}` still fails and stays out for {seconds} s"
            );
            return false;
        }
        if !endpoint.ejection.failed(outlier.consecutive_errors) {
            return false;
        }
        let ejecting = EJECTING.lock().unwrap_or_else(PoisonError::into_inner);
        let out = self
            .members
            .iter()
            .filter(|member| member.endpoint.ejection.is_out());
        if endpoint.ejection.is_out() || out.count() >= outlier.most_out {
            endpoint.load.observe(now, FAILED_TAKES);
            return false;
        }
        let seconds = endpoint.ejection.go_out(now, outlier.first).as_secs();
        drop(ejecting);
        outlier.probe.watch(endpoint);
        warn!(
            upstream.endpoint = name,
            "Endpoint `{name}` failed {} times in a row and gets no requests for {seconds} s",
            outlier.consecutive_errors
        );
        true
    }
}

#[cfg(test)]
mod tests;
