//! Usage plans, which let API keys in to a stage.

mod keys;
mod limits;

use std::collections::{BTreeMap, HashMap};

use aws_sdk_apigateway::{
    operation::get_usage_plans::GetUsagePlansOutput,
    types::{ApiStage, Op, PatchOperation, UsagePlan as ListedPlan},
};
use gatehouse_connector_sdk::error::{ErrorKind, Result};

pub(crate) use self::keys::Key;
use self::limits::{limits, patches, quota, throttle, throttles};
use super::unless_missing;
use crate::{
    client::{Account, Clients, LONGEST_PAGE},
    translate::UsagePlan,
};

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
        let send = |clients: &Clients, position| {
            let call = clients.rest.get_usage_plans().limit(LONGEST_PAGE);
            call.set_key_id(key.map(str::to_owned))
                .set_position(position)
                .send()
        };
        let page = |page: GetUsagePlansOutput| (page.items, page.position);
        let all = self
            .account
            .every("GetUsagePlans", "the usage plans", send, page)
            .await?;
        Ok(all.into_iter().map(listed).collect())
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
}

fn named(stage: &ApiStage) -> String {
    format!(
        "{}:{}",
        stage.api_id().unwrap_or_default(),
        stage.stage().unwrap_or_default()
    )
}

/// A plan as it is listed, without its limits.
fn listed(plan: ListedPlan) -> Plan {
    Plan {
        id: plan.id.unwrap_or_default(),
        tags: plan.tags.unwrap_or_default(),
        stages: plan.api_stages.unwrap_or_default().iter().map(named).collect(),
        limits: UsagePlan::default(),
    }
}
