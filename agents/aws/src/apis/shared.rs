//! What an account has beside its APIs, and what of it is about the environment's stage of one: usage plans with their keys,
//! custom domain names with their mappings. Each is listed once for all APIs.

use std::collections::BTreeMap;

use aws_sdk_apigateway::types::{DomainName, EndpointType, ThrottleSettings, UsagePlan as ListedPlan};
use gatehouse_connector_sdk::error::{ErrorKind, Result};

use super::none_where_unknown;
use crate::{
    client::Account,
    read::{Key, Mapping, Quota, Snapshot, Throttle, UsagePlan},
};

const LONGEST_PAGE: i32 = 500;
/// How a mapping of the first version of AWS's API says that a domain name leads to an API from all of its paths.
const ALL_PATHS: &str = "(none)";

/// What is shared, by the API whose stage it is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shared {
    plans: BTreeMap<String, Vec<UsagePlan>>,
    mappings: BTreeMap<String, Vec<Mapping>>,
}

impl Shared {
    /// Lists it.
    pub(crate) async fn look(account: &Account<'_>) -> Result<Self> {
        let mut shared = Self::default();
        shared.look_at_plans(account).await?;
        shared.look_at_domains(account).await?;
        Ok(shared)
    }

    /// Puts what is about an API into what is known of it.
    pub(crate) fn add_to(&self, snapshot: &mut Snapshot) {
        snapshot.usage_plans = self.plans.get(&snapshot.id).cloned().unwrap_or_default();
        snapshot.mappings = self.mappings.get(&snapshot.id).cloned().unwrap_or_default();
    }

    async fn look_at_plans(&mut self, account: &Account<'_>) -> Result<()> {
        let stage = account.settings.stage.as_str();
        let covers = |plan: &ListedPlan| {
            let stages = plan.api_stages.iter().flatten();
            stages.into_iter().any(|covered| covered.stage() == Some(stage))
        };
        let plans: Vec<ListedPlan> = plans(account).await?.into_iter().filter(covers).collect();
        if plans.is_empty() {
            return Ok(());
        }
        let enabled = enabled_keys(account).await?;
        for plan in plans {
            let keys = keys_of(account, &plan, &enabled).await?;
            self.add_plan(&plan, stage, &keys);
        }
        for plans in self.plans.values_mut() {
            plans.sort_by(|one, other| (&one.name, &one.id).cmp(&(&other.name, &other.id)));
        }
        Ok(())
    }

    fn add_plan(&mut self, plan: &ListedPlan, stage: &str, keys: &[Key]) {
        for covered in plan
            .api_stages
            .iter()
            .flatten()
            .filter(|it| it.stage() == Some(stage))
        {
            let methods = covered.throttle.iter().flatten();
            let read = UsagePlan {
                id: plan.id.clone().unwrap_or_default(),
                name: plan.name.clone().unwrap_or_default(),
                throttle: plan.throttle.as_ref().map(throttle),
                quota: plan.quota.as_ref().map(|quota| Quota {
                    limit: quota.limit.into(),
                    offset: quota.offset.into(),
                    period: quota
                        .period
                        .as_ref()
                        .map_or("", |period| period.as_str())
                        .to_owned(),
                }),
                methods: methods.map(|(path, it)| (path.clone(), throttle(it))).collect(),
                keys: keys.to_vec(),
            };
            let api = covered.api_id.clone().unwrap_or_default();
            self.plans.entry(api).or_default().push(read);
        }
    }

    async fn look_at_domains(&mut self, account: &Account<'_>) -> Result<()> {
        for domain in none_where_unknown(domains(account).await)? {
            let name = domain.domain_name.clone().unwrap_or_default();
            let trust = domain.mutual_tls_authentication.as_ref();
            let truststore = trust.and_then(|trust| trust.truststore_uri.clone());
            for (api, base_path) in mappings(account, &domain, &name).await? {
                self.mappings.entry(api).or_default().push(Mapping {
                    domain: name.clone(),
                    base_path,
                    truststore: truststore.clone(),
                });
            }
        }
        for mappings in self.mappings.values_mut() {
            mappings.sort();
        }
        Ok(())
    }
}

fn throttle(settings: &ThrottleSettings) -> Throttle {
    Throttle {
        rate_limit: settings.rate_limit,
        burst_limit: settings.burst_limit.into(),
    }
}

async fn plans(account: &Account<'_>) -> Result<Vec<ListedPlan>> {
    let mut all = Vec::new();
    let mut position = None;
    loop {
        let next = position.clone();
        let page = account
            .call("GetUsagePlans", "the usage plans", |clients| {
                let call = clients.rest.get_usage_plans().limit(LONGEST_PAGE);
                call.set_position(next.clone()).send()
            })
            .await?;
        all.extend(page.items.unwrap_or_default());
        position = page.position.filter(|next| !next.is_empty());
        if position.is_none() {
            return Ok(all);
        }
    }
}

/// The keys of the account by their identities, and whether each is enabled. Their values are not asked for.
async fn enabled_keys(account: &Account<'_>) -> Result<BTreeMap<String, bool>> {
    let mut all = BTreeMap::new();
    let mut position = None;
    loop {
        let next = position.clone();
        let page = account
            .call("GetApiKeys", "the API keys", |clients| {
                let call = clients.rest.get_api_keys().limit(LONGEST_PAGE);
                call.include_values(false).set_position(next.clone()).send()
            })
            .await?;
        let keys = page.items.unwrap_or_default().into_iter();
        all.extend(keys.map(|key| (key.id.unwrap_or_default(), key.enabled)));
        position = page.position.filter(|next| !next.is_empty());
        if position.is_none() {
            return Ok(all);
        }
    }
}

async fn keys_of(
    account: &Account<'_>,
    plan: &ListedPlan,
    enabled: &BTreeMap<String, bool>,
) -> Result<Vec<Key>> {
    let id = plan.id.as_deref().unwrap_or_default();
    let object = format!("the usage plan `{}`", plan.name.as_deref().unwrap_or(id));
    let mut all = Vec::new();
    let mut position = None;
    loop {
        let next = position.clone();
        let page = account
            .call("GetUsagePlanKeys", &object, |clients| {
                let call = clients.rest.get_usage_plan_keys().usage_plan_id(id);
                call.limit(LONGEST_PAGE).set_position(next.clone()).send()
            })
            .await?;
        all.extend(page.items.unwrap_or_default().into_iter().map(|key| {
            let id = key.id.unwrap_or_default();
            Key {
                enabled: enabled.get(&id).copied().unwrap_or(false),
                name: key.name.unwrap_or_default(),
                id,
            }
        }));
        position = page.position.filter(|next| !next.is_empty());
        if position.is_none() {
            all.sort();
            return Ok(all);
        }
    }
}

async fn domains(account: &Account<'_>) -> Result<Vec<DomainName>> {
    let mut all = Vec::new();
    let mut position = None;
    loop {
        let next = position.clone();
        let page = account
            .call("GetDomainNames", "the custom domain names", |clients| {
                let call = clients.rest.get_domain_names().limit(LONGEST_PAGE);
                call.set_position(next.clone()).send()
            })
            .await?;
        all.extend(page.items.unwrap_or_default());
        position = page.position.filter(|next| !next.is_empty());
        if position.is_none() {
            return Ok(all);
        }
    }
}

/// The APIs that a domain name leads to at the environment's stage, each with the path.
///
/// The second version of AWS's API knows mappings to both kinds of APIs; it does not know edge-optimized domain names.
async fn mappings(account: &Account<'_>, domain: &DomainName, name: &str) -> Result<Vec<(String, String)>> {
    let types = domain
        .endpoint_configuration
        .as_ref()
        .and_then(|it| it.types.as_ref());
    let is_regional = types.is_none_or(|types| types.iter().all(|kind| *kind == EndpointType::Regional));
    if is_regional {
        match mappings_of_both(account, name).await {
            Err(error) if error.kind() == ErrorKind::Unsupported => {}
            mappings => return mappings,
        }
    }
    mappings_of_rest(account, domain, name).await
}

async fn mappings_of_both(account: &Account<'_>, name: &str) -> Result<Vec<(String, String)>> {
    let object = format!("the domain name `{name}`");
    let mut all = Vec::new();
    let mut token = None;
    loop {
        let next = token.clone();
        let page = account
            .call("GetApiMappings", &object, |clients| {
                let call = clients.http.get_api_mappings().domain_name(name);
                call.max_results(LONGEST_PAGE.to_string())
                    .set_next_token(next.clone())
                    .send()
            })
            .await?;
        let items = page.items.unwrap_or_default().into_iter();
        let here = items.filter(|it| it.stage.as_deref() == Some(account.settings.stage.as_str()));
        all.extend(here.map(|it| {
            (
                it.api_id.unwrap_or_default(),
                it.api_mapping_key.unwrap_or_default(),
            )
        }));
        token = page.next_token.filter(|next| !next.is_empty());
        if token.is_none() {
            return Ok(all);
        }
    }
}

async fn mappings_of_rest(
    account: &Account<'_>,
    domain: &DomainName,
    name: &str,
) -> Result<Vec<(String, String)>> {
    let object = format!("the domain name `{name}`");
    let mut all = Vec::new();
    let mut position = None;
    loop {
        let next = position.clone();
        let page = account
            .call("GetBasePathMappings", &object, |clients| {
                let call = clients.rest.get_base_path_mappings().domain_name(name);
                call.set_domain_name_id(domain.domain_name_id.clone())
                    .limit(LONGEST_PAGE)
                    .set_position(next.clone())
                    .send()
            })
            .await?;
        let items = page.items.unwrap_or_default().into_iter();
        let here = items.filter(|it| it.stage.as_deref() == Some(account.settings.stage.as_str()));
        all.extend(here.map(|it| {
            let path = it.base_path.filter(|path| path != ALL_PATHS).unwrap_or_default();
            (it.rest_api_id.unwrap_or_default(), path)
        }));
        position = page.position.filter(|next| !next.is_empty());
        if position.is_none() {
            return Ok(all);
        }
    }
}
