//! API keys. They belong to an environment; which of them an API lets in is in its usage plan.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_apigateway::{
    operation::{get_api_keys::GetApiKeysOutput, get_usage_plan_keys::GetUsagePlanKeysOutput},
    types::{ApiKey, Op, PatchOperation},
};
use gatehouse_connector_sdk::error::Result;
use secrecy::{ExposeSecret as _, SecretString};

use super::{super::unless_missing, Plans};
use crate::client::{Clients, LONGEST_PAGE};

/// An API key as it is listed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) tags: HashMap<String, String>,
    /// Whether it opens anything.
    pub(crate) is_on: bool,
}

impl Plans<'_> {
    /// The keys that a plan lets in, by their names. Their values are not looked at.
    pub(crate) async fn keys_of(&self, plan: &str) -> Result<BTreeMap<String, String>> {
        let send = |clients: &Clients, position| {
            let call = clients.rest.get_usage_plan_keys().usage_plan_id(plan);
            call.limit(LONGEST_PAGE).set_position(position).send()
        };
        let page = |page: GetUsagePlanKeysOutput| (page.items, page.position);
        let all = self.account.every("GetUsagePlanKeys", self.object, send, page);
        let keys = unless_missing(all.await)?.unwrap_or_default().into_iter();
        Ok(keys.filter_map(|key| Some((key.name?, key.id?))).collect())
    }

    /// Keys whose names begin so, with their tags.
    pub(crate) async fn keys_named(&self, beginning: &str) -> Result<Vec<Key>> {
        let keys = self.keys(Some(beginning), None).await?.into_iter();
        Ok(keys.map(|(key, _)| key).collect())
    }

    /// Which of these keys are switched off, by AWS's identities, which are given by the keys' names.
    pub(crate) async fn switched_off(&self, keys: &BTreeMap<String, String>) -> Result<Vec<String>> {
        let Some(beginning) = common_beginning(keys) else {
            return Ok(Vec::new());
        };
        let listed = self.keys_named(&beginning).await?.into_iter();
        let off = listed.filter(|key| !key.is_on && keys.values().any(|id| *id == key.id));
        Ok(off.map(|key| key.id).collect())
    }

    /// The key with a value, if it is among those whose names begin so. The values of others are nobody's business.
    pub(crate) async fn key_with(&self, beginning: &str, value: &SecretString) -> Result<Option<Key>> {
        let mut keys = self.keys(Some(beginning), Some(true)).await?.into_iter();
        let found = keys.find(|(_, held)| held.as_deref() == Some(value.expose_secret()));
        Ok(found.map(|(key, _)| key))
    }

    async fn keys(
        &self,
        beginning: Option<&str>,
        with_values: Option<bool>,
    ) -> Result<Vec<(Key, Option<String>)>> {
        let send = |clients: &Clients, position| {
            let call = clients.rest.get_api_keys().limit(LONGEST_PAGE);
            call.set_name_query(beginning.map(str::to_owned))
                .set_include_values(with_values)
                .set_position(position)
                .send()
        };
        let page = |page: GetApiKeysOutput| (page.items, page.position);
        let all = self.account.every("GetApiKeys", "the API keys", send, page);
        let key = |key: ApiKey| {
            let listed = Key {
                id: key.id.unwrap_or_default(),
                name: key.name.unwrap_or_default(),
                tags: key.tags.unwrap_or_default(),
                is_on: key.enabled,
            };
            (listed, key.value)
        };
        Ok(all.await?.into_iter().map(key).collect())
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

    /// Switches a key on.
    pub(crate) async fn switch_on(&self, id: &str) -> Result<()> {
        let patch = PatchOperation::builder().op(Op::Replace).path("/enabled");
        let patch = patch.value(true.to_string()).build();
        self.account
            .call("UpdateApiKey", self.object, |clients| {
                let call = clients.rest.update_api_key().api_key(id);
                call.patch_operations(patch.clone()).send()
            })
            .await
            .map(drop)
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

/// What all of the names begin with, so that a listing leaves other keys out.
fn common_beginning(keys: &BTreeMap<String, String>) -> Option<String> {
    let ((first, _), (last, _)) = (keys.first_key_value()?, keys.last_key_value()?);
    let same = first
        .chars()
        .zip(last.chars())
        .take_while(|(one, other)| one == other);
    Some(same.map(|(one, _)| one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_of_what_all_names_begin_with() {
        for (names, expected) in [
            (&[][..], None),
            (&["gatehouse.1.shop.v1"], Some("gatehouse.1.shop.v1")),
            (
                &[
                    "gatehouse.1.shop.v1",
                    "gatehouse.1.shop.v2",
                    "gatehouse.1.show.v1",
                ],
                Some("gatehouse.1.sho"),
            ),
        ] {
            let keys = names.iter().map(|name| ((*name).to_owned(), String::new()));
            assert_eq!(common_beginning(&keys.collect()).as_deref(), expected);
        }
    }
}
