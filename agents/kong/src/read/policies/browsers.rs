//! What scripts of other origins may do.

use gatehouse_connector_sdk::schemas::policy::{CorsPolicy, Policy};
use serde_json::json;

use super::config::Config;
use crate::entities::Entity;

/// What Kong allows where nobody says which methods.
const METHODS: [&str; 9] = [
    "GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT",
];

/// Cross-origin resource sharing.
pub(super) fn cors(plugin: &Entity) -> Result<Policy, String> {
    let config = Config::of(plugin);
    let said = [
        "origins",
        "headers",
        "exposed_headers",
        "methods",
        "max_age",
        "credentials",
    ];
    config.says_only(&said, &json!({"allow_origin_absent": true}))?;
    let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let (origins, methods) = (origins(config)?, config.list("methods"));
    let allow_credentials = config.flag("credentials", false);
    if allow_credentials && origins.iter().any(|origin| origin == "*") {
        return Err("it lets every site act for its visitors (`credentials` for every origin)".to_owned());
    }
    let max_age = config.number("max_age").map(u32::try_from).transpose();
    Ok(Policy::Cors(CorsPolicy {
        allow_origins: origins,
        allow_methods: owned(if methods.is_empty() {
            METHODS.to_vec()
        } else {
            methods
        }),
        allow_headers: owned(config.list("headers")),
        expose_headers: owned(config.list("exposed_headers")),
        allow_credentials,
        max_age_seconds: max_age.map_err(|_| "`max_age` is beyond reach")?,
    }))
}

/// Exact origins, and every one below a domain; anything else that is a regular expression to Kong says more.
fn origins(config: Config<'_>) -> Result<Vec<String>, String> {
    let origins = config.list("origins");
    if origins.is_empty() || origins.contains(&"*") {
        return Ok(vec!["*".to_owned()]);
    }
    let read = |text: &str| {
        let origin = below_domain(text).unwrap_or_else(|| text.to_owned());
        is_origin(&origin.replacen("://*.", "://", 1))
            .then_some(origin)
            .ok_or_else(|| format!("origin `{text}` is neither an exact one nor all of a domain"))
    };
    origins.into_iter().map(read).collect()
}

/// `^https://[^/]+\.example\.com` is `https://*.example.com`; Kong anchors it at both ends.
fn below_domain(text: &str) -> Option<String> {
    let text = text.strip_prefix('^').unwrap_or(text);
    let (scheme, rest) = text.strip_suffix('$').unwrap_or(text).split_once("://")?;
    let anything = [r"[^/]+\.", r".+\.", r".*\."];
    let domain = anything.iter().find_map(|anything| rest.strip_prefix(anything))?;
    let plain = domain.replace(r"\.", "");
    (!plain.contains('.')).then(|| format!("{scheme}://*.{}", domain.replace(r"\.", ".")))
}

fn is_origin(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let (host, port) = rest.split_once(':').unwrap_or((rest, "1"));
    let named = !host.is_empty()
        && host
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || b".-".contains(&it));
    matches!(scheme, "http" | "https") && named && port.parse::<u16>().is_ok()
}
