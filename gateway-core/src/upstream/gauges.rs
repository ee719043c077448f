//! How many endpoints of each API are in use and how many are not: gauges whose number is bounded by that of APIs.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use super::{Member, Upstream};
use crate::metrics::escaped;

const NAME: &str = "gatehouse_gateway_upstream_endpoints";

/// How an endpoint stands, as the label says it.
const STATES: [&str; 3] = ["available", "ejected", "unhealthy"];

/// The gauges of APIs with their upstreams, in Prometheus' text format. APIs whose upstreams have one endpoint without a
/// check have none.
pub(crate) fn text<'a>(apis: impl Iterator<Item = (&'a str, &'a [Arc<Upstream>])>) -> String {
    let mut counts: BTreeMap<&str, [usize; STATES.len()]> = BTreeMap::new();
    for (name, upstreams) in apis {
        for member in upstreams.iter().flat_map(|upstream| watched(upstream)) {
            counts.entry(name).or_default()[state(member)] += 1;
        }
    }
    let mut text = format!("# HELP {NAME} Endpoints of upstreams by state.\n# TYPE {NAME} gauge\n");
    for (name, counts) in counts {
        for (state, count) in STATES.iter().zip(counts) {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{NAME}{{api=\"{}\",state=\"{state}\"}} {count}",
                escaped(name)
            );
        }
    }
    text
}

fn watched(upstream: &Upstream) -> &[Member] {
    let several = upstream.members.len() > 1;
    match several || upstream.first.is_checked() {
        true => &upstream.members,
        false => &[],
    }
}

/// The place of its state in [`STATES`].
fn state(member: &Member) -> usize {
    match (member.is_healthy(), member.endpoint.ejection.is_out()) {
        (true, false) => 0,
        (true, true) => 1,
        (false, _) => 2,
    }
}
