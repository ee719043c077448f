//! How many calls of AWS a piece of work takes at most, by the names of its quotas.

use gatehouse_connector_sdk::schemas::{
    plan::{Plan, PlanAction},
    quota::VendorCalls,
};

use super::wanting::Wanted;
use crate::{config::AwsSettings, quotas::CREATE_EDGE_API};

/// What every deploy and every removal may take: looks.
const LOOKS: [(&str, u64); 8] = [
    ("GetApis", 4),
    ("GetApi", 3),
    ("GetApiMappings", 4),
    ("GetRestApis", 4),
    ("GetRestApi", 3),
    ("GetStage", 2),
    ("GetDeployments", 1),
    ("GetStages", 2),
];
/// What callers with keys may take in addition, besides what each key takes.
const PLAN: [(&str, u64); 6] = [
    ("GetUsagePlan", 4),
    ("GetUsagePlanKeys", 3),
    ("GetUsagePlans", 2),
    ("GetApiKeys", 2),
    ("CreateUsagePlan", 1),
    ("UpdateUsagePlan", 2),
];

/// The calls of a deploy.
pub(super) fn deploy(settings: &AwsSettings, wanted: &Wanted, plan: Option<&Plan>) -> VendorCalls {
    let mut calls = counted(&LOOKS);
    let creates = plan.is_none_or(|plan| plan.action == PlanAction::Create);
    let create = match settings.endpoint_type.as_str() {
        "edge" => CREATE_EDGE_API,
        _ => "CreateRestApi",
    };
    if creates {
        add(
            &mut calls,
            &[
                (create, 1),
                ("ImportApi", 1),
                ("DeleteRestApi", 1),
                ("DeleteApi", 1),
            ],
        );
    }
    add(
        &mut calls,
        &[
            ("TagResource", 1),
            ("PutRestApi", 1),
            ("ReimportApi", 1),
            ("CreateApiMapping", 1),
            ("DeleteApiMapping", 1),
            ("CreateDeployment", 1),
            ("CreateStage", 1),
            ("UpdateStage", 2),
            ("DeleteDeployment", 3),
        ],
    );
    if wanted.plan.is_some() {
        let keys = u64::try_from(wanted.keys.len()).unwrap_or(u64::MAX);
        add(&mut calls, &PLAN);
        let each = [
            ("CreateApiKey", keys),
            ("CreateUsagePlanKey", keys),
            ("GetApiKeys", keys),
            ("DeleteUsagePlanKey", keys),
            ("GetUsagePlans", keys),
            ("DeleteApiKey", keys),
        ];
        add(&mut calls, &each);
    }
    calls
}

/// The calls of a removal.
pub(super) fn removal() -> VendorCalls {
    let mut calls = counted(&LOOKS);
    add(&mut calls, &PLAN[..4]);
    let removals = [
        ("DeleteRestApi", 1),
        ("DeleteApi", 1),
        ("DeleteApiMapping", 1),
        ("DeleteStage", 1),
        ("UpdateUsagePlan", 1),
        ("DeleteUsagePlan", 1),
        ("DeleteApiKey", 1),
    ];
    add(&mut calls, &removals);
    calls
}

fn counted(table: &[(&str, u64)]) -> VendorCalls {
    let mut calls = VendorCalls::new();
    add(&mut calls, table);
    calls
}

fn add(calls: &mut VendorCalls, table: &[(&str, u64)]) {
    for (operation, count) in table {
        *calls.entry((*operation).to_owned()).or_default() += count;
    }
}
