//! API keys, and the usage plan that lets them in to a stage.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_apigateway::types::{
    ApiStage, Op, PatchOperation, QuotaPeriodType, QuotaSettings, ThrottleSettings,
};
use gatehouse_connector_sdk::error::{ErrorKind, Result};
use secrecy::{ExposeSecret as _, SecretString};

use super::unless_missing;
use crate::{
    client::Account,
    translate::{Quota, Throttle, UsagePlan},
};

const LONGEST_PAGE: i32 = 500;

/// A usage plan as it is held.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Plan {
    pub(crate) id: String,
    pub(crate) tags: HashMap<String, String>,
    /// The stages that it lets in to, as `api:stage`.
    pub(crate) stages: Vec<String>,
    pub(crate) limits: UsagePlan,
}

/// Keys and usage plans of an account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plans<'a> {
    pub(crate) account: &'a Account<'a>,
    /// What it is about, for messages.
    pub(crate) object: &'a str,
}

impl Plans<'_> {
    /// One usage plan, if it is there.
    pub(crate) async fn get(&self, id: &str, stage: &str) -> Result<Option<Plan>> {
        let found = self
            .account
            .call("GetUsagePlan", self.object, |clients| {
                clients.rest.get_usage_plan().usage_plan_id(id).send()
            })
            .await;
        Ok(unless_missing(found)?.map(|found| {
            let stages = found.api_stages.unwrap_or_default();
            Plan {
                id: found.id.unwrap_or_default(),
                tags: found.tags.unwrap_or_default(),
                limits: limits(found.throttle, found.quota, &stages, stage),
                stages: stages.iter().map(named).collect(),
            }
        }))
    }

    /// Every usage plan.
    pub(crate) async fn list(&self) -> Result<Vec<Plan>> {
        self.list_with(None).await
    }

    /// Whether any usage plan lets a key in.
    pub(crate) async fn lets_in(&self, key: &str) -> Result<bool> {
        Ok(!self.list_with(Some(key)).await?.is_empty())
    }

    async fn list_with(&self, key: Option<&str>) -> Result<Vec<Plan>> {
        let mut all = Vec::new();
        let mut position = None;
        loop {
            let next = position.clone();
            let page = self
                .account
                .call("GetUsagePlans", "the usage plans", |clients| {
                    let call = clients.rest.get_usage_plans().limit(LONGEST_PAGE);
                    call.set_key_id(key.map(str::to_owned))
                        .set_position(next.clone())
                        .send()
                })
                .await?;
            all.extend(page.items.unwrap_or_default().into_iter().map(|plan| Plan {
                id: plan.id.unwrap_or_default(),
                tags: plan.tags.unwrap_or_default(),
                stages: plan.api_stages.unwrap_or_default().iter().map(named).collect(),
                limits: UsagePlan::default(),
            }));
            position = page.position.filter(|next| !next.is_empty());
            if position.is_none() {
                return Ok(all);
            }
        }
    }

    /// Makes a usage plan for a stage that is there.
    pub(crate) async fn create(
        &self,
        name: &str,
        stage: (&str, &str),
        limits: &UsagePlan,
        tags: &BTreeMap<String, String>,
    ) -> Result<String> {
        let covered = ApiStage::builder().api_id(stage.0).stage(stage.1);
        let covered = covered.set_throttle(throttles(&limits.methods)).build();
        let made = self
            .account
            .call("CreateUsagePlan", self.object, |clients| {
                let call = clients
                    .rest
                    .create_usage_plan()
                    .name(name)
                    .api_stages(covered.clone());
                call.set_throttle(limits.throttle.map(throttle))
                    .set_quota(limits.quota.as_ref().map(quota))
                    .set_tags(Some(tags.clone().into_iter().collect()))
                    .send()
            })
            .await?;
        Ok(made.id.unwrap_or_default())
    }

    /// Changes the limits of a plan, and what it lets in to.
    pub(crate) async fn update(&self, held: &Plan, stage: &str, limits: &UsagePlan) -> Result<()> {
        let patches = patches(held, stage, limits);
        if patches.is_empty() {
            return Ok(());
        }
        self.account
            .call("UpdateUsagePlan", self.object, |clients| {
                let call = clients.rest.update_usage_plan().usage_plan_id(&held.id);
                call.set_patch_operations(Some(patches.clone())).send()
            })
            .await
            .map(drop)
    }

    /// Removes a usage plan, which may be gone already. AWS wants it to let in to nothing first.
    pub(crate) async fn remove(&self, plan: &Plan) -> Result<()> {
        if self.get(&plan.id, "").await?.is_none() {
            return Ok(());
        }
        if !plan.stages.is_empty() {
            let remove = |stage: &String| {
                let patch = PatchOperation::builder().op(Op::Remove).path("/apiStages");
                patch.value(stage).build()
            };
            let patches: Vec<PatchOperation> = plan.stages.iter().map(remove).collect();
            let updated = self
                .account
                .call("UpdateUsagePlan", self.object, |clients| {
                    let call = clients.rest.update_usage_plan().usage_plan_id(&plan.id);
                    call.set_patch_operations(Some(patches.clone())).send()
                })
                .await;
            // Stages that went with their API are not found, and let nobody in.
            unless_missing(updated)?;
        }
        let removed = self
            .account
            .call("DeleteUsagePlan", self.object, |clients| {
                clients.rest.delete_usage_plan().usage_plan_id(&plan.id).send()
            })
            .await;
        unless_missing(removed).map(drop)
    }

    /// The keys that a plan lets in, by their names. Their values are not looked at.
    pub(crate) async fn keys_of(&self, plan: &str) -> Result<BTreeMap<String, String>> {
        let mut all = BTreeMap::new();
        let mut position = None;
        loop {
            let next = position.clone();
            let page = self
                .account
                .call("GetUsagePlanKeys", self.object, |clients| {
                    let call = clients.rest.get_usage_plan_keys().usage_plan_id(plan);
                    call.limit(LONGEST_PAGE).set_position(next.clone()).send()
                })
                .await;
            let Some(page) = unless_missing(page)? else {
                return Ok(all);
            };
            let items = page.items.unwrap_or_default().into_iter();
            all.extend(items.filter_map(|key| Some((key.name?, key.id?))));
            position = page.position.filter(|next| !next.is_empty());
            if position.is_none() {
                return Ok(all);
            }
        }
    }

    /// Keys whose names begin so, with their tags.
    pub(crate) async fn keys_named(&self, beginning: &str) -> Result<Vec<Key>> {
        let keys = self.keys(Some(beginning), None).await?.into_iter();
        Ok(keys.map(|(key, _)| key).collect())
    }

    /// The key with a value, if the account has it.
    pub(crate) async fn key_with(&self, value: &SecretString) -> Result<Option<Key>> {
        let mut keys = self.keys(None, Some(true)).await?.into_iter();
        let found = keys.find(|(_, held)| held.as_deref() == Some(value.expose_secret()));
        Ok(found.map(|(key, _)| key))
    }

    async fn keys(
        &self,
        beginning: Option<&str>,
        with_values: Option<bool>,
    ) -> Result<Vec<(Key, Option<String>)>> {
        let mut all = Vec::new();
        let mut position = None;
        loop {
            let next = position.clone();
            let page = self
                .account
                .call("GetApiKeys", "the API keys", |clients| {
                    let call = clients.rest.get_api_keys().limit(LONGEST_PAGE);
                    call.set_name_query(beginning.map(str::to_owned))
                        .set_include_values(with_values)
                        .set_position(next.clone())
                        .send()
                })
                .await?;
            all.extend(page.items.unwrap_or_default().into_iter().map(|key| {
                let listed = Key {
                    id: key.id.unwrap_or_default(),
                    name: key.name.unwrap_or_default(),
                    tags: key.tags.unwrap_or_default(),
                };
                (listed, key.value)
            }));
            position = page.position.filter(|next| !next.is_empty());
            if position.is_none() {
                return Ok(all);
            }
        }
    }

    /// Makes a key, which lets nobody in before a plan has it.
    pub(crate) async fn create_key(
        &self,
        name: &str,
        value: &SecretString,
        tags: &BTreeMap<String, String>,
    ) -> Result<String> {
        let made = self
            .account
            .call("CreateApiKey", self.object, |clients| {
                let call = clients.rest.create_api_key().name(name).enabled(true);
                call.value(value.expose_secret())
                    .set_tags(Some(tags.clone().into_iter().collect()))
                    .send()
            })
            .await?;
        Ok(made.id.unwrap_or_default())
    }

    /// Puts a key into a plan, where it may be already.
    pub(crate) async fn let_in(&self, plan: &str, key: &str) -> Result<()> {
        let put = self
            .account
            .call("CreateUsagePlanKey", self.object, |clients| {
                let call = clients.rest.create_usage_plan_key().usage_plan_id(plan);
                call.key_id(key).key_type("API_KEY").send()
            })
            .await;
        match put {
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            put => put.map(drop),
        }
    }

    /// Takes a key out of a plan, where it may not be any more.
    pub(crate) async fn let_in_no_more(&self, plan: &str, key: &str) -> Result<()> {
        let removed = self
            .account
            .call("DeleteUsagePlanKey", self.object, |clients| {
                let call = clients.rest.delete_usage_plan_key().usage_plan_id(plan);
                call.key_id(key).send()
            })
            .await;
        unless_missing(removed).map(drop)
    }

    /// Removes a key, which may be gone already.
    pub(crate) async fn remove_key(&self, id: &str) -> Result<()> {
        let removed = self
            .account
            .call("DeleteApiKey", self.object, |clients| {
                clients.rest.delete_api_key().api_key(id).send()
            })
            .await;
        unless_missing(removed).map(drop)
    }
}

/// An API key as it is listed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) tags: HashMap<String, String>,
}

fn named(stage: &ApiStage) -> String {
    format!(
        "{}:{}",
        stage.api_id().unwrap_or_default(),
        stage.stage().unwrap_or_default()
    )
}

fn throttle(throttle: Throttle) -> ThrottleSettings {
    let settings = ThrottleSettings::builder().rate_limit(throttle.rate);
    let burst = i32::try_from(throttle.burst).unwrap_or(i32::MAX);
    settings.burst_limit(burst).build()
}

fn throttles(methods: &BTreeMap<String, Throttle>) -> Option<HashMap<String, ThrottleSettings>> {
    let each = methods
        .iter()
        .map(|(method, each)| (method.clone(), throttle(*each)));
    (!methods.is_empty()).then(|| each.collect())
}

fn quota(quota: &Quota) -> QuotaSettings {
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

fn limits(
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

fn patches(held: &Plan, stage: &str, wanted: &UsagePlan) -> Vec<PatchOperation> {
    let patch = |op: Op, path: &str, value: Option<String>| {
        let patch = PatchOperation::builder().op(op).path(path);
        patch.set_value(value).build()
    };
    let mut patches = Vec::new();
    if !held.stages.iter().any(|covered| covered == stage) {
        patches.push(patch(Op::Add, "/apiStages", Some(stage.to_owned())));
    }
    match (held.limits.throttle, wanted.throttle) {
        (held, wanted) if held == wanted => {}
        (_, None) => patches.push(patch(Op::Remove, "/throttle", None)),
        (_, Some(throttle)) => {
            patches.push(patch(
                Op::Replace,
                "/throttle/rateLimit",
                Some(throttle.rate.to_string()),
            ));
            patches.push(patch(
                Op::Replace,
                "/throttle/burstLimit",
                Some(throttle.burst.to_string()),
            ));
        }
    }
    match (&held.limits.quota, &wanted.quota) {
        (held, wanted) if held == wanted => {}
        (_, None) => patches.push(patch(Op::Remove, "/quota", None)),
        (_, Some(quota)) => {
            patches.push(patch(Op::Replace, "/quota/limit", Some(quota.limit.to_string())));
            patches.push(patch(Op::Replace, "/quota/period", Some(quota.period.clone())));
        }
    }
    // The method's own path keeps its slashes: `/apiStages/a1:live/throttle//pets/GET/rateLimit`.
    let path = |method: &str, field: &str| format!("/apiStages/{stage}/throttle/{method}/{field}");
    let gone = held
        .limits
        .methods
        .keys()
        .filter(|method| !wanted.methods.contains_key(*method));
    patches.extend(gone.map(|method| {
        let path = path(method, "");
        patch(Op::Remove, path.trim_end_matches('/'), None)
    }));
    let changed = wanted
        .methods
        .iter()
        .filter(|(method, throttle)| held.limits.methods.get(*method) != Some(throttle));
    for (method, throttle) in changed {
        patches.push(patch(
            Op::Replace,
            &path(method, "rateLimit"),
            Some(throttle.rate.to_string()),
        ));
        patches.push(patch(
            Op::Replace,
            &path(method, "burstLimit"),
            Some(throttle.burst.to_string()),
        ));
    }
    patches
}
