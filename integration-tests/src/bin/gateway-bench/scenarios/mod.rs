//! What is measured: a small file for each scenario, and the list of them.

mod certificates;
mod churn;
mod deploys;
mod extensions;
mod many_routes;
mod one_host;
mod pass_through;
mod policies;
mod protocols;
mod restart;
mod route_flips;
mod route_probe;
mod side_by_side;
mod starts;
mod streams;
mod upstream_flip;

use anyhow::bail;

use crate::figures::Outcome;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// Seconds of each measurement, if the scenario's own number is not to hold.
    pub(crate) seconds: Option<u32>,
    pub(crate) rounds: usize,
    /// Percent of the usual counts.
    pub(crate) share: u32,
}

impl Effort {
    pub(crate) fn seconds_or(&self, usual: u32) -> u32 {
        self.seconds.unwrap_or(usual).max(1)
    }

    /// So many, or the chosen share of them.
    pub(crate) fn of(&self, count: usize) -> usize {
        (count * self.share as usize / 100).max(1)
    }
}

/// One scenario.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
}

/// All scenarios, in the order in which they run.
pub(crate) const ALL: &[Scenario] = &[
    Scenario {
        name: "pass-through",
        about: "CPU per request beside nginx, HAProxy and Envoy, HTTP/1.1",
    },
    Scenario {
        name: "protocols",
        about: "the same with HTTP/2 and TLS towards the caller",
    },
    Scenario {
        name: "policies",
        about: "keys or tokens, limits and headers, beside Envoy without any",
    },
    Scenario {
        name: "extensions",
        about: "CPU per request of exported traces and of a policy module",
    },
    Scenario {
        name: "route-probe",
        about: "3,000 routes added one by one, from 404 to 200",
    },
    Scenario {
        name: "route-flips",
        about: "1,000 changes of one route under load",
    },
    Scenario {
        name: "churn",
        about: "5,000 routes, one change of configuration and one of an endpoint each second",
    },
    Scenario {
        name: "many-routes",
        about: "50,000 routes: what a lookup and a change take",
    },
    Scenario {
        name: "one-host",
        about: "5,000 routes on one host: the last beside the first",
    },
    Scenario {
        name: "restart",
        about: "kill -9 and restart without a control plane, 5,000 routes",
    },
    Scenario {
        name: "upstream-flip",
        about: "four endpoints, one resets its connections, no retries",
    },
    Scenario {
        name: "certificates",
        about: "2,500 certificates and 40,000 routes",
    },
    Scenario {
        name: "streams",
        about: "server-sent events and WebSockets across 1,000 changes, then drain",
    },
    Scenario {
        name: "start",
        about: "start and memory of `gatehouse serve`",
    },
    Scenario {
        name: "deploy",
        about: "from sending a deploy to the first answer, control plane and agent included",
    },
];

/// Prints the list.
pub(crate) fn list() {
    for scenario in ALL {
        println!("{:<14} {}", scenario.name, scenario.about);
    }
}

/// Measures one.
pub(crate) async fn measure(name: &str, effort: &Effort) -> anyhow::Result<Outcome> {
    match name {
        "pass-through" => pass_through::measure(effort).await,
        "protocols" => protocols::measure(effort).await,
        "policies" => policies::measure(effort).await,
        "extensions" => extensions::measure(effort).await,
        "route-probe" => route_probe::measure(effort).await,
        "route-flips" => route_flips::measure(effort).await,
        "churn" => churn::measure(effort).await,
        "many-routes" => many_routes::measure(effort).await,
        "one-host" => one_host::measure(effort).await,
        "restart" => restart::measure(effort).await,
        "upstream-flip" => upstream_flip::measure(effort).await,
        "certificates" => certificates::measure(effort).await,
        "streams" => streams::measure(effort).await,
        "start" => starts::measure(effort).await,
        "deploy" => deploys::measure(effort).await,
        unknown => bail!("there is no scenario `{unknown}`"),
    }
}
