//! The rules of upstreams.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::{headers, note, policy, url};
use crate::{
    api::{
        ActiveCheck, BalancingAlgorithm, HashKey, LoadBalancing, OutlierEjection, Upstream, UpstreamProtocol,
        UpstreamTls,
    },
    issue::Issue,
    pointer,
};

/// The longest time an upstream may be given to answer: an hour.
const TIMEOUT_MS_MAX: u32 = 3_600_000;
/// The longest time a connection may take: ten minutes.
const CONNECT_TIMEOUT_MS_MAX: u32 = 600_000;
/// The longest time a connection may be kept without use: an hour.
const IDLE_TIMEOUT_MS_MAX: u32 = 3_600_000;
/// The most places that one upstream may have.
const ENDPOINTS_MAX: usize = 256;

/// Notes everything that is wrong with the upstreams of an API.
pub(super) fn upstreams(upstreams: &BTreeMap<String, Upstream>, at: &str, issues: &mut Vec<Issue>) {
    if !upstreams.contains_key("main") {
        issues.push(Issue::new(
            at,
            "needs an upstream called `main`; requests go there",
        ));
    }
    for (name, it) in upstreams {
        upstream(it, &pointer::join(at, name), issues);
    }
}

fn upstream(upstream: &Upstream, at: &str, issues: &mut Vec<Issue>) {
    note(issues, format!("{at}/url"), url::upstream_url(&upstream.url));
    let mut time = |field: &str, value: u32, max: u32| {
        if !(1..=max).contains(&value) {
            let detail = format!("a time from 1 to {max} milliseconds");
            issues.push(Issue::new(format!("{at}/{field}"), detail));
        }
    };
    time("timeoutMs", upstream.timeout_ms, TIMEOUT_MS_MAX);
    time(
        "connectTimeoutMs",
        upstream.connect_timeout_ms,
        CONNECT_TIMEOUT_MS_MAX,
    );
    if let Some(idle) = upstream.idle_timeout_ms {
        time("idleTimeoutMs", idle, IDLE_TIMEOUT_MS_MAX);
    }
    endpoints(upstream, at, issues);
    if let Some(tls) = &upstream.tls {
        identity(tls, upstream, &format!("{at}/tls"), issues);
    }
    if let Some(balancing) = &upstream.load_balancing {
        load_balancing(balancing, &format!("{at}/loadBalancing"), issues);
    }
    if upstream.health_check.is_some() && upstream.protocol == Some(UpstreamProtocol::Http2) {
        issues.push(Issue::new(
            format!("{at}/healthCheck"),
            "endpoints are checked over HTTP/1.1; leave the check out where `protocol` is `http2`",
        ));
    }
    if let Some(check) = &upstream.health_check {
        active_check(&check.active, &format!("{at}/healthCheck/active"), issues);
    }
    if let Some(outlier) = &upstream.outlier {
        ejection(outlier, &format!("{at}/outlier"), issues);
    }
    limits(upstream, at, issues);
}

/// TLS needs something to hold for, and a certificate its key.
fn identity(tls: &UpstreamTls, upstream: &Upstream, at: &str, issues: &mut Vec<Issue>) {
    let plain = url::http_url(&upstream.url).is_ok_and(|url| url.scheme_str() != Some("https"));
    if plain {
        issues.push(Issue::new(
            at,
            "means nothing for a URL that begins with `http`; write `https`, or leave it out",
        ));
    }
    for (index, text) in tls.authorities.iter().enumerate() {
        note(
            issues,
            format!("{at}/authorities/{index}"),
            policy::certificate(text),
        );
    }
    let lacking = match (&tls.client_certificate, &tls.client_key) {
        (Some(_), None) => Some(("clientCertificate", "`clientKey`")),
        (None, Some(_)) => Some(("clientKey", "`clientCertificate`")),
        _ => None,
    };
    if let Some((field, other)) = lacking {
        issues.push(Issue::new(
            format!("{at}/{field}"),
            format!("a certificate and its key come together; add {other}, or leave this out"),
        ));
    }
    if let Some(name) = &tls.server_name {
        note(issues, format!("{at}/serverName"), server_name(name));
    }
    for (index, name) in tls.allowed_names.iter().enumerate() {
        note(issues, format!("{at}/allowedNames/{index}"), allowed_name(name));
    }
}

/// A DNS name, or a URI, as certificates carry it.
fn allowed_name(name: &str) -> Result<(), String> {
    match name.contains(':') {
        false => server_name(name),
        true if name.contains(|it: char| it.is_whitespace() || it.is_control()) => {
            Err("expected a URI as certificates carry it, without spaces".to_owned())
        }
        true => Ok(()),
    }
}

fn server_name(name: &str) -> Result<(), String> {
    if name.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    match name.starts_with("*.") {
        true => Err("expected one name, without `*`".to_owned()),
        false => url::hostname(name).map(drop),
    }
}

/// Each place is written once, with the scheme of all and no path of its own.
fn endpoints(upstream: &Upstream, at: &str, issues: &mut Vec<Issue>) {
    let first = url::http_url(&upstream.url).ok();
    let mut seen = BTreeSet::new();
    for (index, endpoint) in upstream.endpoints.iter().enumerate() {
        let place = format!("{at}/endpoints/{index}");
        number(issues, &place, "weight", endpoint.weight, (1, 1_000));
        let origin = match url::origin(&endpoint.url) {
            Ok(origin) => origin,
            Err(detail) => {
                issues.push(Issue::new(format!("{place}/url"), detail));
                continue;
            }
        };
        let scheme = first.as_ref().and_then(|first| first.scheme_str());
        if scheme.is_some_and(|scheme| !origin.starts_with(&format!("{}:", scheme.to_ascii_lowercase()))) {
            issues.push(Issue::new(
                format!("{place}/url"),
                "the scheme must be that of the upstream's `url`",
            ));
        }
        if !seen.insert(origin) {
            issues.push(Issue::new(
                format!("{place}/url"),
                "this endpoint is there twice; give it a `weight` instead",
            ));
        }
    }
    if upstream.endpoints.len() > ENDPOINTS_MAX {
        issues.push(Issue::new(
            format!("{at}/endpoints"),
            format!("at most {ENDPOINTS_MAX} endpoints"),
        ));
    }
    if !upstream.endpoints.is_empty() {
        return;
    }
    for (field, used) in [
        ("loadBalancing", upstream.load_balancing.is_some()),
        ("outlier", upstream.outlier.is_some()),
    ] {
        if used {
            issues.push(Issue::new(
                format!("{at}/{field}"),
                "means nothing for one endpoint; add `endpoints`, or leave it out",
            ));
        }
    }
}

fn load_balancing(balancing: &LoadBalancing, at: &str, issues: &mut Vec<Issue>) {
    let Some(key) = &balancing.key else {
        return;
    };
    if balancing.algorithm != BalancingAlgorithm::ConsistentHash {
        issues.push(Issue::new(
            format!("{at}/key"),
            "only `consistent-hash` has a key; set `algorithm: consistent-hash`, or leave the key out",
        ));
    }
    if let HashKey::Header(name) = key {
        note(issues, format!("{at}/key/header"), headers::name(name));
    }
}

fn active_check(check: &ActiveCheck, at: &str, issues: &mut Vec<Issue>) {
    let valid = check.path.starts_with('/')
        && !check.path.contains('#')
        && check.path.parse::<http::uri::PathAndQuery>().is_ok();
    if !valid {
        issues.push(Issue::new(
            format!("{at}/path"),
            "a path that begins with `/`, for example `/healthz`",
        ));
    }
    number(issues, at, "intervalSeconds", check.interval_seconds, (1, 3_600));
    number(issues, at, "timeoutMs", check.timeout_ms, (1, 60_000));
    number(issues, at, "healthyAfter", check.healthy_after, (1, 100));
    number(issues, at, "unhealthyAfter", check.unhealthy_after, (1, 100));
}

fn ejection(outlier: &OutlierEjection, at: &str, issues: &mut Vec<Issue>) {
    number(
        issues,
        at,
        "consecutiveErrors",
        outlier.consecutive_errors,
        (0, 1_000),
    );
    number(
        issues,
        at,
        "ejectionSeconds",
        outlier.ejection_seconds,
        (1, 3_600),
    );
    number(
        issues,
        at,
        "maxEjectedPercent",
        outlier.max_ejected_percent.into(),
        (1, 100),
    );
}

fn limits(upstream: &Upstream, at: &str, issues: &mut Vec<Issue>) {
    if let Some(max) = upstream.max_connections {
        number(issues, at, "maxConnections", max, (1, 1_000_000));
    }
    let Some(max) = upstream.max_pending else {
        return;
    };
    number(issues, at, "maxPending", max, (0, 1_000_000));
    if upstream.max_connections.is_none() {
        issues.push(Issue::new(
            format!("{at}/maxPending"),
            "requests wait only where `maxConnections` is set; add it, or leave this out",
        ));
    }
}

fn number(issues: &mut Vec<Issue>, at: &str, field: &str, value: u32, (min, max): (u32, u32)) {
    if !(min..=max).contains(&value) {
        issues.push(Issue::new(
            format!("{at}/{field}"),
            format!("expected a whole number from {min} to {max}"),
        ));
    }
}
