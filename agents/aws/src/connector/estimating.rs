//! How many calls of AWS a piece of work takes at most, by the names of its quotas. Each kind of API has calls of its own.

use gatehouse_connector_sdk::schemas::{
    diff::Change,
    plan::{Plan, PlanAction},
    quota::VendorCalls,
};
use serde_json::Value;

use super::wanting::Wanted;
use crate::{config::AwsSettings, quotas::CREATE_EDGE_API, translate::Kind};

/// How many settings of a stage are changed in one call, and how many beside the largest record.
const SETTINGS_IN_ONE_CALL: usize = 80;
const BESIDE_THE_RECORD: usize = 4;
/// What every deploy and every removal may take: looks at the stage.
const LOOKS: [(&str, u64); 3] = [("GetStage", 2), ("GetStages", 2), ("GetDeployments", 2)];
const LOOKS_AT_REST_APIS: [(&str, u64); 2] = [("GetRestApis", 4), ("GetRestApi", 3)];
const LOOKS_AT_HTTP_APIS: [(&str, u64); 2] = [("GetApis", 4), ("GetApi", 3)];
/// Reading what somebody changed.
const READ: [(&str, u64); 1] = [("GetStage", 1)];
/// What a domain name may take.
const DOMAIN: [(&str, u64); 4] = [
    ("GetApiMappings", 5),
    ("CreateApiMapping", 1),
    ("UpdateApiMapping", 1),
    ("DeleteApiMapping", 1),
];
/// Looks at callers with keys.
const KEYS: [(&str, u64); 4] = [
    ("GetUsagePlan", 4),
    ("GetUsagePlanKeys", 3),
    ("GetUsagePlans", 2),
    ("GetApiKeys", 3),
];

/// The calls of a deploy.
pub(super) fn deploy(settings: &AwsSettings, wanted: &Wanted, plan: Option<&Plan>) -> VendorCalls {
    let mut calls = looks(settings);
    let is_new = plan.is_none_or(|plan| plan.action == PlanAction::Create);
    add(&mut calls, &served(settings, wanted.kind, is_new));
    if settings.domain_name.is_some() {
        add(&mut calls, &DOMAIN);
    }
    if wanted.trust.is_some() {
        add(&mut calls, &[("GetDomainName", 3)]);
    }
    add(&mut calls, &[("UpdateStage", in_calls_of_their_own(wanted))]);
    if wanted.plan.is_some() {
        let keys = u64::try_from(wanted.keys.len()).unwrap_or(u64::MAX);
        add(&mut calls, &KEYS);
        add(&mut calls, &let_in(keys, is_new));
    }
    match plan.filter(|_| !is_new).map(former_keys).unwrap_or_default() {
        0 => {}
        former => add(&mut calls, &let_in_no_more(former, wanted.plan.is_none())),
    }
    calls
}

/// The calls that settings of a REST API's stage take which do not fit beside the record of what it serves.
fn in_calls_of_their_own(wanted: &Wanted) -> u64 {
    let count = match wanted.kind {
        Kind::Rest if wanted.settings.len() > BESIDE_THE_RECORD => wanted.settings.len(),
        _ => 0,
    };
    u64::try_from(count.div_ceil(SETTINGS_IN_ONE_CALL)).unwrap_or(u64::MAX)
}

/// What makes an API and its stage, or changes them.
fn served(settings: &AwsSettings, kind: Kind, is_new: bool) -> Vec<(&'static str, u64)> {
    let create = match (kind, settings.endpoint_type.as_str()) {
        (Kind::Http, _) => "ImportApi",
        (Kind::Rest, "edge") => CREATE_EDGE_API,
        (Kind::Rest, _) => "CreateRestApi",
    };
    let put = match kind {
        Kind::Rest => "PutRestApi",
        Kind::Http => "ReimportApi",
    };
    let mut calls = vec![(put, 1), ("CreateDeployment", 1), ("UpdateStage", 1)];
    match is_new {
        true => calls.extend([(create, 1), ("CreateStage", 1), ("DeleteDeployment", 1)]),
        false => {
            let export = match kind {
                Kind::Rest => "GetExport",
                Kind::Http => "ExportApi",
            };
            calls.extend(READ);
            calls.extend([(export, 1), ("TagResource", 1), ("DeleteDeployment", 3)]);
        }
    }
    if kind == Kind::Http {
        calls.push(("DeleteAccessLogSettings", 1));
    }
    // The API may be of the other kind so far.
    if !is_new && settings.kind == "auto" {
        calls.extend([(create, 1), ("CreateStage", 1), (removal_of(kind.other()), 1)]);
    }
    calls
}

fn removal_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Rest => "DeleteRestApi",
        Kind::Http => "DeleteApi",
    }
}

/// What lets callers with keys in.
fn let_in(keys: u64, is_new: bool) -> Vec<(&'static str, u64)> {
    let mut calls = vec![
        ("CreateUsagePlan", 1),
        ("CreateApiKey", keys),
        ("CreateUsagePlanKey", keys),
        ("GetApiKeys", keys),
    ];
    if !is_new {
        calls.extend([("UpdateUsagePlan", 1), ("UpdateApiKey", keys)]);
    }
    calls
}

/// How many keys the API may have that it will not have any more: a key is a version of a secret.
fn former_keys(plan: &Plan) -> u64 {
    let former = |change: &Change| match (&change.before, change.path.starts_with("/secrets/")) {
        (_, true) => 1,
        (Some(_), false) if change.path.ends_with("/secretRef") => 1,
        (Some(before), false) => secrets(before),
        (None, false) => 0,
    };
    plan.changes.iter().map(former).sum()
}

/// How many secrets a value names.
fn secrets(value: &Value) -> u64 {
    match value {
        Value::Object(fields) => {
            let own = u64::from(fields.contains_key("secretRef"));
            own + fields.values().map(secrets).sum::<u64>()
        }
        Value::Array(items) => items.iter().map(secrets).sum(),
        _ => 0,
    }
}

/// What takes keys out, and removes the plan if nobody else is let in.
fn let_in_no_more(keys: u64, with_plan: bool) -> Vec<(&'static str, u64)> {
    let mut calls = vec![
        ("DeleteUsagePlanKey", keys),
        ("GetUsagePlans", keys),
        ("DeleteApiKey", keys),
    ];
    if with_plan {
        let looks = [("GetUsagePlan", 4), ("GetUsagePlanKeys", 1)];
        calls.extend(looks);
        calls.extend([("UpdateUsagePlan", 1), ("DeleteUsagePlan", 1)]);
    }
    calls
}

/// The calls of a removal. What is removed is not known.
pub(super) fn removal(settings: &AwsSettings) -> VendorCalls {
    let mut calls = looks(settings);
    if may_be(settings, Kind::Rest) {
        add(&mut calls, &KEYS);
        add(
            &mut calls,
            &[
                ("UpdateUsagePlan", 1),
                ("DeleteUsagePlan", 1),
                ("DeleteApiKey", 1),
            ],
        );
    }
    for kind in [Kind::Rest, Kind::Http] {
        if may_be(settings, kind) {
            add(&mut calls, &[(removal_of(kind), 1)]);
        }
    }
    if settings.domain_name.is_some() {
        add(&mut calls, &DOMAIN);
    }
    add(&mut calls, &[("DeleteStage", 1)]);
    calls
}

fn looks(settings: &AwsSettings) -> VendorCalls {
    let mut calls = VendorCalls::new();
    add(&mut calls, &LOOKS);
    if may_be(settings, Kind::Rest) {
        add(&mut calls, &LOOKS_AT_REST_APIS);
    }
    if may_be(settings, Kind::Http) {
        add(&mut calls, &LOOKS_AT_HTTP_APIS);
    }
    calls
}

/// Whether an API of the environment may be of a kind.
fn may_be(settings: &AwsSettings, kind: Kind) -> bool {
    let other = match kind {
        Kind::Rest => "http",
        Kind::Http => "rest",
    };
    settings.kind != other
}

fn add(calls: &mut VendorCalls, table: &[(&str, u64)]) {
    for (operation, count) in table {
        *calls.entry((*operation).to_owned()).or_default() += count;
    }
}

#[cfg(test)]
mod tests;
