//! Resource policies: whether an address may call, and by which endpoint.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use crate::faults::fits;

/// Where a call comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) address: IpAddr,
    /// The interface endpoint of a private network, if it comes by one.
    pub(crate) endpoint: Option<&'a str>,
}

/// Whether a policy lets somebody without credentials call a resource. What is not allowed is denied.
pub(crate) fn allows(policy: &Value, resource: &str, source: Source<'_>) -> bool {
    let statements = list(&policy["Statement"]);
    let applies = |effect: &str| {
        statements.iter().any(|one| {
            one["Effect"] == effect
                && everybody(&one["Principal"])
                && names(&one["Action"], "execute-api:Invoke")
                && names(&one["Resource"], resource)
                && holds(&one["Condition"], source)
        })
    };
    !applies("Deny") && applies("Allow")
}

fn everybody(principal: &Value) -> bool {
    *principal == "*" || list(&principal["AWS"]).iter().any(|one| **one == "*")
}

fn names(patterns: &Value, text: &str) -> bool {
    let mut patterns = list(patterns).into_iter().filter_map(Value::as_str);
    patterns
        .any(|pattern| fits(pattern, text) || pattern.strip_suffix("Invoke").is_some_and(|_| pattern == text))
}

/// All conditions are on addresses and endpoints; one of another kind never holds.
fn holds(condition: &Value, source: Source<'_>) -> bool {
    let Some(operators) = condition.as_object() else {
        return true;
    };
    operators.iter().all(|(operator, keys)| {
        let keys = keys.as_object().into_iter().flatten();
        let mut each = keys.map(
            |(key, ranges)| match (operator.as_str(), key.to_lowercase().as_str()) {
                ("IpAddress", "aws:sourceip") => source.endpoint.is_none() && within(ranges, source.address),
                ("NotIpAddress", "aws:sourceip") => {
                    source.endpoint.is_some() || !within(ranges, source.address)
                }
                ("IpAddress", "aws:vpcsourceip") => {
                    source.endpoint.is_some() && within(ranges, source.address)
                }
                ("NotIpAddress", "aws:vpcsourceip") => {
                    source.endpoint.is_none() || !within(ranges, source.address)
                }
                ("StringEquals", "aws:sourcevpce") => is_one(ranges, source.endpoint),
                ("StringNotEquals", "aws:sourcevpce") => !is_one(ranges, source.endpoint),
                _ => false,
            },
        );
        each.all(|holds| holds)
    })
}

fn is_one(names: &Value, endpoint: Option<&str>) -> bool {
    let mut names = list(names).into_iter().filter_map(Value::as_str);
    endpoint.is_some_and(|endpoint| names.any(|name| name == endpoint))
}

fn within(ranges: &Value, address: IpAddr) -> bool {
    let mut ranges = list(ranges).into_iter().filter_map(Value::as_str);
    ranges.any(|range| {
        let net = range.parse::<IpNet>().ok();
        let one = || range.parse::<IpAddr>().ok().map(IpNet::from);
        net.or_else(one).is_some_and(|net| net.contains(&address))
    })
}

fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(statements: Value, address: &str, expected: bool) {
        let policy = json!({ "Statement": statements });
        let resource = "arn:aws:execute-api:eu-central-1:111111111111:abc/prod/GET/pets";
        let source = Source {
            address: address.parse().unwrap(),
            endpoint: None,
        };
        assert_eq!(allows(&policy, resource, source), expected, "{policy}");
    }

    fn statement(effect: &str, condition: Value) -> Value {
        let arn = "arn:aws:execute-api:eu-central-1:111111111111:abc/*";
        json!({
            "Effect": effect, "Principal": "*", "Action": "execute-api:Invoke", "Resource": arn, "Condition": condition,
        })
    }

    #[test]
    fn an_address_is_allowed_where_nothing_denies_it() {
        let everybody = statement("Allow", Value::Null);
        let office = json!({"NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8", "127.0.0.1"]}});
        let denied = json!([everybody, statement("Deny", office)]);
        check(denied.clone(), "10.1.2.3", true);
        check(denied.clone(), "127.0.0.1", true);
        check(denied, "192.0.2.1", false);
        let only = statement("Allow", json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}));
        check(only.clone(), "10.1.2.3", true);
        check(only, "192.0.2.1", false);
        check(json!([]), "10.1.2.3", false);
    }

    #[test]
    fn a_condition_of_another_kind_never_holds() {
        let vpc = json!({"StringEquals": {"aws:SourceVpc": "vpc-1"}});
        check(statement("Allow", vpc), "10.1.2.3", false);
    }

    #[test]
    fn an_endpoint_is_told_from_others_and_from_none() {
        let elsewhere = json!({"StringNotEquals": {"aws:SourceVpce": ["vpce-1"]}});
        let far = json!({"NotIpAddress": {"aws:VpcSourceIp": ["10.0.0.0/8"]}});
        let everybody = statement("Allow", Value::Null);
        let policy = json!({"Statement": [everybody, statement("Deny", elsewhere), statement("Deny", far)]});
        let resource = "arn:aws:execute-api:eu-central-1:111111111111:abc/prod/GET/pets";
        let table = [
            (Some("vpce-1"), "10.1.2.3", true),
            (Some("vpce-1"), "192.0.2.1", false),
            (Some("vpce-2"), "10.1.2.3", false),
            (None, "10.1.2.3", false),
        ];
        for (endpoint, address, expected) in table {
            let address = address.parse().unwrap();
            let source = Source { address, endpoint };
            assert_eq!(allows(&policy, resource, source), expected, "{source:?}");
        }
    }
}
