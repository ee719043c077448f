//! `auth.conditions`: expressions in CEL hold of each request.

mod patterns;

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    net::IpAddr,
    sync::{Arc, LazyLock},
};

use cel::{Context, Env, Program, Value, to_value};
use gatehouse_schemas::policy::{ConditionsPolicy, condition, mentioned};
use http::{HeaderMap, HeaderValue, Method};
use percent_encoding::percent_decode_str;
use serde_json::Map;
use tracing::debug;

use self::patterns::{Function, Patterns};
use crate::{proxy::problem::Problem, router::rule::parameters};

/// CEL's own functions, shared by all requests; without `matches`, which each policy has of its own.
static FUNCTIONS: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A compiled policy.
#[derive(Debug)]
pub(crate) struct Conditions {
    require: Vec<Condition>,
    deny: Vec<Condition>,
    /// Whether any expression is about the request itself, which is costly to describe.
    is_about_requests: bool,
    is_about_claims: bool,
    /// What they name, among it the headers and query parameters that they are about.
    mentioned: BTreeSet<String>,
    /// Only if an expression matches anything.
    patterns: Option<Arc<Patterns>>,
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
    /// In its canonical form, which is what the upstream gets.
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
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
        let all = require.iter().chain(&deny);
        Ok(Self {
            patterns: Patterns::of(all.clone().map(|it| &it.program))?,
            mentioned: all.flat_map(|it| mentioned(&it.program)).collect(),
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
        if let Some(patterns) = &self.patterns {
            context
                .add_function::<Function, _>("matches", patterns.function())
                .ok()?;
        }
        let address = Value::from(subject.address.to_canonical().to_string());
        let source = HashMap::from([("address", address)]);
        let request = match self.is_about_requests {
            true => Some(self.request(subject)?),
            false => None,
        };
        let variables = [
            ("source", Some(Value::from(source))),
            (
                "consumer",
                Some(Value::from(subject.consumer.unwrap_or_default())),
            ),
            ("request", request),
            ("claims", claims(subject, self.is_about_claims)?),
        ];
        for (name, value) in variables {
            if let Some(value) = value {
                context.add_variable_from_value(name, value);
            }
        }
        Some(context)
    }

    /// None if it can be read in several ways.
    fn request(&self, subject: &Subject<'_>) -> Option<Value> {
        let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
        let headers = subject.headers.iter();
        let headers = self.values(headers.map(|(name, value)| (name.to_string(), text(value))))?;
        let query = parameters(subject.query.unwrap_or_default());
        let query = self.values(query.map(|(name, value)| (decoded(name), Some(decoded(value)))))?;
        Some(Value::from(HashMap::from([
            ("method", Value::from(subject.method.as_str())),
            ("host", Value::from(text(subject.host)?)),
            ("path", Value::from(subject.path)),
            ("headers", Value::from(headers)),
            ("query", Value::from(query)),
        ])))
    }

    /// Values by name; those that are no text are left out. None if an expression is about one that is no text, or of
    /// which there are several: the upstream may go by another one.
    fn values(
        &self,
        pairs: impl Iterator<Item = (String, Option<String>)>,
    ) -> Option<HashMap<String, Value>> {
        let mut values: HashMap<String, Option<String>> = HashMap::new();
        for (name, value) in pairs {
            let is_asked = self.mentioned.contains(&name);
            match values.entry(name) {
                Entry::Vacant(_) if is_asked && value.is_none() => return None,
                Entry::Occupied(first) if is_asked && *first.get() != value => return None,
                Entry::Vacant(vacant) => drop(vacant.insert(value)),
                Entry::Occupied(_) => {}
            }
        }
        let texts = values.into_iter();
        Some(
            texts
                .filter_map(|(name, value)| Some((name, Value::from(value?))))
                .collect(),
        )
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

    fn decides(
        policy: serde_json::Value,
        path: &str,
        query: &str,
        headers: &[(&'static str, &[u8])],
    ) -> bool {
        let policy: ConditionsPolicy = serde_json::from_value(policy).expect("a policy");
        let claims = json!({"role": "clerk", "groups": ["shop", "books"], "level": 3});
        let given = headers;
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(*name, HeaderValue::from_bytes(value).expect("a value"));
        }
        let subject = Subject {
            method: &Method::GET,
            path,
            query: Some(query),
            host: &HeaderValue::from_static("shop.example"),
            headers: &headers,
            address: IpAddr::from([10, 0, 0, 7]),
            consumer: Some("alice"),
            claims: claims.as_object(),
        };
        let conditions = Conditions::compile(&policy).expect("it compiles");
        conditions.check(&subject).is_ok()
    }

    fn is_let_in(policy: serde_json::Value) -> bool {
        let headers: &[(_, &[u8])] = &[
            ("x-tenant", b"north"),
            ("x-other", b"a"),
            ("x-other", b"b"),
            ("x-name", b"Jos\xe9"),
        ];
        decides(policy, "/orders/7", "page=2&page=2&name=a+b&tag=x&tag=y", headers)
    }

    #[test]
    fn conditions_see_the_request_the_caller_and_the_claims() {
        for holds in [
            "request.method == 'GET' && request.host == 'shop.example'",
            "request.path.startsWith('/orders/') && request.path.matches('^/orders/[0-9]+$')",
            "matches(request.path, 'ord') && !matches(consumer, '^b') && consumer.matches('^' + consumer + '$')",
            "claims.groups.exists(group, group.matches('^b'))",
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
            "consumer.matches('(' + consumer)",
            "claims.level.matches('3')",
            "consumer.matches(claims.level)",
            "consumer.matches('a', 'b')",
            "matches('a')",
        ] {
            assert!(!is_let_in(json!({"require": [unclear]})), "{unclear}");
            assert!(!is_let_in(json!({"deny": [unclear]})), "{unclear}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_lets_nobody_in() {
        for expression in [
            "request.headers['x-other'] == 'z'",
            "'x-other' in request.headers && request.headers['x-other'] == 'z'",
            "request.headers['x-name'] == 'z'",
            "request.query.tag == 'z'",
            "request.query['tag'] == 'z'",
            "request.query['t' + 'ag'] == 'x' && request.query.tag == 'z'",
        ] {
            assert!(!is_let_in(json!({"deny": [expression]})), "{expression}");
            assert!(
                !is_let_in(json!({"require": [format!("!({expression})")]})),
                "{expression}"
            );
        }
    }

    #[test]
    fn all_of_them_must_be_met() {
        assert!(!is_let_in(json!({"require": ["true", "false"]})));
        assert!(!is_let_in(
            json!({"require": ["true"], "deny": ["false", "true"]})
        ));
        assert!(Conditions::compile(&serde_json::from_value(json!({})).expect("a policy")).is_err());
        let bad = json!({"deny": ["consumer.matches('(')"]});
        let refused = Conditions::compile(&serde_json::from_value(bad).expect("a policy"));
        assert_eq!(
            refused.err().as_deref(),
            Some("`consumer.matches('(')`: line 1, column 18: not a regular expression: unclosed group")
        );
    }
}
