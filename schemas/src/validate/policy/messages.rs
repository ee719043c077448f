//! The rules of what is changed, answered, kept and written down of messages.

use super::{headers, method, not_empty, note, path, url, within};
use crate::{
    issue::Issue,
    pointer,
    policy::{
        CALLERS_HOST, CachePolicy, CorsPolicy, LogPolicy, Policy, Redirect, RespondPolicy, RewritePolicy,
    },
};

/// Headers whose values are credentials.
const CREDENTIALS: [&str; 6] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "set-cookie",
    "x-api-key",
    "x-amz-security-token",
];

pub(super) fn cors(policy: &CorsPolicy, at: &str, issues: &mut Vec<Issue>) {
    not_empty(
        issues,
        policy.allow_origins.len(),
        &format!("{at}/allowOrigins"),
        "origin",
    );
    for (index, text) in policy.allow_origins.iter().enumerate() {
        note(issues, format!("{at}/allowOrigins/{index}"), allowed_origin(text));
    }
    if policy.allow_credentials && policy.allow_origins.iter().any(|origin| origin == "*") {
        issues.push(Issue::new(
            format!("{at}/allowCredentials"),
            "credentials cannot be allowed for origin `*`: any site could act for its visitors; list the origins",
        ));
    }
    for (index, text) in policy.allow_methods.iter().enumerate() {
        note(issues, format!("{at}/allowMethods/{index}"), method(text));
    }
    names(&policy.allow_headers, &format!("{at}/allowHeaders"), issues);
    names(&policy.expose_headers, &format!("{at}/exposeHeaders"), issues);
}

fn names(names: &[String], at: &str, issues: &mut Vec<Issue>) {
    for (index, text) in names.iter().enumerate() {
        note(issues, format!("{at}/{index}"), headers::name(text));
    }
}

/// An origin as in the Fetch standard, with `*` alone or as the first label.
fn allowed_origin(text: &str) -> Result<(), String> {
    let example = "for example `https://shop.example.com`, `https://*.example.com` or `*`";
    if text == "*" {
        return Ok(());
    }
    let plain = text.replacen("://*.", "://", 1);
    let uri = url::http_url(&plain)?;
    if plain.contains('*') {
        return Err(format!("`*` stands only for the first label, {example}"));
    }
    if uri.query().is_some() || plain.matches('/').count() != 2 {
        return Err(format!("an origin is scheme, host and port only, {example}"));
    }
    Ok(())
}

/// `operation` is the template of the path of the operation that the policy is written at, if it is at one.
pub(super) fn rewrite(policy: &RewritePolicy, operation: Option<&str>, at: &str, issues: &mut Vec<Issue>) {
    if *policy == RewritePolicy::default() {
        issues.push(Issue::new(
            at,
            "needs a `path`, a `host`, or changes of the `query`",
        ));
    }
    if let Some(host) = policy.host.as_ref().filter(|host| *host != CALLERS_HOST) {
        note(issues, format!("{at}/host"), authority(host));
    }
    if let Some(path) = &policy.path {
        note(issues, format!("{at}/path"), target(path, operation));
    }
    let removed = policy.query.remove.iter().enumerate();
    let unnamed = removed.filter(|(_, name)| name.is_empty());
    issues.extend(unnamed.map(|(index, _)| {
        Issue::new(
            format!("{at}/query/remove/{index}"),
            "the query parameter needs a name",
        )
    }));
    if policy.query.set.contains_key("") {
        issues.push(Issue::new(
            format!("{at}/query/set"),
            "a query parameter needs a name",
        ));
    }
}

fn target(text: &str, operation: Option<&str>) -> Result<(), String> {
    if text.contains(['?', '#']) {
        return Err("a path has no `?` and no `#`; the query is changed with `query`".to_owned());
    }
    path::template(text)?;
    if text.contains("...}") {
        return Err(
            "write `{name}` without `...`; it stands for all that the operation's path has there".to_owned(),
        );
    }
    let used = placeholders(text);
    match (operation, used.first()) {
        (None, Some(first)) => Err(format!(
            "`{{{first}}}` is part of an operation's path; write this policy at the operation"
        )),
        (None, None) => Ok(()),
        (Some(template), _) => missing(&used, template).map_or(Ok(()), Err),
    }
}

fn missing(used: &[&str], template: &str) -> Option<String> {
    let known = placeholders(template);
    let unknown = used.iter().find(|name| !known.contains(name))?;
    let listed: Vec<String> = known.iter().map(|name| format!("`{{{name}}}`")).collect();
    Some(match listed.is_empty() {
        true => {
            format!("`{{{unknown}}}` is not in the operation's path `{template}`, which has no parameters")
        }
        false => format!(
            "`{{{unknown}}}` is not in the operation's path `{template}`; it has {}",
            listed.join(", ")
        ),
    })
}

/// Says which placeholder of a rewritten path the template of an operation's path does not have.
pub(crate) fn unknown_placeholder(policies: &[Policy], template: &str) -> Option<String> {
    policies.iter().find_map(|policy| match policy {
        Policy::Rewrite(rewrite) => missing(&placeholders(rewrite.path.as_deref()?), template),
        Policy::Respond(respond) => missing(
            &placeholders(respond.redirect.as_ref()?.path.as_deref()?),
            template,
        ),
        _ => None,
    })
}

fn placeholders(template: &str) -> Vec<&str> {
    let opened = template.split('{').skip(1);
    opened
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name.strip_suffix("...").unwrap_or(name))
        .collect()
}

/// A host name that is no pattern, with or without a port.
fn authority(text: &str) -> Result<(), String> {
    let (name, port) = text.rsplit_once(':').unwrap_or((text, "80"));
    if name.contains('*') || port.parse::<u16>().is_err() {
        return Err(format!(
            "`{text}` is not a host; write `api.example.com`, `api.example.com:8080` or `{CALLERS_HOST}`"
        ));
    }
    url::hostname(name).map(drop)
}

/// `operation` is as for `rewrite`.
pub(super) fn respond(policy: &RespondPolicy, operation: Option<&str>, at: &str, issues: &mut Vec<Issue>) {
    if let Some(redirect) = &policy.redirect {
        self::redirect(policy, redirect, operation, at, issues);
    }
    if let Some(example) = &policy.example {
        let written = policy.status != 200 || policy.body.is_some() || policy.redirect.is_some();
        if written {
            issues.push(Issue::new(
                format!("{at}/example"),
                "the example says status and body; leave out `status`, `body` and `redirect`, and write \
                 `example: {status: …}` for another status",
            ));
        }
        if let Some(status) = example.status {
            within(issues, format!("{at}/example/status"), status.into(), (200, 599));
        }
    }
    if policy.expanded.is_some() {
        issues.push(Issue::new(
            format!("{at}/expanded"),
            "is taken from the definition and never written; leave it out",
        ));
    }
    within(issues, format!("{at}/status"), policy.status.into(), (200, 599));
    if policy.body.is_some() && matches!(policy.status, 204 | 205 | 304) {
        issues.push(Issue::new(
            format!("{at}/body"),
            format!("an answer of status {} has no body", policy.status),
        ));
    }
    headers::values(&policy.headers, &format!("{at}/headers"), issues);
}

fn redirect(
    policy: &RespondPolicy,
    redirect: &Redirect,
    operation: Option<&str>,
    at: &str,
    issues: &mut Vec<Issue>,
) {
    if !matches!(policy.status, 301 | 302 | 303 | 307 | 308) {
        issues.push(Issue::new(
            format!("{at}/status"),
            "a redirect has the status 301, 302, 303, 307 or 308",
        ));
    }
    if policy
        .headers
        .keys()
        .any(|name| name.eq_ignore_ascii_case("location"))
    {
        issues.push(Issue::new(
            format!("{at}/headers/location"),
            "`redirect` says where callers are sent; leave this header out",
        ));
    }
    if *redirect == Redirect::default() {
        issues.push(Issue::new(
            format!("{at}/redirect"),
            "needs another `scheme`, `host`, `port` or `path`, or callers would be sent where they are",
        ));
    }
    if let Some(host) = &redirect.host {
        let plain = match host.contains(['*', ':']) {
            true => Err(format!("`{host}` is not a host; the port is said with `port`")),
            false => url::hostname(host).map(drop),
        };
        note(issues, format!("{at}/redirect/host"), plain);
    }
    if redirect.port == Some(0) {
        issues.push(Issue::new(
            format!("{at}/redirect/port"),
            "a port from 1 to 65535",
        ));
    }
    if let Some(path) = &redirect.path {
        note(issues, format!("{at}/redirect/path"), target(path, operation));
    }
}

pub(super) fn cache(policy: &CachePolicy, at: &str, issues: &mut Vec<Issue>) {
    within(
        issues,
        format!("{at}/ttlSeconds"),
        policy.ttl_seconds.into(),
        (1, 31_536_000),
    );
    names(&policy.vary_headers, &format!("{at}/varyHeaders"), issues);
    for (index, name) in policy.vary_query.iter().flatten().enumerate() {
        if name.is_empty() {
            let place = format!("{at}/varyQuery/{index}");
            issues.push(Issue::new(place, "the query parameter needs a name"));
        }
    }
}

pub(super) fn log(policy: &LogPolicy, at: &str, issues: &mut Vec<Issue>) {
    within(issues, format!("{at}/percent"), policy.percent.into(), (0, 100));
    for (field, written) in [
        ("requestHeaders", &policy.request_headers),
        ("responseHeaders", &policy.response_headers),
    ] {
        let at = pointer::join(at, field);
        names(written, &at, issues);
        for (index, name) in written.iter().enumerate() {
            if CREDENTIALS.contains(&name.to_ascii_lowercase().as_str()) {
                let detail = format!("`{name}` carries credentials, which are never written to a log");
                issues.push(Issue::new(format!("{at}/{index}"), detail));
            }
        }
    }
}
