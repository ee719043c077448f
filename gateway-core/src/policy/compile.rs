//! From policies as they are written to the chains that requests are held to.

use std::{
    cell::RefCell,
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use gatehouse_schemas::{
    api::OperationMatch,
    identity::ExternalRef,
    policy::{Layer, Policy, QuotaPolicy, RateLimitPolicy, merge},
};
use tokio::runtime::Handle;

use super::{
    Chain, Check,
    addresses::Addresses,
    api_key::ApiKeys,
    basic::Basic,
    cache::{Caching, store::Store},
    conditions::Conditions,
    cors::Cors,
    external::External,
    jwks::KeySets,
    jwt::{Jwt, remembered::Remembered},
    limits::{CompiledLimit, Limit, Limits, Quota, RateLimit, Stores},
    mtls::Certificates,
    oauth2::{OAuth2, introspection::Introspections},
    respond::Respond,
    retry::Retry,
    rewrite::Rewrite,
    support,
    transform::Transform,
    validate::{Schemas, Validation},
    wasm::{Modules, Wasm},
};
use crate::{config::ApiConfig, error::ApplyError, upstream::Endpoints};

/// Compiles policies, and keeps what must outlive a change of configuration: counters, key sets and tokens.
#[derive(Debug)]
pub(crate) struct Compiler {
    key_sets: KeySets,
    tokens: Arc<Remembered>,
    introspections: Introspections,
    answers: Arc<Store>,
    pub(crate) modules: Modules,
    pub(crate) stores: Stores,
    runtime: Handle,
    limits: Mutex<HashMap<LimitIdentity, Weak<RateLimit>>>,
}

/// What makes two rate limits the same one across revisions: the API, the place, the n-th of its kind
/// there, and all parameters.
type LimitIdentity = (ExternalRef, String, usize, String);

impl Compiler {
    /// A compiler whose key sets are fetched on this runtime, and whose caches keep answers here.
    pub(crate) fn new(runtime: Handle, answers: Arc<Store>, stores: Stores, modules: Modules) -> Self {
        Self {
            key_sets: KeySets::new(runtime.clone()),
            tokens: Remembered::new(),
            introspections: Introspections::new(runtime.clone()),
            answers,
            modules,
            stores,
            runtime,
            limits: Mutex::default(),
        }
    }

    /// Begins with an API: what holds for all its operations is compiled once.
    pub(crate) fn api<'a>(
        &'a self,
        config: &'a ApiConfig,
        endpoints: &'a Endpoints,
    ) -> Result<ApiPolicies<'a>, ApplyError> {
        let mut policies = ApiPolicies {
            compiler: self,
            config,
            endpoints,
            common: Vec::new(),
            schemas: RefCell::default(),
        };
        let own = &config.content.policies;
        let compiled = own
            .iter()
            .map(|policy| policies.compile(policy, &Place::Api, own));
        policies.common = compiled.collect::<Result<_, _>>()?;
        Ok(policies)
    }

    /// Goes on from the counts of quotas in a folder, and keeps them there.
    pub(crate) fn keep_counts(&self, folder: &Path) {
        self.stores.keep_in(folder, &self.runtime);
    }

    fn limit(&self, identity: LimitIdentity, policy: &RateLimitPolicy) -> Result<Arc<RateLimit>, String> {
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(limit) = limits.get(&identity).and_then(Weak::upgrade) {
            return Ok(limit);
        }
        let (api, place, before, parameters) = &identity;
        let shared_identity = [api.0.as_str(), place, &before.to_string(), parameters];
        let limit = Arc::new(RateLimit::compile(policy, &shared_identity)?);
        limits.retain(|_, limit| limit.strong_count() > 0);
        limits.insert(identity, Arc::downgrade(&limit));
        Ok(limit)
    }
}

/// Where a policy stands.
#[derive(Debug)]
enum Place<'a> {
    Api,
    Operation {
        name: String,
        /// Which requests it is about.
        matched: &'a OperationMatch,
    },
}

impl Place<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Api => "the API",
            Self::Operation { name, .. } => name,
        }
    }

    fn template(&self) -> Option<&str> {
        match self {
            Self::Api => None,
            Self::Operation { matched, .. } => Some(&matched.path),
        }
    }

    fn matched(&self) -> Option<&OperationMatch> {
        match self {
            Self::Api => None,
            Self::Operation { matched, .. } => Some(matched),
        }
    }
}

/// The policies of one API in the making.
pub(crate) struct ApiPolicies<'a> {
    compiler: &'a Compiler,
    config: &'a ApiConfig,
    endpoints: &'a Endpoints,
    common: Vec<Compiled<'a>>,
    /// What the API's policies have of its definition, by the place of the policy in the list.
    schemas: RefCell<HashMap<usize, Schemas>>,
}

/// One policy, ready to be put into chains.
#[derive(Clone)]
pub(super) enum Compiled<'a> {
    Check(Check),
    Limit(CompiledLimit),
    Cors(Arc<Cors>),
    Cache(Arc<Caching>),
    Respond(Arc<Respond>),
    Retry(Arc<Retry>),
    Rewrite(Arc<Rewrite>),
    Transform(Arc<Transform>),
    /// Nothing is prepared beyond what the chain itself holds.
    Plain(&'a Policy),
    /// What it means is another thing for each operation.
    ByOperation,
    /// The gateway does not have it and says so; whoever put the API in accepted that.
    LeftOut,
}

impl<'a> ApiPolicies<'a> {
    /// What holds for operations without policies of their own; none if that is another thing for each of them.
    pub(crate) fn common(&self) -> Result<Option<Chain>, ApplyError> {
        let operations = &self.config.content.operations;
        let by_operation = |compiled: &Compiled<'_>| matches!(compiled, Compiled::ByOperation);
        match !operations.is_empty() && self.common.iter().any(by_operation) {
            true => Ok(None),
            false => self.chain(&Place::Api, &[]).map(Some),
        }
    }

    /// What holds for one operation, by its place in the API.
    pub(crate) fn operation(&self, index: usize) -> Result<Chain, ApplyError> {
        let operation = &self.config.content.operations[index];
        let matched = &operation.r#match;
        let place = Place::Operation {
            name: format!("{} {}", matched.method, matched.path),
            matched,
        };
        self.chain(&place, &operation.policies)
    }

    fn chain(&self, place: &Place<'_>, own: &'a [Policy]) -> Result<Chain, ApplyError> {
        let common = &self.config.content.policies;
        let mut chain = Chain::default();
        for policy in merge(&[Layer::of(common), Layer::of(own)], None) {
            let shared = common.iter().position(|other| std::ptr::eq(other, policy));
            let compiled = match shared {
                Some(index) => self.common[index].clone(),
                None => self.compile(policy, place, own)?,
            };
            let compiled = match compiled {
                Compiled::ByOperation => self
                    .by_operation(policy, place)
                    .map_err(|reason| self.refused(policy, place, reason))?,
                compiled => compiled,
            };
            chain
                .add(compiled)
                .map_err(|reason| self.refused(policy, place, reason))?;
        }
        let limits = std::mem::take(&mut chain.limits);
        let limits = Limits::of(limits, &self.compiler.stores).map_err(|reason| ApplyError::Invalid {
            api: self.config.external_ref.clone(),
            reason,
        })?;
        chain
            .checks
            .extend(limits.map(|limits| Check::Limits(Arc::new(limits))));
        chain.checks.sort_by_key(Check::rank);
        chain.keep_keys_out_of_the_log();
        Ok(chain)
    }

    fn compile(
        &self,
        policy: &'a Policy,
        place: &Place<'_>,
        siblings: &[Policy],
    ) -> Result<Compiled<'a>, ApplyError> {
        self.try_compile(policy, place, siblings)
            .map_err(|reason| self.refused(policy, place, reason))
    }

    fn try_compile(
        &self,
        policy: &'a Policy,
        place: &Place<'_>,
        siblings: &[Policy],
    ) -> Result<Compiled<'a>, String> {
        Ok(match policy {
            Policy::AuthApiKey(keys) => {
                let keys = ApiKeys::compile(keys, &self.config.secret_hashes)?;
                Compiled::Check(Check::ApiKey(Arc::new(keys)))
            }
            Policy::AuthJwt(jwt) => {
                let keys = |uri: &str| self.compiler.key_sets.get(uri, self.endpoints);
                let tokens = self.compiler.tokens.for_policy();
                Compiled::Check(Check::Jwt(Arc::new(Jwt::compile(jwt, keys, tokens)?)))
            }
            Policy::AuthOAuth2(oauth2) => {
                let secret = self.config.secrets.get(&oauth2.client_secret_ref);
                let introspection = self.compiler.introspections.get(oauth2, secret, self.endpoints)?;
                Compiled::Check(Check::OAuth2(Arc::new(OAuth2::compile(oauth2, introspection)?)))
            }
            Policy::RateLimit(limit) => {
                let before = siblings.iter().take_while(|other| !std::ptr::eq(*other, policy));
                let before = before.filter(|other| *other == policy).count();
                let identity = (
                    self.config.external_ref.clone(),
                    place.name().to_owned(),
                    before,
                    serde_json::to_string(limit).map_err(|error| error.to_string())?,
                );
                let compiled = self.compiler.limit(identity, limit)?;
                Compiled::Limit(CompiledLimit {
                    items: compiled.policy_items(limit),
                    limit: Limit::Rate(compiled),
                })
            }
            Policy::Quota(quota) => {
                let compiled = self.quota(quota, place, siblings)?;
                Compiled::Limit(CompiledLimit {
                    items: vec![compiled.policy_item()],
                    limit: Limit::Quota(Arc::new(compiled)),
                })
            }
            Policy::AuthBasic(basic) => {
                let basic = Basic::compile(basic, &self.config.secret_hashes)?;
                Compiled::Check(Check::Basic(Arc::new(basic)))
            }
            Policy::AuthConditions(conditions) => {
                Compiled::Check(Check::Conditions(Arc::new(Conditions::compile(conditions)?)))
            }
            Policy::ExtAuthz(external) => {
                let external = External::compile(external, self.endpoints)?;
                Compiled::Check(Check::External(Arc::new(external)))
            }
            Policy::ExtWasm(wasm) => {
                let wasm = Wasm::compile(wasm, &self.compiler.modules)?;
                Compiled::Check(Check::Wasm(Arc::new(wasm)))
            }
            Policy::AuthMtls(mtls) => {
                Compiled::Check(Check::Certificate(Arc::new(Certificates::compile(mtls)?)))
            }
            Policy::IpFilter(filter) => {
                Compiled::Check(Check::Addresses(Arc::new(Addresses::compile(filter)?)))
            }
            policy if policy.definition_field().is_some() => Compiled::ByOperation,
            Policy::RequestValidate(validate) => Compiled::Check(Check::Validation(Arc::new(
                Validation::compile(validate, None, &mut Schemas::default())?,
            ))),
            Policy::Cache(cache) => {
                let answers = Arc::clone(&self.compiler.answers);
                Compiled::Cache(Arc::new(Caching::compile(
                    cache,
                    &self.config.external_ref,
                    answers,
                )?))
            }
            Policy::Cors(cors) => Compiled::Cors(Arc::new(Cors::compile(cors)?)),
            Policy::Respond(respond) => {
                Compiled::Respond(Arc::new(Respond::compile(respond, place.template())?))
            }
            Policy::Retry(retry) => Compiled::Retry(Arc::new(Retry::compile(retry)?)),
            Policy::Transform(transform) => Compiled::Transform(Arc::new(Transform::compile(transform)?)),
            Policy::Rewrite(rewrite) => {
                Compiled::Rewrite(Arc::new(Rewrite::compile(rewrite, place.template())?))
            }
            Policy::Headers(_) | Policy::RequestSize(_) | Policy::Timeout(_) | Policy::Log(_) => {
                Compiled::Plain(policy)
            }
            policy => match support::lack(policy.type_name()) {
                Some(reason) if policy.is_security() => return Err(reason.to_owned()),
                Some(_) => Compiled::LeftOut,
                None => return Err(format!("`{}` has no implementation", policy.type_name())),
            },
        })
    }

    /// A policy that means for each operation what the definition says of it.
    fn by_operation(&self, policy: &Policy, place: &Place<'_>) -> Result<Compiled<'a>, String> {
        match policy {
            Policy::RequestValidate(validate) => {
                let common = &self.config.content.policies;
                let index = common.iter().position(|other| std::ptr::eq(other, policy));
                let mut shared = self.schemas.borrow_mut();
                let mut own = Schemas::default();
                let schemas = match index {
                    Some(index) => shared.entry(index).or_default(),
                    None => &mut own,
                };
                let validation = Validation::compile(validate, place.matched(), schemas)?;
                Ok(Compiled::Check(Check::Validation(Arc::new(validation))))
            }
            Policy::Respond(respond) => {
                let respond = Respond::of_examples(respond, place.matched())?;
                Ok(Compiled::Respond(Arc::new(respond)))
            }
            policy => Err(format!("`{}` knows no definition", policy.type_name())),
        }
    }

    /// A quota is the same one across revisions if it is the n-th with its period and key at its place.
    fn quota(&self, quota: &QuotaPolicy, place: &Place<'_>, siblings: &[Policy]) -> Result<Quota, String> {
        let alike = siblings.iter().filter_map(|other| match other {
            Policy::Quota(other) if other.per == quota.per && other.key == quota.key => Some(other),
            _ => None,
        });
        let before = alike.take_while(|other| !std::ptr::eq(*other, quota)).count();
        let identity = [
            self.config.external_ref.0.as_str(),
            place.name(),
            &before.to_string(),
        ];
        Quota::compile(quota, &identity, Arc::clone(&self.compiler.stores.counts))
    }

    fn refused(&self, policy: &Policy, place: &Place<'_>, reason: String) -> ApplyError {
        if matches!(policy, Policy::ExtWasm(_)) {
            return ApplyError::Module {
                api: self.config.external_ref.clone(),
                place: place.name().to_owned(),
                reason,
            };
        }
        ApplyError::Policy {
            api: self.config.external_ref.clone(),
            policy: policy.type_name(),
            place: place.name().to_owned(),
            reason,
        }
    }
}
