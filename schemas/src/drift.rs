//! Drift: what a gateway holds, compared with what was last applied and with what is desired.

mod overwritten;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

pub use self::overwritten::{Overwritten, overwritten};
use crate::{
    desired::DesiredApi,
    named::{self, Named},
    observed::{Observation, ObservedApi},
    pointer,
    revision::RevisionContent,
};

/// How a gateway stands to a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum DriftState {
    /// It holds what is desired, as far as fields are not ignored.
    InSync,
    /// It holds something else.
    Drifted,
    /// The gateway answered, and the API is not there.
    Missing,
    /// It is not known what it holds; nothing is changed on that account.
    Unknown,
}

/// One field of an API, three ways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DriftField {
    /// Where in the API's content, as a JSON Pointer.
    pub path: String,
    /// What was last applied there; absent if nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub applied: Option<Value>,
    /// What is desired there; absent if nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub desired: Option<Value>,
    /// What the gateway holds there; absent if nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub observed: Option<Value>,
    /// Whether both sides changed it, differently: nobody but a person decides which one holds.
    #[serde(default)]
    pub conflict: bool,
}

/// How a gateway stands to a deployment, field by field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// In a word.
    pub state: DriftState,
    /// The fields in which it drifted; empty unless `state` is `drifted`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<DriftField>,
    /// Why it is unknown or missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How a gateway stands to a deployment.
///
/// `applied` is what was last carried out there, `observation` the latest look: none if nobody looked. Fields that
/// `ignore` names (JSON Pointers, in which a step `*` stands for any) may differ, with everything below them.
pub fn drift(
    applied: Option<&RevisionContent>,
    desired: &DesiredApi,
    observation: Option<&Observation>,
    ignore: &[String],
) -> Drift {
    match observation {
        None => without_fields(DriftState::Unknown, Some(never_looked(desired))),
        Some(Observation::Unknown { reason }) => without_fields(DriftState::Unknown, Some(reason.clone())),
        Some(Observation::Absent) => without_fields(DriftState::Missing, Some(absent(desired))),
        Some(Observation::Present(api)) if api.fingerprint == desired.fingerprint => {
            without_fields(DriftState::InSync, None)
        }
        Some(Observation::Present(api)) => present(applied, desired, api, ignore),
    }
}

fn without_fields(state: DriftState, reason: Option<String>) -> Drift {
    Drift {
        state,
        fields: Vec::new(),
        reason,
    }
}

fn never_looked(desired: &DesiredApi) -> String {
    format!(
        "nobody has looked at `{}` since it was deployed; `gatehouse drift` looks",
        desired.mark.api_name
    )
}

fn absent(desired: &DesiredApi) -> String {
    format!(
        "the gateway answered, and `{}` is not there any more",
        desired.mark.api_name
    )
}

fn present(
    applied: Option<&RevisionContent>,
    desired: &DesiredApi,
    observed: &ObservedApi,
    ignore: &[String],
) -> Drift {
    let values = (
        applied.map(serde_json::to_value).transpose(),
        serde_json::to_value(&desired.content),
        serde_json::to_value(&observed.content),
    );
    let (Ok(applied), Ok(wanted), Ok(found)) = values else {
        let reason = "what was observed cannot be written as JSON".to_owned();
        return without_fields(DriftState::Unknown, Some(reason));
    };
    let mut fields = Vec::new();
    let sides = Sides {
        applied: applied.as_ref(),
        desired: Some(&wanted),
        observed: Some(&found),
    };
    compare("", sides, applied.is_some(), &mut fields);
    if fields.is_empty() {
        // The contents agree; the fingerprint also covers the mark and the versions of secrets.
        fields.push(whole(desired, observed));
    }
    let rules: Vec<Rule> = ignore.iter().map(|rule| Rule::of(rule)).collect();
    fields.retain(|field| !rules.iter().any(|rule| rule.covers(&field.path)));
    let state = if fields.is_empty() {
        DriftState::InSync
    } else {
        DriftState::Drifted
    };
    Drift {
        state,
        fields,
        reason: None,
    }
}

fn whole(desired: &DesiredApi, observed: &ObservedApi) -> DriftField {
    DriftField {
        path: String::new(),
        applied: None,
        desired: Some(Value::String(desired.fingerprint.to_string())),
        observed: Some(Value::String(observed.fingerprint.to_string())),
        conflict: false,
    }
}

/// One place, three ways.
#[derive(Clone, Copy)]
struct Sides<'a> {
    applied: Option<&'a Value>,
    desired: Option<&'a Value>,
    observed: Option<&'a Value>,
}

impl<'a> Sides<'a> {
    fn of(self, child: impl Fn(&'a Value) -> Option<&'a Value>) -> Self {
        Self {
            applied: self.applied.and_then(&child),
            desired: self.desired.and_then(&child),
            observed: self.observed.and_then(&child),
        }
    }
}

/// Goes down as far as both sides have the same kind of value; what differs there is one field.
fn compare(path: &str, sides: Sides<'_>, was_applied: bool, fields: &mut Vec<DriftField>) {
    match (sides.desired, sides.observed) {
        (desired, observed) if desired == observed => {}
        (Some(Value::Object(desired)), Some(Value::Object(observed))) => {
            let mut keys: Vec<&String> = desired.keys().chain(observed.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let place = pointer::join(path, key);
                compare(&place, sides.of(|value| value.get(key)), was_applied, fields);
            }
        }
        (Some(Value::Array(desired)), Some(Value::Array(observed))) => {
            let names = (named::numbered(desired), named::numbered(observed));
            let (Some(desired), Some(observed)) = names else {
                return fields.push(field(path, sides, was_applied));
            };
            let before = fields.len();
            compare_named(path, &desired, &observed, sides.applied, was_applied, fields);
            if fields.len() == before {
                // The same elements in another order.
                fields.push(field(path, sides, was_applied));
            }
        }
        _ => fields.push(field(path, sides, was_applied)),
    }
}

/// Elements belong together by name; their places are those in the desired list, else in the observed one.
fn compare_named(
    path: &str,
    desired: &Named<'_>,
    observed: &Named<'_>,
    applied: Option<&Value>,
    was_applied: bool,
    fields: &mut Vec<DriftField>,
) {
    let applied = applied
        .and_then(Value::as_array)
        .and_then(|list| named::numbered(list));
    let only_observed = observed.iter().filter(|(name, _)| desired.get(name).is_none());
    for (name, index) in desired.iter().chain(only_observed) {
        let sides = Sides {
            applied: applied.as_ref().and_then(|list| list.get(name)),
            desired: desired.get(name),
            observed: observed.get(name),
        };
        compare(&format!("{path}/{index}"), sides, was_applied, fields);
    }
}

fn field(path: &str, sides: Sides<'_>, was_applied: bool) -> DriftField {
    let both_changed = sides.applied != sides.desired && sides.applied != sides.observed;
    DriftField {
        path: path.to_owned(),
        applied: sides.applied.cloned(),
        desired: sides.desired.cloned(),
        observed: sides.observed.cloned(),
        conflict: was_applied && both_changed,
    }
}

/// Checks a rule that names fields which may differ: a JSON Pointer into an API's content, in which a step `*` stands
/// for any.
pub fn check_rule(rule: &str) -> Result<(), String> {
    let Some(steps) = rule.strip_prefix('/') else {
        return Err(format!(
            "`{rule}` is not a JSON Pointer; write it from `/`, like `/displayName` or `/operations/*/summary`"
        ));
    };
    if !pointer::is_escaped(steps) {
        return Err(format!(
            "`{rule}` has a `~` that is neither `~0` (for `~`) nor `~1` (for `/`)"
        ));
    }
    let first = steps.split('/').next().unwrap_or_default();
    if first == "*" || FIELDS.contains(&first) {
        return Ok(());
    }
    Err(format!(
        "an API's content has no field `{first}`; it has {}",
        FIELDS.map(|field| format!("`{field}`")).join(", ")
    ))
}

/// The fields of an API's content.
const FIELDS: [&str; 10] = [
    "displayName",
    "version",
    "type",
    "direction",
    "definition",
    "hostnames",
    "basePath",
    "upstreams",
    "policies",
    "operations",
];

/// A rule that names fields which may differ.
struct Rule<'a> {
    steps: Vec<&'a str>,
}

impl<'a> Rule<'a> {
    fn of(rule: &'a str) -> Self {
        Self {
            steps: rule.split('/').skip(1).collect(),
        }
    }

    /// Whether it names a place or something above it. A rule without a step names nothing.
    fn covers(&self, path: &str) -> bool {
        let steps: Vec<&str> = path.split('/').skip(1).collect();
        let agree = |(rule, step): (&&str, &&str)| *rule == "*" || rule == step;
        !self.steps.is_empty() && self.steps.len() <= steps.len() && self.steps.iter().zip(&steps).all(agree)
    }
}

#[cfg(test)]
mod tests;
