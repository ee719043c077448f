//! What scripts of other origins may do: OPTIONS methods that answer preflights, or the settings of an HTTP API.

use std::collections::BTreeSet;

use gatehouse_connector_sdk::schemas::policy::{CorsPolicy, Policy};
use serde_json::Value;

use super::answers::{self, Answer};
use crate::read::methods::{Method, texts};

/// What headers of an answer to a preflight are called.
const HEADERS: &str = "access-control-";

/// The settings of an HTTP API. `*` for methods and headers is what canonical words say by naming none.
pub(in crate::read) fn of_settings(settings: &Value) -> Result<Policy, String> {
    let list = |name: &str| -> Vec<String> {
        let pascal = format!("{}{}", name[..1].to_ascii_uppercase(), &name[1..]);
        let found = settings.get(name).or_else(|| settings.get(&pascal));
        found
            .map(texts)
            .unwrap_or_default()
            .into_iter()
            .map(str::to_owned)
            .collect()
    };
    let field = |name: &str, pascal: &str| settings.get(name).or_else(|| settings.get(pascal)).cloned();
    let policy = CorsPolicy {
        allow_origins: list("allowOrigins"),
        allow_methods: some_of(list("allowMethods")),
        allow_headers: some_of(list("allowHeaders")),
        expose_headers: list("exposeHeaders"),
        allow_credentials: field("allowCredentials", "AllowCredentials") == Some(Value::Bool(true)),
        max_age_seconds: field("maxAge", "MaxAge").and_then(|age| u32::try_from(age.as_u64()?).ok()),
    };
    checked(policy)
}

fn some_of(names: Vec<String>) -> Vec<String> {
    if names.iter().any(|name| name == "*") {
        Vec::new()
    } else {
        names
    }
}

/// The preflight answer of an OPTIONS method, if that is all it is for.
pub(in crate::read) fn preflight(
    method: &Method<'_>,
    served: &BTreeSet<String>,
) -> Option<Result<Policy, String>> {
    let open = method.method == "OPTIONS" && method.security().is_empty();
    let answer = answers::fixed(method).ok().filter(|_| open)?;
    answer
        .headers
        .contains_key("access-control-allow-origin")
        .then(|| of_answer(&answer, served))
}

fn of_answer(answer: &Answer, served: &BTreeSet<String>) -> Result<Policy, String> {
    let others = answer
        .headers
        .keys()
        .find(|name| !name.starts_with(HEADERS) && !is_usual(name));
    if let Some(name) = others {
        return Err(format!("its preflight answer has header `{name}`"));
    }
    let header = |name: &str| {
        answer
            .headers
            .get(&format!("{HEADERS}{name}"))
            .map(String::as_str)
    };
    let list = |name: &str| -> Vec<String> {
        let words = header(name).unwrap_or_default().split(',').map(str::trim);
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let methods = some_of(list("allow-methods"));
    let wanted: BTreeSet<&str> = methods
        .iter()
        .map(String::as_str)
        .filter(|it| *it != "OPTIONS")
        .collect();
    let same = served.contains("*") || wanted.iter().copied().eq(served.iter().map(String::as_str));
    checked(CorsPolicy {
        allow_origins: list("allow-origin"),
        allow_methods: if same { Vec::new() } else { methods },
        allow_headers: some_of(list("allow-headers")),
        expose_headers: list("expose-headers"),
        allow_credentials: header("allow-credentials") == Some("true"),
        max_age_seconds: header("max-age").and_then(|age| age.parse().ok()),
    })
}

fn is_usual(name: &str) -> bool {
    matches!(name, "vary" | "content-type")
}

fn checked(policy: CorsPolicy) -> Result<Policy, String> {
    if policy.allow_origins.is_empty() {
        return Err("no origin is allowed".to_owned());
    }
    if policy.allow_credentials && policy.allow_origins.iter().any(|origin| origin == "*") {
        return Err("it lets every site act for its visitors (credentials for every origin)".to_owned());
    }
    if let Some(origin) = policy.allow_origins.iter().find(|origin| !is_origin(origin)) {
        return Err(format!(
            "origin `{origin}` is neither an exact one nor all of a domain"
        ));
    }
    let token = |name: &&String| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    let mut names = policy
        .allow_headers
        .iter()
        .chain(&policy.expose_headers)
        .chain(&policy.allow_methods);
    if !names.all(|name| token(&name))
        || policy
            .allow_methods
            .iter()
            .any(|it| it.bytes().any(|it| it.is_ascii_lowercase()))
    {
        return Err("a method or header has a name that there is not".to_owned());
    }
    Ok(Policy::Cors(policy).canonical())
}

fn is_origin(text: &str) -> bool {
    if text == "*" {
        return true;
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let rest = rest.strip_prefix("*.").unwrap_or(rest);
    let (host, port) = rest.split_once(':').unwrap_or((rest, "1"));
    let named = !host.is_empty()
        && host
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || b".-".contains(&it));
    matches!(scheme, "http" | "https") && named && port.parse::<u16>().is_ok_and(|port| port > 0)
}
