//! What AWS does with requests, in canonical words where these say it.

pub(super) mod addresses;
pub(super) mod answers;
pub(super) mod browsers;
mod callers;
pub(super) mod certificates;
mod checks;
pub(super) mod limits;
mod tokens;

use gatehouse_connector_sdk::schemas::{
    policy::{HeadersPolicy, Policy, TimeoutPolicy},
    revision::RevisionContent,
};
use serde_json::{Map, Value};

use super::{integration::Integrated, methods::Method, native, snapshot::Snapshot};

/// What reading needs to know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'r> {
    pub(super) snapshot: &'r Snapshot,
    /// What was applied, if we know: it says what AWS cannot.
    pub(super) recorded: Option<&'r RevisionContent>,
}

impl<'r> Reading<'r> {
    /// Every policy of what was applied.
    fn recorded_policies(self) -> impl Iterator<Item = &'r Policy> {
        self.recorded.into_iter().flat_map(|content| {
            let of_operations = content
                .operations
                .iter()
                .flat_map(|operation| &operation.policies);
            content.policies.iter().chain(of_operations)
        })
    }
}

/// Extensions of a method that are read elsewhere or say nothing.
const READ: [&str; 4] = ["integration", "request-validator", "auth", "authtype"];

/// What holds for a method, in a fixed order.
pub(super) fn of_method(
    reading: Reading<'_>,
    method: &Method<'_>,
    integrated: &Integrated,
    notes: &mut Vec<String>,
) -> Vec<Policy> {
    let mut policies = callers::callers(reading, method, notes);
    policies.extend(checks::validated(method, notes));
    policies.extend(limits::of_method(reading.snapshot, method, notes));
    policies.extend(answers::cached(reading.snapshot, method, notes));
    if !integrated.headers.is_empty() {
        let request = integrated.headers.clone();
        policies.push(Policy::Headers(HeadersPolicy {
            request,
            ..HeadersPolicy::default()
        }));
    }
    policies.extend(native::integration(&integrated.native));
    let others = others(method);
    if !others.is_empty() {
        let names: Vec<String> = others.keys().map(|name| format!("`{name}`")).collect();
        notes.push(format!(
            "{}: {} kept as a `native` policy",
            method.title(),
            names.join(", ")
        ));
        policies.extend(native::policy("operation", Value::Object(others)));
    }
    policies.iter().map(Policy::canonical).collect()
}

fn others(method: &Method<'_>) -> Map<String, Value> {
    let extensions = method.fields.iter().filter_map(|(field, value)| {
        let name = field.strip_prefix("x-amazon-apigateway-")?;
        (!READ.contains(&name)).then(|| (field.clone(), value.clone()))
    });
    extensions.collect()
}

/// A time that is shorter than the upstream's.
pub(super) fn timeout(milliseconds: u32) -> Policy {
    Policy::Timeout(TimeoutPolicy {
        response_ms: milliseconds,
    })
}

/// A fragment for one operation, with a note of what it is about and why.
fn kept(
    method: &Method<'_>,
    (what, field, value): (&str, &str, Value),
    reason: &str,
    notes: &mut Vec<String>,
) -> Option<Policy> {
    notes.push(format!(
        "{}: {what} is kept as a `native` policy: {reason}",
        method.title()
    ));
    native::policy(field, value)
}
