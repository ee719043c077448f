//! What the gateway takes. It refuses what it could not serve, so that what is there works.

use axum::http::{HeaderName, HeaderValue};

use super::Refused;
use crate::client::documents::{KeyCheck, Service};

pub(super) fn check(service: &Service) -> Result<(), Refused> {
    let base_path = &service.base_path;
    let ends_well = base_path == "/" || !base_path.ends_with('/');
    require(
        base_path.starts_with('/') && ends_well,
        "`basePath` begins with a slash and does not end with one",
    )?;
    let upstream = reqwest::Url::parse(&service.upstream_url);
    let is_http = upstream.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    require(is_http, "`upstreamUrl` is an http or https URL")?;
    require(service.timeout_ms > 0, "`timeoutMs` is not 0")?;
    for route in &service.routes {
        require(
            route.path.starts_with('/'),
            "the `path` of a route begins with a slash",
        )?;
    }
    for (name, value) in &service.response_headers {
        let can_be_sent = name.parse::<HeaderName>().is_ok() && HeaderValue::from_str(value).is_ok();
        require(
            can_be_sent,
            "`responseHeaders` are names and values that can be sent",
        )?;
    }
    service.key_check.as_ref().map_or(Ok(()), keys)
}

fn keys(check: &KeyCheck) -> Result<(), Refused> {
    require(
        check.header.parse::<HeaderName>().is_ok(),
        "`keyCheck.header` is the name of a header",
    )?;
    require(!check.keys.is_empty(), "`keyCheck.keys` has a key")?;
    let is_digest = |digest: &str| {
        let hexadecimal = digest.strip_prefix("sha256:").unwrap_or_default();
        hexadecimal.len() == 64 && hexadecimal.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let digests = check.keys.iter().all(|key| is_digest(&key.digest));
    require(digests, "each `digest` is `sha256:` and 64 hexadecimal digits")
}

fn require(holds: bool, what: &str) -> Result<(), Refused> {
    match holds {
        true => Ok(()),
        false => Err(Refused::new(
            400,
            "invalid",
            format!("what is written is not valid: {what}"),
        )),
    }
}
