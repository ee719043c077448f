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
    config.says_only(&said, &json!({}))?;
    let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let (origins, methods) = (origins(config)?, config.list("methods"));
    let allow_credentials = config.flag("credentials", false);
    if allow_credentials && origins.contains(&"*") {
        return Err("it lets every site act for its visitors (`credentials` for every origin)".to_owned());
    }
    let max_age = config.number("max_age").map(u32::try_from).transpose();
    Ok(Policy::Cors(CorsPolicy {
        allow_origins: owned(origins),
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

/// Origins are exact here; anything else is a regular expression to Kong.
fn origins(config: Config<'_>) -> Result<Vec<&str>, String> {
    let origins = config.list("origins");
    if origins.is_empty() || origins.contains(&"*") {
        return Ok(vec!["*"]);
    }
    let wrong = origins.iter().find(|origin| !is_origin(origin));
    wrong.map_or(Ok(origins.clone()), |origin| {
        Err(format!("origin `{origin}` is not an exact one"))
    })
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
