//! What an account has beside its APIs, and what of it is about the environment's stage of one: usage plans with their keys,
//! custom domain names with their mappings. Each is listed once for all APIs.

use std::collections::BTreeMap;

use aws_sdk_apigateway::{
    operation::{
        get_api_keys::GetApiKeysOutput, get_base_path_mappings::GetBasePathMappingsOutput,
        get_domain_names::GetDomainNamesOutput, get_usage_plan_keys::GetUsagePlanKeysOutput,
        get_usage_plans::GetUsagePlansOutput,
    },
    types::{DomainName, EndpointType, ThrottleSettings, UsagePlan as ListedPlan, UsagePlanKey},
};
use gatehouse_connector_sdk::error::{ErrorKind, Result};

use super::{domains::Domain, none_where_unknown};
use crate::{
    client::{Account, Clients, LONGEST_PAGE},
    read::{Key, Mapping, Quota, Snapshot, Throttle, UsagePlan},
};

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
    let send = |clients: &Clients, position| {
        let call = clients.rest.get_usage_plans().limit(LONGEST_PAGE);
        call.set_position(position).send()
    };
    let page = |page: GetUsagePlansOutput| (page.items, page.position);
    account
        .every("GetUsagePlans", "the usage plans", send, page)
        .await
}

/// The keys of the account by their identities, and whether each is enabled. Their values are not asked for.
async fn enabled_keys(account: &Account<'_>) -> Result<BTreeMap<String, bool>> {
    let send = |clients: &Clients, position| {
        let call = clients.rest.get_api_keys().limit(LONGEST_PAGE);
        call.include_values(false).set_position(position).send()
    };
    let page = |page: GetApiKeysOutput| (page.items, page.position);
    let all = account.every("GetApiKeys", "the API keys", send, page).await?;
    let keys = all
        .into_iter()
        .map(|key| (key.id.unwrap_or_default(), key.enabled));
    Ok(keys.collect())
}

async fn keys_of(
    account: &Account<'_>,
    plan: &ListedPlan,
    enabled: &BTreeMap<String, bool>,
) -> Result<Vec<Key>> {
    let id = plan.id.as_deref().unwrap_or_default();
    let object = format!("the usage plan `{}`", plan.name.as_deref().unwrap_or(id));
    let send = |clients: &Clients, position| {
        let call = clients.rest.get_usage_plan_keys().usage_plan_id(id);
        call.limit(LONGEST_PAGE).set_position(position).send()
    };
    let page = |page: GetUsagePlanKeysOutput| (page.items, page.position);
    let all = account.every("GetUsagePlanKeys", &object, send, page).await?;
    let key = |key: UsagePlanKey| {
        let id = key.id.unwrap_or_default();
        Key {
            enabled: enabled.get(&id).copied().unwrap_or(false),
            name: key.name.unwrap_or_default(),
            id,
        }
    };
    let mut keys: Vec<Key> = all.into_iter().map(key).collect();
    keys.sort();
    Ok(keys)
}

async fn domains(account: &Account<'_>) -> Result<Vec<DomainName>> {
    let send = |clients: &Clients, position| {
        let call = clients.rest.get_domain_names().limit(LONGEST_PAGE);
        call.set_position(position).send()
    };
    let page = |page: GetDomainNamesOutput| (page.items, page.position);
    account
        .every("GetDomainNames", "the custom domain names", send, page)
        .await
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
    let mappings = Domain {
        account,
        name,
        object: &object,
    }
    .mappings()
    .await?
    .into_iter();
    let here = mappings.filter(|mapping| mapping.stage == account.settings.stage);
    Ok(here.map(|mapping| (mapping.api, mapping.path)).collect())
}

async fn mappings_of_rest(
    account: &Account<'_>,
    domain: &DomainName,
    name: &str,
) -> Result<Vec<(String, String)>> {
    let object = format!("the domain name `{name}`");
    let send = |clients: &Clients, position| {
        let call = clients.rest.get_base_path_mappings().domain_name(name);
        call.set_domain_name_id(domain.domain_name_id.clone())
            .limit(LONGEST_PAGE)
            .set_position(position)
            .send()
    };
    let page = |page: GetBasePathMappingsOutput| (page.items, page.position);
    let all = account.every("GetBasePathMappings", &object, send, page).await?;
    let here = all
        .into_iter()
        .filter(|it| it.stage.as_deref() == Some(account.settings.stage.as_str()));
    let lead = here.map(|it| {
        let path = it.base_path.filter(|path| path != ALL_PATHS).unwrap_or_default();
        (it.rest_api_id.unwrap_or_default(), path)
    });
    Ok(lead.collect())
}
