//! Routes with methods, hosts, headers and paths, as conditions with a priority.
//!
//! Taken from `kong/router/transform.lua` of Kong 3.9 (`traditional_compatible`): a route is tried once per path, a route
//! with more attributes comes first, then one with plain hosts only, with more headers, with a regular expression by its
//! `regex_priority`, with a longer path.

use regex::Regex;
use serde_json::Value;

use super::expression::{Expression, Predicate, Test};
use super::subject::Field;
use crate::configuration::Entity;

/// A condition with the place that it is tried at: higher ones first.
pub(crate) type Ranked = (u64, Expression);

/// The conditions of a route, one per path; a path that cannot be compiled gives none, as in Kong, which logs it.
pub(crate) fn conditions(route: &Entity) -> Vec<Ranked> {
    let paths = strings(route.get("paths"));
    if paths.is_empty() {
        return vec![(priority(route, None), Expression::All(attributes(route)))];
    }
    let compiled = paths
        .iter()
        .filter_map(|path| Some((path, path_expression(path)?)));
    compiled
        .map(|(path, expression)| {
            let mut parts = attributes(route);
            parts.push(expression);
            (priority(route, Some(path)), Expression::All(parts))
        })
        .collect()
}

/// The strings of an array that may be null.
pub(crate) fn strings(value: Option<&Value>) -> Vec<String> {
    let all = value.and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

fn attributes(route: &Entity) -> Vec<Expression> {
    let methods = strings(route.get("methods"));
    let methods = methods
        .into_iter()
        .map(|method| predicate(Field::Method, Test::Equals(method)));
    let hosts = strings(route.get("hosts"));
    let hosts = hosts.iter().map(|host| host_expression(host));
    let mut parts = Vec::new();
    parts.extend(any_of(methods.collect()));
    parts.extend(any_of(hosts.collect()));
    let headers = route
        .get("headers")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    parts.extend(headers.filter_map(|(name, values)| any_of(header_values(name, values))));
    parts
}

fn predicate(field: Field, test: Test) -> Expression {
    Expression::Predicate(Predicate::new(field, test))
}

fn any_of(parts: Vec<Expression>) -> Option<Expression> {
    (!parts.is_empty()).then_some(Expression::Any(parts))
}

fn host_expression(host: &str) -> Expression {
    let host = host.to_lowercase();
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => (name.to_owned(), Some(port.to_owned())),
        _ => (host, None),
    };
    let test = match (name.strip_prefix('*'), name.strip_suffix('*')) {
        (Some(end), _) => Test::Postfix(end.to_owned()),
        (None, Some(start)) => Test::Prefix(start.to_owned()),
        (None, None) => Test::Equals(name),
    };
    let mut parts = vec![predicate(Field::Host, test)];
    parts.extend(port.map(|port| predicate(Field::Port, Test::Equals(port))));
    Expression::All(parts)
}

fn header_values(name: &str, values: &Value) -> Vec<Expression> {
    let field = Field::Header(name.to_lowercase().replace('-', "_"));
    let values = strings(Some(values)).into_iter();
    let tests = values.filter_map(|value| match value.to_lowercase().strip_prefix("~*") {
        Some(pattern) => Regex::new(pattern).ok().map(Test::Regex),
        None => Some(Test::Equals(value.to_lowercase())),
    });
    let any = |test| {
        Expression::Predicate(Predicate {
            field: field.clone(),
            lower: true,
            any: true,
            test,
        })
    };
    tests.map(any).collect()
}

fn path_expression(path: &str) -> Option<Expression> {
    let test = match path.strip_prefix('~') {
        Some(pattern) => Test::Regex(Regex::new(&format!("^{pattern}")).ok()?),
        None => Test::Prefix(path.to_owned()),
    };
    Some(predicate(Field::Path, test))
}

fn priority(route: &Entity, path: Option<&str>) -> u64 {
    let hosts = strings(route.get("hosts"));
    let filled = |name| !strings(route.get(name)).is_empty();
    let headers = route
        .get("headers")
        .and_then(Value::as_object)
        .map_or(0, |headers| headers.len().min(255));
    let attributes = [
        filled("methods"),
        filled("hosts"),
        headers > 0,
        filled("snis"),
        path.is_some(),
    ];
    let weight = attributes.into_iter().filter(|filled| *filled).count() as u64;
    let plain = !hosts.is_empty() && hosts.iter().all(|host| !host.contains('*'));
    let regex = path.is_some_and(|path| path.starts_with('~'));
    let regex_priority = route.get("regex_priority").and_then(Value::as_u64).unwrap_or(0);
    let length = path.filter(|_| !regex).map_or(0, str::len) as u64;
    (weight << 61)
        | (u64::from(plain) << 60)
        | ((headers as u64) << 52)
        | (u64::from(regex) << 51)
        | (if regex { regex_priority << 19 } else { 0 })
        | (length & 0x7FFFF)
}
