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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn issues(fields: Value) -> Vec<String> {
        let mut operation = json!({"match": {"method": "GET", "path": "/"}});
        for (field, value) in fields.as_object().expect("fields") {
            operation[field] = value.clone();
        }
        let operation = serde_json::from_value(operation).expect("an operation");
        traffic(&operation, "").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn shares_weigh_something_and_copies_are_few() {
        let share = |weight: u32| json!({"upstream": "main", "weight": weight});
        let mirror = json!({"upstream": "main", "perMillion": 1_000_001});
        assert_eq!(
            issues(
                json!({"traffic": {"split": [share(1)], "sticky": {"cookie": "id"}, "mirror": [{"upstream": "a"}]}})
            ),
            Vec::<String>::new()
        );
        assert_eq!(
            issues(json!({"upstream": "a", "traffic": {"split": [share(0)], "mirror": [mirror]}})),
            [
                "/traffic/split: takes the place of `upstream`; leave one of the two out",
                "/traffic/split: at least one weight must be more than 0",
                "/traffic/mirror/0/perMillion: a share from 0 to 1000000, which is every request",
            ]
        );
        assert_eq!(
            issues(json!({"traffic": {"sticky": {"header": "a b"}}})),
            [
                "/traffic/sticky: needs a `split` to be sticky to",
                "/traffic/sticky: `a b` is not a header name: use letters, digits and `-`",
            ]
        );
    }
}
