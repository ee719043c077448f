//! The keys of an API's callers, and the usage plan that lets them in.
//!
//! An account takes the value of a key once, so a key is the environment's: every API that names the secret has it in a
//! plan of its own, and it goes when no plan has it any more. A key lets nobody in before the plan has it, and the snapshot that asks for keys is closed to everybody until then.

use std::collections::BTreeMap;

use gatehouse_connector_sdk::{
    error::{Error, ErrorKind, Result},
    journal::Steps,
    schemas::{desired::Mark, identity::ResourceName},
};
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    deploying::Deploying,
    looking::{self, HeldPlan},
};
use crate::{
    apis::{
        Api,
        plans::{Key, Plan, Plans},
    },
    mark,
    record::AppliedPlan,
    translate::UsagePlan,
};

/// What AWS takes as the value of a key, in characters.
const VALUE_LENGTHS: std::ops::RangeInclusive<usize> = 20..=128;

/// The keys and the plan of one attempt.
pub(super) struct Keys<'a> {
    pub(super) deploying: &'a Deploying<'a>,
    pub(super) api: &'a Api,
    /// The plan that was applied before.
    pub(super) former: Option<&'a AppliedPlan>,
    /// What its plan is now. Somebody may have removed keys, or switched them off.
    pub(super) held: Option<&'a HeldPlan>,
    /// Whether keys and a plan may be there that no record tells of.
    pub(super) may_be_others: bool,
}

impl Keys<'_> {
    fn plans(&self) -> Plans<'_> {
        Plans {
            account: self.deploying.account,
            object: self.deploying.object,
        }
    }

    fn tags(&self) -> BTreeMap<String, String> {
        let account = self.deploying.account;
        mark::tags(&self.deploying.request.desired.mark, account.wanted_tags())
    }

    /// Makes the keys that are not there yet, and switches on those that are off; AWS's identities by our names.
    pub(super) async fn made(&self, steps: &mut Steps<'_>) -> Result<BTreeMap<String, String>> {
        let wanted = &self.deploying.wanted.keys;
        let mut made: BTreeMap<String, String> = self.known(wanted);
        let mut off: Vec<String> = self
            .held
            .map(|plan| plan.switched_off.clone())
            .unwrap_or_default();
        if made.len() < wanted.len() {
            for key in self.found(wanted).await? {
                off.extend((!key.is_on).then(|| key.id.clone()));
                made.insert(key.name, key.id);
            }
        }
        for (name, secret) in wanted {
            if made.contains_key(name) {
                continue;
            }
            let value = self.value(secret)?;
            let description = format!("create the API key `{name}`");
            let effect = self.created(name, value);
            let (id, is_on) = steps.take(description, Some(name.clone()), effect).await?;
            off.extend((!is_on).then(|| id.clone()));
            made.insert(name.clone(), id);
        }
        self.switch_on(steps, &made, &off).await?;
        Ok(made)
    }

    /// Switches on what somebody switched off: the callers that a revision lets in are let in.
    async fn switch_on(
        &self,
        steps: &mut Steps<'_>,
        made: &BTreeMap<String, String>,
        off: &[String],
    ) -> Result<()> {
        for (name, id) in made.iter().filter(|(_, id)| off.contains(id)) {
            let description = format!("switch the API key `{name}` on again");
            let plans = self.plans();
            steps
                .take(description, Some(id.clone()), plans.switch_on(id))
                .await?;
        }
        Ok(())
    }

    /// Makes a key; where the account has its value already under another name of ours, that one is used. Whether it is on, too.
    async fn created(&self, name: &str, value: &SecretString) -> Result<(String, bool)> {
        let (plans, mark) = (self.plans(), &self.deploying.request.desired.mark);
        let tags = mark::shared_tags(mark, self.deploying.account.wanted_tags());
        match plans.create_key(name, value, &tags).await {
            Err(error) if error.kind() == ErrorKind::Conflict => {
                match plans.key_with(BEGINNING, value).await? {
                    Some(key) if mark::is_of_environment(mark, &key.tags) => Ok((key.id, key.is_on)),
                    _ => Err(error),
                }
            }
            created => created.map(|id| (id, true)),
        }
    }

    fn known(&self, wanted: &BTreeMap<String, ResourceName>) -> BTreeMap<String, String> {
        let former = self.former.into_iter().flat_map(|plan| &plan.keys);
        let is_there = |id: &String| self.held.is_some_and(|plan| plan.keys.contains(id));
        let still = former.filter(|(name, id)| wanted.contains_key(*name) && is_there(id));
        still.map(|(name, id)| (name.clone(), id.clone())).collect()
    }

    /// Keys that other APIs of the environment have, or that an earlier attempt made.
    async fn found(&self, wanted: &BTreeMap<String, ResourceName>) -> Result<Vec<Key>> {
        let mark = &self.deploying.request.desired.mark;
        let keys = self.plans().keys_named(BEGINNING).await?;
        let ours = keys
            .into_iter()
            .filter(|key| mark::is_of_environment(mark, &key.tags));
        Ok(ours.filter(|key| wanted.contains_key(&key.name)).collect())
    }

    fn value(&self, secret: &ResourceName) -> Result<&SecretString> {
        let value = self.deploying.secrets.get(secret).ok_or_else(|| {
            let text = format!("the secret `{secret}` of {} has no value", self.deploying.object);
            Error::new(ErrorKind::Invalid, text)
        })?;
        match VALUE_LENGTHS.contains(&value.expose_secret().chars().count()) {
            true => Ok(value),
            false => Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "the secret `{secret}` of {} cannot be an API key of AWS, which takes 20 to 128 characters; give it a longer value",
                    self.deploying.object
                ),
            )),
        }
    }

    /// Puts the keys into the plan of the stage, which has to be there.
    pub(super) async fn let_in(
        &self,
        steps: &mut Steps<'_>,
        made: &BTreeMap<String, String>,
    ) -> Result<Option<AppliedPlan>> {
        let Some(limits) = &self.deploying.wanted.plan else {
            return Ok(None);
        };
        let (id, held) = self.plan(steps, limits).await?;
        let is_in = |key: &String| held.values().any(|held| held == key);
        for (name, key) in made.iter().filter(|(_, key)| !is_in(key)) {
            let description = format!("let the key `{name}` in");
            let plans = self.plans();
            steps
                .take(description, Some(key.clone()), plans.let_in(&id, key))
                .await?;
        }
        Ok(Some(AppliedPlan {
            id,
            limits: limits.clone(),
            keys: made.clone(),
        }))
    }

    /// The plan with these limits, and the keys that it lets in already.
    async fn plan(
        &self,
        steps: &mut Steps<'_>,
        limits: &UsagePlan,
    ) -> Result<(String, BTreeMap<String, String>)> {
        let (plans, account) = (self.plans(), self.deploying.account);
        let stage = looking::stage_of(account, self.api);
        if let Some(plan) = self.held(&stage).await? {
            let description = format!("set the limits of {}", self.deploying.object);
            if plan.limits != *limits || !plan.stages.contains(&stage) {
                let effect = plans.update(&plan, &stage, limits);
                steps.take(description, Some(plan.id.clone()), effect).await?;
            }
            let keys = plans.keys_of(&plan.id).await?;
            return Ok((plan.id, keys));
        }
        let name = format!("{BEGINNING}{}", self.deploying.request.desired.mark.api_name);
        let covered = (self.api.id.id.as_str(), account.settings.stage.as_str());
        let tags = self.tags();
        let effect = plans.create(&name, covered, limits, &tags);
        let id = steps
            .take(format!("create the usage plan `{name}`"), None, effect)
            .await?;
        Ok((id, BTreeMap::new()))
    }

    /// The plan of the record, or one that an earlier attempt made.
    async fn held(&self, stage: &str) -> Result<Option<Plan>> {
        let plans = self.plans();
        if let Some(former) = self.former
            && let Some(plan) = plans.get(&former.id, stage).await?
        {
            return Ok(Some(plan));
        }
        if !self.may_be_others {
            return Ok(None);
        }
        let mark = &self.deploying.request.desired.mark;
        let all = plans.list().await?;
        match all.into_iter().find(|plan| mark::is_of(mark, &plan.tags)) {
            Some(found) => plans.get(&found.id, stage).await,
            None => Ok(None),
        }
    }

    /// Removes the plan that is not wanted any more, takes keys out that are not, and removes those that no plan has.
    pub(super) async fn remove_others(
        &self,
        steps: &mut Steps<'_>,
        applied: Option<&AppliedPlan>,
    ) -> Result<()> {
        let Some(former) = self.former else {
            return Ok(());
        };
        let plans = self.plans();
        let is_replaced = applied.is_none_or(|applied| applied.id != former.id);
        if is_replaced {
            let stage = looking::stage_of(self.deploying.account, self.api);
            if let Some(plan) = plans.get(&former.id, &stage).await? {
                let description = format!("remove the usage plan of {}", self.deploying.object);
                steps
                    .take(description, Some(plan.id.clone()), plans.remove(&plan))
                    .await?;
            }
        }
        for (name, id) in &former.keys {
            if applied.is_some_and(|applied| applied.keys.values().any(|other| other == id)) {
                continue;
            }
            if !is_replaced {
                let description = format!("take the API key `{name}` out");
                let effect = plans.let_in_no_more(&former.id, id);
                steps.take(description, Some(id.clone()), effect).await?;
            }
            remove_unused(&plans, steps, (name, id)).await?;
        }
        Ok(())
    }
}

/// Removes keys that attempts made which did not come to their end, and which no plan lets in.
pub(super) async fn remove_left_behind(plans: &Plans<'_>, steps: &mut Steps<'_>, mark: &Mark) -> Result<()> {
    let recorded = plans.account.context.journal.recorded().into_iter();
    let named = recorded.filter_map(|step| step.object);
    let mut named: Vec<String> = named.filter(|object| object.starts_with(BEGINNING)).collect();
    named.sort();
    named.dedup();
    if named.is_empty() {
        return Ok(());
    }
    for key in plans.keys_named(BEGINNING).await? {
        if named.contains(&key.name) && mark::is_of_environment(mark, &key.tags) {
            remove_unused(plans, steps, (&key.name, &key.id)).await?;
        }
    }
    Ok(())
}

/// Removes a key of the environment that no plan lets in any more, unless somebody is just about to let it in.
pub(super) async fn remove_unused(plans: &Plans<'_>, steps: &mut Steps<'_>, key: (&str, &str)) -> Result<()> {
    let (name, id) = key;
    let _alone = plans.account.callers.write().await;
    if plans.lets_in(id).await? {
        return Ok(());
    }
    let description = format!("remove the API key `{name}`");
    steps
        .take(description, Some(id.to_owned()), plans.remove_key(id))
        .await
}

/// How the names of keys and plans begin.
pub(super) const BEGINNING: &str = "gatehouse.";
