//! The rules of `auth`.

use std::collections::BTreeSet;

use super::{headers, not_empty, note, url, within};
use crate::{
    identity::ResourceName,
    issue::Issue,
    policy::{
        ApiKeyPolicy, BasicPolicy, ConditionsPolicy, CredentialLocation, ExtAuthzPolicy, JwtPolicy,
        MtlsPolicy, OAuth2Policy, condition,
    },
};

pub(super) fn api_key(policy: &ApiKeyPolicy, at: &str, issues: &mut Vec<Issue>) {
    not_empty(issues, policy.keys.len(), &format!("{at}/keys"), "key");
    let place = format!("{at}/name");
    match policy.r#in {
        CredentialLocation::Header => note(issues, place, headers::name(&policy.name)),
        CredentialLocation::Query if policy.name.is_empty() => {
            issues.push(Issue::new(place, "the query parameter needs a name"));
        }
        CredentialLocation::Query => {}
    }
    let secrets: Vec<&ResourceName> = policy.keys.iter().map(|key| &key.secret_ref).collect();
    once_each(&secrets, |index, secret| {
        issues.push(Issue::new(
            format!("{at}/keys/{index}/secretRef"),
            format!("secret `{secret}` is listed twice; a key must tell one consumer from another"),
        ));
    });
}

/// Calls back for each item that was there before.
fn once_each<T: Ord>(items: &[T], mut twice: impl FnMut(usize, &T)) {
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        if !seen.insert(item) {
            twice(index, item);
        }
    }
}

pub(super) fn basic(policy: &BasicPolicy, at: &str, issues: &mut Vec<Issue>) {
    not_empty(issues, policy.users.len(), &format!("{at}/users"), "user");
    let printable = policy.realm.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if policy.realm.is_empty() || !printable || policy.realm.contains(['"', '\\']) {
        issues.push(Issue::new(
            format!("{at}/realm"),
            "expected a short text of ASCII characters without `\"` and `\\`",
        ));
    }
    for (index, user) in policy.users.iter().enumerate() {
        if user.username.is_empty() || user.username.contains(|it: char| it == ':' || it.is_control()) {
            issues.push(Issue::new(
                format!("{at}/users/{index}/username"),
                "expected a user name without `:` and control characters",
            ));
        }
    }
    let names: Vec<&String> = policy.users.iter().map(|user| &user.username).collect();
    once_each(&names, |index, name| {
        issues.push(Issue::new(
            format!("{at}/users/{index}/username"),
            format!("user `{name}` is listed twice; which password would count?"),
        ));
    });
}

pub(super) fn jwt(policy: &JwtPolicy, at: &str, issues: &mut Vec<Issue>) {
    if policy.issuer.is_empty() {
        issues.push(Issue::new(format!("{at}/issuer"), "the issuer cannot be empty"));
    }
    not_empty(
        issues,
        policy.audiences.len(),
        &format!("{at}/audiences"),
        "audience",
    );
    not_empty(
        issues,
        policy.algorithms.len(),
        &format!("{at}/algorithms"),
        "algorithm",
    );
    note(issues, format!("{at}/jwksUri"), url::key_url(&policy.jwks_uri));
    if policy.clock_skew_seconds > 600 {
        issues.push(Issue::new(
            format!("{at}/clockSkewSeconds"),
            "at most 600 seconds",
        ));
    }
    words(&policy.audiences, &policy.required_scopes, at, issues);
    let mut issuers = vec![&policy.issuer];
    for (index, trusted) in policy.also_trusted.iter().enumerate() {
        let at = format!("{at}/alsoTrusted/{index}");
        if trusted.issuer.is_empty() {
            issues.push(Issue::new(format!("{at}/issuer"), "the issuer cannot be empty"));
        }
        not_empty(
            issues,
            trusted.audiences.len(),
            &format!("{at}/audiences"),
            "audience",
        );
        note(issues, format!("{at}/jwksUri"), url::key_url(&trusted.jwks_uri));
        words(&trusted.audiences, &[], &at, issues);
        issuers.push(&trusted.issuer);
    }
    once_each(&issuers, |index, issuer| {
        issues.push(Issue::new(
            format!("{at}/alsoTrusted/{}/issuer", index.saturating_sub(1)),
            format!("issuer `{issuer}` is listed twice; which keys would count?"),
        ));
    });
}

fn words(audiences: &[String], scopes: &[String], at: &str, issues: &mut Vec<Issue>) {
    for (field, texts) in [("audiences", audiences), ("requiredScopes", scopes)] {
        for (index, text) in texts.iter().enumerate() {
            if text.is_empty() || (field == "requiredScopes" && text.contains(char::is_whitespace)) {
                issues.push(Issue::new(format!("{at}/{field}/{index}"), "expected one word"));
            }
        }
    }
}

pub(super) fn oauth2(policy: &OAuth2Policy, at: &str, issues: &mut Vec<Issue>) {
    note(
        issues,
        format!("{at}/introspectionUrl"),
        url::secret_url(&policy.introspection_url),
    );
    if policy.client_id.is_empty() {
        issues.push(Issue::new(
            format!("{at}/clientId"),
            "the client's id cannot be empty",
        ));
    }
    within(
        issues,
        format!("{at}/cacheSeconds"),
        policy.cache_seconds.into(),
        (0, 3_600),
    );
    words(&policy.audiences, &policy.required_scopes, at, issues);
}

pub(super) fn mtls(policy: &MtlsPolicy, at: &str, issues: &mut Vec<Issue>) {
    not_empty(
        issues,
        policy.authorities.len(),
        &format!("{at}/authorities"),
        "certificate",
    );
    for (index, text) in policy.authorities.iter().enumerate() {
        note(issues, format!("{at}/authorities/{index}"), certificate(text));
    }
    for (index, name) in policy.allowed_names.iter().enumerate() {
        if name.is_empty() || name.contains(|it: char| it.is_whitespace() || it.is_control()) {
            let detail = "expected a DNS name, a URI or an e-mail address as certificates carry it";
            issues.push(Issue::new(format!("{at}/allowedNames/{index}"), detail));
        }
    }
}

pub(super) fn conditions(policy: &ConditionsPolicy, at: &str, issues: &mut Vec<Issue>) {
    if policy.require.is_empty() && policy.deny.is_empty() {
        issues.push(Issue::new(
            at,
            "needs at least one condition in `require` or `deny`",
        ));
    }
    for (field, expressions) in [("require", &policy.require), ("deny", &policy.deny)] {
        for (index, text) in expressions.iter().enumerate() {
            note(issues, format!("{at}/{field}/{index}"), condition(text).map(drop));
        }
    }
}

pub(super) fn ext_authz(policy: &ExtAuthzPolicy, at: &str, issues: &mut Vec<Issue>) {
    note(issues, format!("{at}/url"), url::secret_url(&policy.url));
    let time = policy.timeout_ms.into();
    within(issues, format!("{at}/timeoutMs"), time, (1, 60_000));
    for (index, name) in policy.request_headers.iter().enumerate() {
        note(
            issues,
            format!("{at}/requestHeaders/{index}"),
            headers::changeable(name),
        );
    }
    for (index, name) in policy.upstream_headers.iter().enumerate() {
        note(
            issues,
            format!("{at}/upstreamHeaders/{index}"),
            headers::changeable(name),
        );
    }
    if let Some(name) = &policy.consumer_header {
        note(issues, format!("{at}/consumerHeader"), headers::name(name));
    }
}

/// One certificate in PEM (RFC 7468), as far as its text goes.
pub(in crate::validate) fn certificate(text: &str) -> Result<(), String> {
    let inner = text
        .trim()
        .strip_prefix("-----BEGIN CERTIFICATE-----")
        .and_then(|rest| rest.strip_suffix("-----END CERTIFICATE-----"))
        .ok_or("expected one certificate in PEM, from `-----BEGIN CERTIFICATE-----` to `-----END CERTIFICATE-----`")?;
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let body: Vec<u8> = inner.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if body.is_empty() || !body.len().is_multiple_of(4) || !body.iter().copied().all(base64) {
        return Err(
            "what is between the first and the last line of the certificate is not base64".to_owned(),
        );
    }
    Ok(())
}
