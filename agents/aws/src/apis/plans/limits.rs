//! The limits of a usage plan, in AWS's words and in ours, and what turns the held ones into the wanted ones.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_apigateway::types::{
    ApiStage, Op, PatchOperation, QuotaPeriodType, QuotaSettings, ThrottleSettings,
};

use super::{Plan, named};
use crate::translate::{Quota, Throttle, UsagePlan};

pub(super) fn throttle(throttle: Throttle) -> ThrottleSettings {
    let settings = ThrottleSettings::builder().rate_limit(throttle.rate);
    let burst = i32::try_from(throttle.burst).unwrap_or(i32::MAX);
    settings.burst_limit(burst).build()
}

pub(super) fn throttles(methods: &BTreeMap<String, Throttle>) -> Option<HashMap<String, ThrottleSettings>> {
    let each = methods
        .iter()
        .map(|(method, each)| (method.clone(), throttle(*each)));
    (!methods.is_empty()).then(|| each.collect())
}

pub(super) fn quota(quota: &Quota) -> QuotaSettings {
    let settings = QuotaSettings::builder().limit(quota.limit);
    settings
        .period(QuotaPeriodType::from(quota.period.as_str()))
        .build()
}

fn throttle_of(settings: &ThrottleSettings) -> Throttle {
    Throttle {
        rate: settings.rate_limit,
        burst: u32::try_from(settings.burst_limit).unwrap_or_default(),
    }
}

pub(super) fn limits(
    throttle: Option<ThrottleSettings>,
    quota: Option<QuotaSettings>,
    stages: &[ApiStage],
    stage: &str,
) -> UsagePlan {
    let own = stages.iter().find(|covered| named(covered) == stage);
    let methods = own.and_then(ApiStage::throttle).into_iter().flatten();
    UsagePlan {
        throttle: throttle.as_ref().map(throttle_of),
        quota: quota.map(|quota| Quota {
            limit: quota.limit,
            period: quota
                .period
                .map_or(String::new(), |period| period.as_str().to_owned()),
        }),
        methods: methods
            .map(|(method, settings)| (method.clone(), throttle_of(settings)))
            .collect(),
    }
}

/// What turns a plan as it is held into one that lets in to the stage with the wanted limits. Empty if it is so.
pub(super) fn patches(held: &Plan, stage: &str, wanted: &UsagePlan) -> Vec<PatchOperation> {
    let mut patches = Vec::new();
    if !held.stages.iter().any(|covered| covered == stage) {
        patches.push(patch(Op::Add, "/apiStages", Some(stage.to_owned())));
    }
    patches.extend(of_throttle(held.limits.throttle, wanted.throttle));
    patches.extend(of_quota(held.limits.quota.as_ref(), wanted.quota.as_ref()));
    patches.extend(of_methods(&held.limits.methods, &wanted.methods, stage));
    patches
}

fn patch(op: Op, path: &str, value: Option<String>) -> PatchOperation {
    let patch = PatchOperation::builder().op(op).path(path);
    patch.set_value(value).build()
}

fn of_throttle(held: Option<Throttle>, wanted: Option<Throttle>) -> Vec<PatchOperation> {
    match wanted {
        wanted if held == wanted => Vec::new(),
        None => vec![patch(Op::Remove, "/throttle", None)],
        Some(throttle) => both("/throttle", throttle).into(),
    }
}

/// The two numbers of a throttle below a path.
fn both(path: &str, throttle: Throttle) -> [PatchOperation; 2] {
    let numbers = [
        ("rateLimit", throttle.rate.to_string()),
        ("burstLimit", throttle.burst.to_string()),
    ];
    numbers.map(|(name, number)| patch(Op::Replace, &format!("{path}/{name}"), Some(number)))
}

fn of_quota(held: Option<&Quota>, wanted: Option<&Quota>) -> Vec<PatchOperation> {
    match wanted {
        wanted if held == wanted => Vec::new(),
        None => vec![patch(Op::Remove, "/quota", None)],
        Some(quota) => vec![
            patch(Op::Replace, "/quota/limit", Some(quota.limit.to_string())),
            patch(Op::Replace, "/quota/period", Some(quota.period.clone())),
        ],
    }
}

fn of_methods(
    held: &BTreeMap<String, Throttle>,
    wanted: &BTreeMap<String, Throttle>,
    stage: &str,
) -> Vec<PatchOperation> {
    // The method's own path keeps its slashes: `/apiStages/a1:live/throttle//pets/GET`.
    let path = |method: &String| format!("/apiStages/{stage}/throttle/{method}");
    let gone = held.keys().filter(|method| !wanted.contains_key(*method));
    let gone = gone.map(|method| patch(Op::Remove, &path(method), None));
    let is_changed = |(method, throttle): &(&String, &Throttle)| held.get(*method) != Some(*throttle);
    let changed = wanted.iter().filter(is_changed);
    let changed = changed.flat_map(|(method, throttle)| both(&path(method), *throttle));
    gone.chain(changed).collect()
}
