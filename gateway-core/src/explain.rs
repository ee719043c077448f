//! Why a request takes the route that it takes: which one, which others were looked at and by what they lost, and
//! what holds for it.
//!
//! Pure, and decided by the same router that carries traffic.

mod explanation;

use std::sync::Arc;

use gatehouse_schemas::{
    api::OperationMatch,
    policy::{Layer, Origin, explain as explain_policies},
    revision::Operation,
    route::join,
};
use http::Method;

pub use self::explanation::{
    Criterion, EffectivePolicy, Explanation, LeftOutPolicy, Other, Outcome, Question, Route, Served,
};
use crate::router::{
    Lookup, Placed, Router,
    path::NormalPath,
    pattern::{HostPattern, PathPattern},
    rule::{RequestView, Rule, Unmet, Wanted},
};

/// Where a rule comes from.
#[derive(Debug)]
struct Source<'a> {
    api: Served<'a>,
    host: &'a str,
    operation: Option<usize>,
    pattern: PathPattern,
}

/// Explains what becomes of a request among these APIs. APIs whose hosts or paths cannot be served are left out, as
/// the gateway does.
pub fn explain<'a>(apis: impl IntoIterator<Item = Served<'a>>, question: &Question) -> Explanation {
    let mut router = Router::default();
    for api in apis {
        for (host, placed) in sources(api).unwrap_or_default() {
            router.insert(&[host], &placed);
        }
    }
    let Ok(path) = NormalPath::parse(&question.path) else {
        return nothing(
            Outcome::Misleading,
            "The path has an invalid or misleading escape; it is answered 400.",
        );
    };
    let view = RequestView {
        method: &question.method,
        headers: &question.headers,
        query: question.query.as_deref(),
    };
    let found = router.find(&question.host, &path, &view);
    let mut looked_at = Vec::new();
    router.visit(&question.host, &path, &mut |tree, rule| {
        looked_at.push((tree, rule));
    });
    let place = looked_at
        .iter()
        .position(|(_, rule)| matches!(&found, Lookup::Found(source) if Arc::ptr_eq(source, &rule.target)));
    let Some(place) = place else {
        let others = looked_at.iter().filter_map(|(_, rule)| refused(rule, &view));
        return Explanation {
            others: others.collect(),
            ..not_found(&found, router.knows_host(&question.host), question)
        };
    };
    let winner = looked_at[place];
    let others = looked_at.iter().enumerate().filter(|(other, _)| *other != place);
    let others = others.filter_map(|(_, other)| refused(other.1, &view).or_else(|| beaten(*other, winner)));
    let source = &winner.1.target;
    let (policies, overridden) = policies(source);
    Explanation {
        outcome: Outcome::Found,
        reason: format!("API `{}` takes it.", source.api.name),
        route: Some(source.route()),
        others: others.collect(),
        policies,
        overridden,
    }
}

/// The routes of an API, in its own order, once for each of its hosts.
pub fn routes(api: Served<'_>) -> Vec<Route> {
    let sources = sources(api).unwrap_or_default().into_iter();
    sources
        .flat_map(|(_, placed)| placed)
        .map(|placed| placed.rule.target.route())
        .collect()
}

type Sources<'a> = Vec<(HostPattern, Vec<Placed<Source<'a>>>)>;

fn sources(api: Served<'_>) -> Result<Sources<'_>, String> {
    let hosts = &api.content.hostnames;
    if hosts.is_empty() {
        return Ok(vec![(HostPattern::Any, placed(api, "*")?)]);
    }
    let sources = hosts
        .iter()
        .map(|host| Ok((HostPattern::parse(host)?, placed(api, host)?)));
    sources.collect()
}

fn placed<'a>(api: Served<'a>, host: &'a str) -> Result<Vec<Placed<Source<'a>>>, String> {
    let base = &api.content.base_path;
    let source = |operation, pattern: &PathPattern| {
        Arc::new(Source {
            api,
            host,
            operation,
            pattern: pattern.clone(),
        })
    };
    if api.content.operations.is_empty() {
        let pattern = PathPattern::below(base)?;
        let rule = Rule::everything(api.reference.clone(), source(None, &pattern));
        return Ok(vec![Placed {
            pattern,
            rule: Arc::new(rule),
        }]);
    }
    let base_segments = PathPattern::parse(base, "")?.segments.len();
    let operations = api.content.operations.iter().enumerate();
    let placed = operations.map(|(index, operation)| {
        let pattern = PathPattern::of(base, &operation.r#match)?;
        let target = source(Some(index), &pattern);
        let rule = Rule::new(
            &operation.r#match,
            base_segments,
            api.reference.clone(),
            index,
            target,
        )?;
        Ok(Placed {
            pattern,
            rule: Arc::new(rule),
        })
    });
    placed.collect()
}

impl Source<'_> {
    fn operation(&self) -> Option<&Operation> {
        self.api.content.operations.get(self.operation?)
    }

    fn route(&self) -> Route {
        let content = self.api.content;
        let everything = OperationMatch {
            method: "*".to_owned(),
            path: "/{rest...}".to_owned(),
            ..OperationMatch::default()
        };
        let operation = self.operation();
        let matched = operation.map_or(&everything, |operation| &operation.r#match);
        let values = matched.headers.iter().chain(&matched.query);
        let values = values.map(|(name, value)| format!("{name}={value}"));
        let expressions = matched.header_regex.iter().chain(&matched.query_regex);
        let expressions = expressions.map(|(name, text)| format!("{name}~{text}"));
        Route {
            api: self.api.name.to_owned(),
            host: self.host.to_owned(),
            method: matched.method.clone(),
            path: join(&content.base_path, &matched.path),
            path_regex: matched.path_regex.clone(),
            conditions: values.chain(expressions).collect(),
            operation: self.operation,
            upstreams: operation.map_or_else(|| vec!["main".to_owned()], upstreams),
        }
    }
}

fn upstreams(operation: &Operation) -> Vec<String> {
    let split = operation.traffic.iter().flat_map(|traffic| &traffic.split);
    let shared: Vec<String> = split.map(|share| share.upstream.clone()).collect();
    match shared.is_empty() {
        true => vec![operation.upstream.clone().unwrap_or_else(|| "main".to_owned())],
        false => shared,
    }
}

fn nothing(outcome: Outcome, reason: &str) -> Explanation {
    Explanation {
        outcome,
        reason: reason.to_owned(),
        route: None,
        others: Vec::new(),
        policies: Vec::new(),
        overridden: Vec::new(),
    }
}

fn not_found(found: &Lookup<'_, Source<'_>>, knows_host: bool, question: &Question) -> Explanation {
    match found {
        Lookup::OtherMethods(methods) => {
            let methods: Vec<&str> = methods.iter().map(String::as_str).collect();
            let reason = format!(
                "The path is served for {} only; it is answered 405.",
                methods.join(", ")
            );
            nothing(Outcome::OtherMethods, &reason)
        }
        Lookup::Ambiguous => nothing(
            Outcome::Ambiguous,
            "The path can be read in two ways that lead to different operations; it is answered 400.",
        ),
        Lookup::Found(_) | Lookup::Nothing => {
            let reason = match knows_host {
                true => format!(
                    "APIs are served at host `{}`, none of them takes the path with this method, these headers and this query; it is answered 404.",
                    question.host
                ),
                false => format!(
                    "No API is served at host `{}`; it is answered 404.",
                    question.host
                ),
            };
            nothing(Outcome::NoRoute, &reason)
        }
    }
}

/// Why a rule does not take a request at all; none if it does.
fn refused(rule: &Rule<Source<'_>>, request: &RequestView<'_>) -> Option<Other> {
    let as_get = *request.method == Method::HEAD && rule.accepts_method(&Method::GET);
    let (criterion, reason) = if !rule.accepts_method(request.method) && !as_get {
        let wanted = rule.method().map_or("*", Method::as_str);
        (Criterion::Method, format!("it is for the method `{wanted}`"))
    } else {
        match rule.unmet(request)? {
            Unmet::Header(name, wanted) => {
                let asked = match wanted {
                    Wanted::Exactly(value) => format!("`{name}: {value}`"),
                    Wanted::Matching(expression) => format!("`{name}` that matches `{}`", expression.text),
                };
                (Criterion::Headers, format!("it asks for the header {asked}"))
            }
            Unmet::Query(name, wanted) => {
                let asked = match wanted {
                    Wanted::Exactly(value) => format!("`{name}={value}`"),
                    Wanted::Matching(expression) => format!("`{name}` that matches `{}`", expression.text),
                };
                (
                    Criterion::Query,
                    format!("it asks for the query parameter {asked}"),
                )
            }
        }
    };
    Some(Other {
        route: rule.target.route(),
        criterion,
        reason,
    })
}

/// By what a rule that would take the request comes after another one. Each stands with the number of its host.
fn beaten(
    (tree, rule): (usize, &Arc<Rule<Source<'_>>>),
    (winners_tree, winner): (usize, &Arc<Rule<Source<'_>>>),
) -> Option<Other> {
    let (own, other) = (&rule.target, &winner.target);
    let (criterion, reason) = if tree != winners_tree {
        let reason = format!("host `{}` is more specific than `{}`", other.host, own.host);
        (Criterion::Host, reason)
    } else if own.pattern != other.pattern {
        let reason = format!("path {} comes before {}", shown(other), shown(own));
        (Criterion::Path, reason)
    } else if rule.method().is_none() && winner.method().is_some() {
        (Criterion::Method, "the other one names the method".to_owned())
    } else if rule.headers.len() < winner.headers.len() {
        (
            Criterion::Headers,
            "the other one asks for more headers".to_owned(),
        )
    } else if rule.query.len() < winner.query.len() {
        (
            Criterion::Query,
            "the other one asks for more query parameters".to_owned(),
        )
    } else if rule.api != winner.api {
        let reason = format!(
            "both are equal, and reference `{}` comes before `{}`",
            winner.api, rule.api
        );
        (Criterion::Api, reason)
    } else {
        (
            Criterion::Order,
            "both are equal, and the other one is written first".to_owned(),
        )
    };
    Some(Other {
        route: own.route(),
        criterion,
        reason,
    })
}

fn shown(source: &Source<'_>) -> String {
    let route = source.route();
    match route.path_regex {
        Some(regex) => format!("`{}` with the expression `{regex}`", route.path),
        None => format!("`{}`", route.path),
    }
}

fn policies(source: &Source<'_>) -> (Vec<EffectivePolicy>, Vec<LeftOutPolicy>) {
    let object = format!("api/{}", source.api.name);
    let list = source
        .operation
        .map(|operation| format!("/operations/{operation}/policies"))
        .unwrap_or_default();
    let own = source
        .operation()
        .map_or(&[][..], |operation| &operation.policies[..]);
    let places = [
        ("/policies", &source.api.content.policies[..]),
        (list.as_str(), own),
    ];
    let layers = places.map(|(list, policies)| Layer {
        origin: Origin {
            object: object.as_str().into(),
            list: list.into(),
        },
        policies,
        lock: &[],
    });
    let explained = explain_policies(&layers, None);
    let effective = explained
        .effective
        .into_iter()
        .map(EffectivePolicy::from)
        .collect();
    let overridden = explained
        .overridden
        .into_iter()
        .map(LeftOutPolicy::from)
        .collect();
    (effective, overridden)
}

#[cfg(test)]
mod tests;
