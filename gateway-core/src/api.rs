//! An API made ready to serve: routes, upstreams and policies compiled once, used by every request.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc, time::Duration};

use gatehouse_schemas::revision::Operation;
use rustls::DistinguishedName;

use crate::{
    config::ApiConfig,
    error::ApplyError,
    metrics::{ApiMetrics, Registry},
    policy::{ApiPolicies, Chain, Compiler, cache, headers::Changes, mtls::Certificates},
    router::{
        Placed,
        pattern::{HostPattern, PathPattern},
        rule::Rule,
    },
    traffic::{Mirror, Split},
    upstream::{Endpoints, Upstream},
};

/// A compiled API.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) config: Arc<ApiConfig>,
    pub(crate) name: Arc<str>,
    pub(crate) hosts: Vec<HostPattern>,
    pub(crate) routes: Vec<Placed<Route>>,
    pub(crate) upstreams: Vec<Arc<Upstream>>,
    pub(crate) metrics: Arc<ApiMetrics>,
}

/// What a request needs once its route is known. It holds on to everything of one revision, so a request
/// that is under way never sees another one.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) api: Arc<str>,
    pub(crate) config: Arc<ApiConfig>,
    /// Which of its operations requests are matched to; none if it has none.
    operation: Option<usize>,
    pub(crate) metrics: Arc<ApiMetrics>,
    /// How many segments of the path the upstream does not see.
    pub(crate) base_segments: usize,
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) chain: Arc<Chain>,
    /// Changes of the request for this upstream alone.
    pub(crate) headers: Changes,
    /// Where the requests go in place of the upstream.
    pub(crate) split: Option<Split>,
    pub(crate) mirrors: Vec<Mirror>,
    /// A number that no other route has, of this revision or another one.
    pub(crate) scope: u64,
}

impl Route {
    /// How long the upstream may take to the head of the response.
    pub(crate) fn timeout(&self) -> Duration {
        let own = self.upstream.timeout;
        self.chain.timeout.map_or(own, |other| other.min(own))
    }

    fn operation(&self) -> Option<&Operation> {
        self.config.content.operations.get(self.operation?)
    }

    /// What requests are matched to, base path included.
    pub(crate) fn template(&self) -> String {
        let base = self.config.content.base_path.trim_end_matches('/');
        match self.operation().map(|operation| &operation.r#match) {
            None => format!("{base}/{{path...}}"),
            Some(wanted) => {
                let path = wanted.path.trim_end_matches('/');
                match &wanted.path_regex {
                    Some(regex) => format!("{base}{path}{regex}"),
                    None if base.is_empty() && path.is_empty() => "/".to_owned(),
                    None => format!("{base}{path}"),
                }
            }
        }
    }

    /// The operation as its definition calls it, or else as `METHOD /path`. None if its API has no operations.
    pub(crate) fn operation_name(&self) -> Option<Cow<'_, str>> {
        let operation = self.operation()?;
        let wanted = &operation.r#match;
        Some(match &operation.id {
            Some(id) => Cow::Borrowed(id),
            None => Cow::Owned(format!("{} {}", wanted.method, wanted.path)),
        })
    }
}

/// What compiling needs beyond the API itself.
pub(crate) struct Parts<'a> {
    pub(crate) endpoints: &'a Endpoints,
    pub(crate) compiler: &'a Compiler,
    pub(crate) metrics: &'a Registry,
}

impl Api {
    /// Compiles an API; anything that could not be enforced or reached is an error.
    pub(crate) fn compile(config: ApiConfig, parts: &Parts<'_>) -> Result<Self, ApplyError> {
        let config = Arc::new(config);
        let name = name(&config);
        let metrics = parts.metrics.get(&name);
        let mut api = Self {
            hosts: hosts(&config)?,
            routes: Vec::new(),
            upstreams: Vec::new(),
            config,
            name,
            metrics,
        };
        let build = Build::new(&api, parts)?;
        let routes = build.routes()?;
        let upstreams = build.upstreams.values().cloned().collect();
        api.routes = routes;
        api.upstreams = upstreams;
        Ok(api)
    }
}

impl Api {
    /// Whose certificates its callers are to show.
    pub(crate) fn certificate_authorities(&self) -> impl Iterator<Item = &DistinguishedName> {
        let routes = self.routes.iter().map(|placed| &placed.rule.target);
        routes
            .flat_map(|route| route.chain.certificate_checks())
            .flat_map(Certificates::authorities)
    }
}

/// The name in metrics and logs.
fn name(config: &ApiConfig) -> Arc<str> {
    match &config.mark {
        Some(mark) => Arc::from(mark.api_name.as_str()),
        None => Arc::from(config.external_ref.0.as_str()),
    }
}

fn hosts(config: &ApiConfig) -> Result<Vec<HostPattern>, ApplyError> {
    if config.content.hostnames.is_empty() {
        return Ok(vec![HostPattern::Any]);
    }
    let parsed = config
        .content
        .hostnames
        .iter()
        .map(|host| HostPattern::parse(host));
    parsed
        .collect::<Result<_, _>>()
        .map_err(|reason| invalid(config, reason))
}

fn invalid(config: &ApiConfig, reason: String) -> ApplyError {
    ApplyError::Invalid {
        api: config.external_ref.clone(),
        reason,
    }
}

/// The routes of one API in the making.
struct Build<'a> {
    api: &'a Api,
    upstreams: BTreeMap<&'a str, Arc<Upstream>>,
    policies: ApiPolicies<'a>,
    /// Shared by all operations without policies of their own, unless those of the API differ by operation.
    common: Option<Arc<Chain>>,
    base_segments: usize,
}

impl<'a> Build<'a> {
    fn new(api: &'a Api, parts: &'a Parts<'a>) -> Result<Self, ApplyError> {
        let config = &*api.config;
        let mut upstreams = BTreeMap::new();
        for (name, upstream) in &config.content.upstreams {
            let upstream = Upstream::compile(upstream, &config.secrets, parts.endpoints)
                .map_err(|reason| invalid(config, format!("upstream `{name}`: {reason}")))?;
            upstreams.insert(name.as_str(), Arc::new(upstream));
        }
        let base =
            PathPattern::parse(&config.content.base_path, "").map_err(|reason| invalid(config, reason))?;
        if base.rest {
            return Err(invalid(
                config,
                "the base path cannot contain `{…...}`".to_owned(),
            ));
        }
        let policies = parts.compiler.api(config, parts.endpoints)?;
        Ok(Self {
            api,
            upstreams,
            common: policies.common()?.map(Arc::new),
            policies,
            base_segments: base.segments.len(),
        })
    }

    fn routes(&self) -> Result<Vec<Placed<Route>>, ApplyError> {
        let content = &self.api.config.content;
        if content.operations.is_empty() {
            return Ok(vec![self.everything()?]);
        }
        (0..content.operations.len())
            .map(|index| self.operation(index))
            .collect()
    }

    fn everything(&self) -> Result<Placed<Route>, ApplyError> {
        let config = &*self.api.config;
        let pattern =
            PathPattern::below(&config.content.base_path).map_err(|reason| invalid(config, reason))?;
        let Some(common) = &self.common else {
            return Err(invalid(config, "there are no operations".to_owned()));
        };
        let route = Arc::new(self.route("main", Arc::clone(common))?);
        let rule = Rule::everything(config.external_ref.clone(), route);
        Ok(Placed {
            pattern,
            rule: Arc::new(rule),
        })
    }

    fn operation(&self, index: usize) -> Result<Placed<Route>, ApplyError> {
        let config = &*self.api.config;
        let operation = &config.content.operations[index];
        let chain = match &self.common {
            Some(common) if operation.policies.is_empty() => Arc::clone(common),
            _ => Arc::new(self.policies.operation(index)?),
        };
        let mut route = self.spread(operation, chain)?;
        route.operation = Some(index);
        let route = Arc::new(route);
        let wanted = &operation.r#match;
        let pattern = PathPattern::of(&config.content.base_path, wanted);
        let rule = Rule::new(
            wanted,
            self.base_segments,
            config.external_ref.clone(),
            index,
            route,
        );
        Ok(Placed {
            pattern: pattern.map_err(|reason| invalid(config, reason))?,
            rule: Arc::new(rule.map_err(|reason| invalid(config, reason))?),
        })
    }

    /// The route of an operation to its upstream, or to all those that share its requests or get copies.
    fn spread(&self, operation: &Operation, chain: Arc<Chain>) -> Result<Route, ApplyError> {
        let Some(traffic) = &operation.traffic else {
            return self.route(operation.upstream.as_deref().unwrap_or("main"), chain);
        };
        let own = operation.upstream.as_deref();
        let first = traffic.split.first().map(|share| share.upstream.as_str());
        let mut route = self.route(own.or(first).unwrap_or("main"), Arc::clone(&chain))?;
        for mirror in &traffic.mirror {
            let copy = self.route(&mirror.upstream, Arc::clone(&chain))?;
            route
                .mirrors
                .push(Mirror::new(Arc::new(copy), mirror.per_million));
        }
        if !traffic.split.is_empty() {
            let shares = traffic.split.iter().map(|share| {
                let mut route = self.route(&share.upstream, Arc::clone(&chain))?;
                let changed = route.headers.extend(&share.headers);
                changed.map_err(|reason| invalid(&self.api.config, reason))?;
                Ok((share.weight, Arc::new(route)))
            });
            let shares: Vec<_> = shares.collect::<Result<_, ApplyError>>()?;
            let split = Split::new(shares, traffic.sticky.as_ref());
            route.split = Some(split.map_err(|reason| invalid(&self.api.config, reason))?);
        }
        Ok(route)
    }

    fn route(&self, upstream: &str, chain: Arc<Chain>) -> Result<Route, ApplyError> {
        let Some(upstream) = self.upstreams.get(upstream) else {
            let reason = format!("there is no upstream `{upstream}`; add it under `upstreams`");
            return Err(invalid(&self.api.config, reason));
        };
        Ok(Route {
            api: Arc::clone(&self.api.name),
            config: Arc::clone(&self.api.config),
            operation: None,
            metrics: Arc::clone(&self.api.metrics),
            base_segments: self.base_segments,
            upstream: Arc::clone(upstream),
            chain,
            headers: Changes::default(),
            split: None,
            mirrors: Vec::new(),
            scope: cache::next_scope(),
        })
    }
}
