//! `auth.conditions`: expressions in CEL hold of each request.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, LazyLock},
};

use cel::{Context, Env, Program, Value, to_value};
use gatehouse_schemas::policy::{ConditionsPolicy, condition};
use http::{HeaderMap, HeaderValue, Method, Uri};
use percent_encoding::percent_decode_str;
use serde_json::Map;
use tracing::debug;

use crate::{proxy::problem::Problem, router::rule::parameters};

/// CEL's own functions, shared by all requests.
static FUNCTIONS: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A compiled policy.
#[derive(Debug)]
pub(crate) struct Conditions {
    require: Vec<Condition>,
    deny: Vec<Condition>,
    /// Whether any expression is about the request itself, which is costly to describe.
    is_about_requests: bool,
    is_about_claims: bool,
}

#[derive(Debug)]
struct Condition {
    text: String,
    program: Program,
}

/// The request that conditions are about.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) host: &'a HeaderValue,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) address: IpAddr,
    pub(crate) consumer: Option<&'a str>,
    /// Those of the token that was verified.
    pub(crate) claims: Option<&'a Map<String, serde_json::Value>>,
}

impl Conditions {
    /// Compiles the policy.
    pub(crate) fn compile(policy: &ConditionsPolicy) -> Result<Self, String> {
        if policy.require.is_empty() && policy.deny.is_empty() {
            return Err("it needs a condition, or every request would pass".to_owned());
        }
        let (require, deny) = (compiled(&policy.require)?, compiled(&policy.deny)?);
        let is_about = |name: &str| {
            let mut all = require.iter().chain(&deny);
            all.any(|it| it.program.references().has_variable(name))
        };
        let (is_about_requests, is_about_claims) = (is_about("request"), is_about("claims"));
        Ok(Self {
            require,
            deny,
            is_about_requests,
            is_about_claims,
        })
    }

    /// Refuses what a condition does not hold of, and what one cannot be evaluated for.
    pub(crate) fn check(&self, subject: &Subject<'_>) -> Result<(), Problem> {
        let context = self.described(subject).ok_or_else(refused)?;
        let is_met = self.require.iter().all(|it| it.is(&context) == Some(true))
            && self.deny.iter().all(|it| it.is(&context) == Some(false));
        is_met.then_some(()).ok_or_else(refused)
    }

    fn described(&self, subject: &Subject<'_>) -> Option<Context<'_, '_>> {
        let mut context = Context::with_env(Arc::clone(&FUNCTIONS));
        let address = Value::from(subject.address.to_canonical().to_string());
        let source = HashMap::from([("address", address)]);
        let variables = [
            ("source", Some(Value::from(source))),
            (
                "consumer",
                Some(Value::from(subject.consumer.unwrap_or_default())),
            ),
            ("request", self.is_about_requests.then(|| request(subject))),
            ("claims", claims(subject, self.is_about_claims)?),
        ];
        for (name, value) in variables {
            if let Some(value) = value {
                context.add_variable_from_value(name, value);
            }
        }
        Some(context)
    }
}

fn compiled(expressions: &[String]) -> Result<Vec<Condition>, String> {
    let one = |text: &String| {
        let program = condition(text).map_err(|reason| format!("`{text}`: {reason}"))?;
        Ok(Condition {
            text: text.clone(),
            program,
        })
    };
    expressions.iter().map(one).collect()
}

impl Condition {
    /// Whether it holds; none if that cannot be said.
    fn is(&self, context: &Context<'_, '_>) -> Option<bool> {
        match self.program.execute(context) {
            Ok(Value::Bool(is)) => Some(is),
            Ok(_) => {
                debug!(condition = self.text, "A condition is neither true nor false");
                None
            }
            Err(error) => {
                debug!(condition = self.text, %error, "A condition cannot be evaluated");
                None
            }
        }
    }
}

/// None inside if no expression asks; none at all if they cannot be described.
fn claims(subject: &Subject<'_>, is_asked: bool) -> Option<Option<Value>> {
    match (is_asked, subject.claims) {
        (false, _) => Some(None),
        (true, None) => Some(Some(Value::from(HashMap::<String, Value>::new()))),
        (true, Some(claims)) => to_value(claims).ok().map(Some),
    }
}

fn request(subject: &Subject<'_>) -> Value {
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers: HashMap<String, Value> = subject
        .headers
        .keys()
        .filter_map(|name| Some((name.to_string(), Value::from(text(subject.headers.get(name)?)))))
        .collect();
    let mut query: HashMap<String, Value> = HashMap::new();
    for (name, value) in parameters(subject.uri.query().unwrap_or_default()) {
        query
            .entry(decoded(name))
            .or_insert_with(|| Value::from(decoded(value)));
    }
    Value::from(HashMap::from([
        ("method", Value::from(subject.method.as_str())),
        ("host", Value::from(text(subject.host))),
        ("path", Value::from(subject.uri.path())),
        ("headers", Value::from(headers)),
        ("query", Value::from(query)),
    ]))
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " "))
        .decode_utf8_lossy()
        .into_owned()
}

/// Which condition it was stays with those who wrote it.
fn refused() -> Problem {
    Problem::forbidden("The request does not meet the conditions of this API.")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn is_let_in(policy: serde_json::Value) -> bool {
        let policy: ConditionsPolicy = serde_json::from_value(policy).expect("a policy");
        let claims = json!({"role": "clerk", "groups": ["shop", "books"], "level": 3});
        let mut headers = HeaderMap::new();
        headers.append("x-tenant", HeaderValue::from_static("north"));
        headers.append("x-tenant", HeaderValue::from_static("south"));
        let subject = Subject {
            method: &Method::GET,
            uri: &"/orders/7?page=2&page=3&name=a+b".parse().expect("a target"),
            host: &HeaderValue::from_static("shop.example"),
            headers: &headers,
            address: IpAddr::from([10, 0, 0, 7]),
            consumer: Some("alice"),
            claims: claims.as_object(),
        };
        let conditions = Conditions::compile(&policy).expect("it compiles");
        conditions.check(&subject).is_ok()
    }

    #[test]
    fn conditions_see_the_request_the_caller_and_the_claims() {
        for holds in [
            "request.method == 'GET' && request.host == 'shop.example'",
            "request.path.startsWith('/orders/') && request.path.matches('^/orders/[0-9]+$')",
            "request.headers['x-tenant'] == 'north'",
            "request.query.page == '2' && request.query.name == 'a b'",
            "source.address == '10.0.0.7' && consumer == 'alice'",
            "claims.role == 'clerk' && claims.level >= 3 && 'books' in claims.groups",
            "claims.groups.exists(group, group.startsWith('sh'))",
            "!has(claims.admin)",
        ] {
            assert!(is_let_in(json!({"require": [holds]})), "{holds}");
            assert!(!is_let_in(json!({"deny": [holds]})), "{holds}");
            assert!(
                is_let_in(json!({"require": [holds], "deny": [format!("!({holds})")]})),
                "{holds}"
            );
        }
    }

    #[test]
    fn what_cannot_be_said_lets_nobody_in() {
        for unclear in [
            "claims.admin == 'yes'",
            "claims.role",
            "claims.level > 'a'",
            "request.headers['none'] == ''",
        ] {
            assert!(!is_let_in(json!({"require": [unclear]})), "{unclear}");
            assert!(!is_let_in(json!({"deny": [unclear]})), "{unclear}");
        }
    }

    #[test]
    fn all_of_them_must_be_met() {
        assert!(!is_let_in(json!({"require": ["true", "false"]})));
        assert!(!is_let_in(
            json!({"require": ["true"], "deny": ["false", "true"]})
        ));
        assert!(Conditions::compile(&serde_json::from_value(json!({})).expect("a policy")).is_err());
    }
}
