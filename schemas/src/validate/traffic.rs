//! The rules of how requests are spread over upstreams.

use super::headers;
use crate::{
    api::{EVERY_REQUEST, OperationSpec, Sticky},
    issue::Issue,
};

/// The largest weight, so that the sum of all stays small.
const WEIGHT_MAX: u32 = 1_000_000;
/// More copies than these would multiply what a gateway sends.
const MIRRORS_MAX: usize = 4;
/// More shares than these are another gateway's job.
const SHARES_MAX: usize = 64;

/// Everything that is wrong with the traffic of an operation, its upstreams' names aside.
pub(super) fn traffic(operation: &OperationSpec, at: &str) -> Vec<Issue> {
    let mut issues = Vec::new();
    let Some(traffic) = &operation.traffic else {
        return issues;
    };
    let at = format!("{at}/traffic");
    let mut say = |place: &str, detail: &str| issues.push(Issue::new(format!("{at}/{place}"), detail));
    if !traffic.split.is_empty() && operation.upstream.is_some() {
        say("split", "takes the place of `upstream`; leave one of the two out");
    }
    if traffic.split.len() > SHARES_MAX {
        say("split", "at most 64 upstreams share requests");
    }
    if traffic.mirror.len() > MIRRORS_MAX {
        say("mirror", "at most 4 upstreams get copies");
    }
    if !traffic.split.is_empty() && traffic.split.iter().all(|share| share.weight == 0) {
        say("split", "at least one weight must be more than 0");
    }
    for (index, share) in traffic.split.iter().enumerate() {
        if share.weight > WEIGHT_MAX {
            say(&format!("split/{index}/weight"), "a weight from 0 to 1000000");
        }
    }
    for (index, mirror) in traffic.mirror.iter().enumerate() {
        if mirror.per_million > EVERY_REQUEST {
            say(
                &format!("mirror/{index}/perMillion"),
                "a share from 0 to 1000000, which is every request",
            );
        }
    }
    if traffic.sticky.is_some() && traffic.split.is_empty() {
        say("sticky", "needs a `split` to be sticky to");
    }
    let sticky = match &traffic.sticky {
        Some(Sticky::Header(name) | Sticky::Cookie(name)) => headers::name(name),
        None => Ok(()),
    };
    if let Err(detail) = sticky {
        say("sticky", &detail);
    }
    for (index, share) in traffic.split.iter().enumerate() {
        headers::changes(
            &share.headers,
            &format!("{at}/split/{index}/headers"),
            &mut issues,
        );
    }
    issues
}
