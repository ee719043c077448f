//! Policies compiled to what a request is checked with.
//!
//! A policy that cannot be enforced is an error here, and its API is then not served: there is no way to
//! a route without its checks.

pub(crate) mod addresses;
pub(crate) mod api_key;
pub(crate) mod basic;
pub(crate) mod cache;
mod compile;
mod complaint;
pub(crate) mod conditions;
pub(crate) mod cors;
pub(crate) mod external;
pub(crate) mod headers;
mod json;
mod jwks;
pub(crate) mod jwt;
pub(crate) mod limits;
pub(crate) mod log;
pub(crate) mod mtls;
mod oauth2;
pub(crate) mod redirect;
pub(crate) mod respond;
pub(crate) mod retry;
pub(crate) mod rewrite;
pub(crate) mod support;
mod template;
pub(crate) mod transform;
pub(crate) mod validate;
pub(crate) mod wasm;

use std::{net::IpAddr, sync::Arc, time::Duration};

use gatehouse_schemas::policy::Policy;
use http::{HeaderMap, HeaderName, header};

pub(crate) use self::compile::{ApiPolicies, Compiler};
use self::{
    addresses::Addresses,
    api_key::{ApiKeys, Location},
    basic::Basic,
    cache::Caching,
    compile::Compiled,
    conditions::Conditions,
    cors::Cors,
    external::External,
    headers::Changes,
    jwt::Jwt,
    limits::{CompiledLimit, Limits},
    log::Log,
    mtls::Certificates,
    oauth2::OAuth2,
    respond::Respond,
    retry::Retry,
    rewrite::Rewrite,
    transform::Transform,
    validate::Validation,
    wasm::Wasm,
};
use crate::proxy::problem::Problem;

/// Everything that must hold for a route, in the order in which it is looked at.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    pub(crate) cors: Option<Arc<Cors>>,
    /// From where comes before who, who before how often, and that before what.
    pub(crate) checks: Vec<Check>,
    /// What becomes one of the checks when all of them are known.
    limits: Vec<CompiledLimit>,
    /// The largest body in bytes.
    pub(crate) max_body: Option<u64>,
    /// The longest time to the head of the response.
    pub(crate) timeout: Option<Duration>,
    pub(crate) respond: Option<Arc<Respond>>,
    /// What of requests is written to the access log; without it the gateway decides.
    pub(crate) log: Option<Arc<Log>>,
    pub(crate) retry: Option<Arc<Retry>>,
    pub(crate) rewrite: Option<Arc<Rewrite>>,
    pub(crate) transform: Option<Arc<Transform>>,
    pub(crate) cache: Option<Arc<Caching>>,
    /// Credentials that the upstream does not see.
    pub(crate) hidden_headers: Vec<HeaderName>,
    pub(crate) hidden_parameters: Vec<String>,
    pub(crate) request: Changes,
    pub(crate) response: Changes,
    /// Modules that see answers, in the order in which they do: the last one that saw the request first.
    pub(crate) answer_modules: Vec<Arc<Wasm>>,
}

/// One check.
#[derive(Debug, Clone)]
pub(crate) enum Check {
    Addresses(Arc<Addresses>),
    ApiKey(Arc<ApiKeys>),
    Basic(Arc<Basic>),
    Certificate(Arc<Certificates>),
    Jwt(Arc<Jwt>),
    Conditions(Arc<Conditions>),
    External(Arc<External>),
    Wasm(Arc<Wasm>),
    OAuth2(Arc<OAuth2>),
    Limits(Arc<Limits>),
    Validation(Arc<Validation>),
}

impl Check {
    /// Checks are made in the order of this number, those with the same one as they are written.
    fn rank(&self) -> u8 {
        match self {
            Self::Addresses(_) => 0,
            Self::ApiKey(_) | Self::Basic(_) | Self::Certificate(_) | Self::Jwt(_) | Self::OAuth2(_) => 1,
            Self::Conditions(_) => 2,
            Self::External(_) | Self::Wasm(_) => 3,
            Self::Limits(_) => 4,
            Self::Validation(_) => 5,
        }
    }
}

impl Chain {
    fn add(&mut self, compiled: Compiled<'_>) -> Result<(), String> {
        match compiled {
            Compiled::Check(check) => self.add_check(check),
            Compiled::Limit(limit) => self.limits.push(limit),
            Compiled::Cors(cors) => self.cors = Some(cors),
            Compiled::Cache(cache) => self.cache = Some(cache),
            Compiled::Plain(Policy::Headers(changes)) => {
                self.request.extend(&changes.request)?;
                self.response.extend(&changes.response)?;
            }
            Compiled::Respond(respond) => self.respond = Some(respond),
            Compiled::Retry(retry) => self.retry = Some(retry),
            Compiled::Rewrite(rewrite) => self.rewrite = Some(rewrite),
            Compiled::Transform(transform) => self.transform = Some(transform),
            Compiled::Plain(Policy::RequestSize(size)) => {
                let smallest = self
                    .max_body
                    .map_or(size.max_bytes, |other| other.min(size.max_bytes));
                self.max_body = Some(smallest);
            }
            Compiled::Plain(Policy::Timeout(timeout)) => {
                let own = Duration::from_millis(timeout.response_ms.into());
                self.timeout = Some(self.timeout.map_or(own, |other| other.min(own)));
            }
            Compiled::Plain(Policy::Log(log)) => self.log = Some(Arc::new(Log::compile(log)?)),
            Compiled::LeftOut => {}
            Compiled::ByOperation => return Err("it holds for an operation only".to_owned()),
            Compiled::Plain(policy) => return Err(format!("`{}` has no implementation", policy.type_name())),
        }
        Ok(())
    }

    fn add_check(&mut self, check: Check) {
        match &check {
            Check::Wasm(wasm) => {
                if wasm.sees_answers() {
                    self.answer_modules.insert(0, Arc::clone(wasm));
                }
                if !wasm.sees_requests() {
                    return;
                }
            }
            Check::ApiKey(keys) if !keys.forward => match &keys.location {
                Location::Header(name) => self.hidden_headers.push(name.clone()),
                Location::Query(name) => self.hidden_parameters.push(name.clone()),
            },
            Check::External(external) => self
                .hidden_headers
                .extend(external.upstream_headers.iter().cloned()),
            Check::Basic(basic) if !basic.forward => self.hidden_headers.push(header::AUTHORIZATION),
            _ => {}
        }
        self.checks.push(check);
    }

    /// Those checks that look at callers' certificates.
    pub(crate) fn certificate_checks(&self) -> impl Iterator<Item = &Certificates> {
        self.checks.iter().filter_map(|check| match check {
            Check::Certificate(certificates) => Some(&**certificates),
            _ => None,
        })
    }

    /// Keys are credentials, whether or not the upstream may see them.
    fn keep_keys_out_of_the_log(&mut self) {
        let Some(log) = self.log.take() else {
            return;
        };
        let of_key = |check: &Check| match check {
            Check::ApiKey(keys) => match &keys.location {
                Location::Header(name) => Some(name.clone()),
                Location::Query(_) => None,
            },
            _ => None,
        };
        let credentials: Vec<HeaderName> = self.checks.iter().filter_map(of_key).collect();
        self.log = Some(Arc::new(log.without(&credentials)));
    }

    /// Those checks that look at the body of a request with these headers.
    pub(crate) fn body_checks<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a Validation> {
        self.checks.iter().filter_map(|check| match check {
            Check::Validation(validation) if validation.needs_body(headers) => Some(&**validation),
            _ => None,
        })
    }

    /// Whether an address may call at all.
    pub(crate) fn admits(&self, address: IpAddr) -> Result<(), Problem> {
        self.checks.iter().try_for_each(|check| match check {
            Check::Addresses(addresses) => addresses.check(address),
            _ => Ok(()),
        })
    }
}
