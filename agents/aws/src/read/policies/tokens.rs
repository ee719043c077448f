//! Authorizers that check signed tokens.

use gatehouse_connector_sdk::schemas::policy::{JwtAlgorithm, JwtPolicy, Policy};
use serde_json::Value;

use super::Reading;
use crate::{partition::Partition, read::methods::texts};

/// What AWS checks signatures with: RSA alone.
const ALGORITHMS: [JwtAlgorithm; 3] = [JwtAlgorithm::RS256, JwtAlgorithm::RS384, JwtAlgorithm::RS512];
/// The tolerated difference of clocks; AWS does not say its own.
const CLOCK_SKEW_SECONDS: u32 = 60;

/// An authorizer in canonical words, or why they do not say what it does.
pub(super) fn tokens(
    reading: Reading<'_>,
    authorizer: &Value,
    scopes: &[&str],
    notes: &mut Vec<String>,
) -> Result<Policy, String> {
    let kind = authorizer.get("type").and_then(Value::as_str).unwrap_or_default();
    let policy = match kind.to_ascii_lowercase().as_str() {
        "jwt" => signed(authorizer)?,
        "cognito_user_pools" => of_user_pool(authorizer)?,
        "token" | "request" => return Err("a function of AWS Lambda decides who may call".to_owned()),
        other => return Err(format!("authorizers of type `{other}` are AWS's own")),
    };
    let policy = JwtPolicy {
        required_scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        ..policy
    };
    if let Some(known) = recorded(reading, &policy) {
        return Ok(Policy::AuthJwt(known));
    }
    notes.extend(remarks(kind, &policy));
    Ok(Policy::AuthJwt(policy))
}

fn signed(authorizer: &Value) -> Result<JwtPolicy, String> {
    let source = authorizer.get("identitySource");
    let sources: Vec<&str> = source
        .and_then(Value::as_str)
        .into_iter()
        .chain(source.into_iter().flat_map(texts))
        .collect();
    if sources
        .iter()
        .any(|source| !source.eq_ignore_ascii_case("$request.header.authorization"))
    {
        return Err("it takes tokens elsewhere than in the header `authorization`".to_owned());
    }
    let configuration = authorizer.get("jwtConfiguration").unwrap_or(&Value::Null);
    let issuer = configuration
        .get("issuer")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let audiences = configuration.get("audience").map(texts).unwrap_or_default();
    if audiences.is_empty() {
        return Err("it does not ask for an audience".to_owned());
    }
    policy(issuer, audiences)
}

/// A user pool's tokens. Its authorizer takes those of every app client, for which there is no canonical word.
fn of_user_pool(authorizer: &Value) -> Result<JwtPolicy, String> {
    let [arn] = authorizer.get("providerARNs").map(texts).unwrap_or_default()[..] else {
        return Err("it takes tokens of none or several user pools".to_owned());
    };
    let source = authorizer.get("identitySource").and_then(Value::as_str);
    if source.is_some_and(|source| !source.eq_ignore_ascii_case("method.request.header.Authorization")) {
        return Err("it takes tokens elsewhere than in the header `authorization`".to_owned());
    }
    let parts: Vec<&str> = arn.split(':').collect();
    let [_, partition, _, region, _, resource] = parts[..] else {
        return Err("its user pool has no name that is understood".to_owned());
    };
    let pool = resource
        .strip_prefix("userpool/")
        .ok_or("its user pool has no name that is understood")?;
    let suffix = Partition::named(partition).suffix;
    policy(
        &format!("https://cognito-idp.{region}.{suffix}/{pool}"),
        vec![pool],
    )
}

fn policy(issuer: &str, audiences: Vec<&str>) -> Result<JwtPolicy, String> {
    let plain = |byte: u8| (0x21..0x7f).contains(&byte) && !b"\"<>\\^`{|}#?@".contains(&byte);
    let host = issuer
        .strip_prefix("https://")
        .and_then(|rest| rest.split('/').next());
    if host.is_none_or(str::is_empty) || !issuer.bytes().all(plain) {
        return Err("its issuer is no URL that keys could be fetched below".to_owned());
    }
    Ok(JwtPolicy {
        issuer: issuer.to_owned(),
        audiences: audiences.into_iter().map(str::to_owned).collect(),
        jwks_uri: format!("{}/.well-known/jwks.json", issuer.trim_end_matches('/')),
        algorithms: ALGORITHMS.to_vec(),
        required_scopes: Vec::new(),
        clock_skew_seconds: CLOCK_SKEW_SECONDS,
        also_trusted: Vec::new(),
    })
}

/// The policy that was applied, if it is the same as far as AWS says.
fn recorded(reading: Reading<'_>, read: &JwtPolicy) -> Option<JwtPolicy> {
    let read = Policy::AuthJwt(read.clone()).canonical();
    let Policy::AuthJwt(read) = read else { return None };
    let of_pool = is_cognito(&read.issuer);
    reading.recorded_policies().find_map(|policy| match policy {
        Policy::AuthJwt(known) => {
            let audiences = of_pool || known.audiences == read.audiences;
            let same = known.issuer == read.issuer && known.required_scopes == read.required_scopes;
            (same && audiences).then(|| known.clone())
        }
        _ => None,
    })
}

fn is_cognito(issuer: &str) -> bool {
    issuer.starts_with("https://cognito-idp.")
}

fn remarks(kind: &str, policy: &JwtPolicy) -> Vec<String> {
    let mut remarks = Vec::new();
    if kind.eq_ignore_ascii_case("cognito_user_pools") {
        remarks.push(format!(
            "AWS takes tokens of every app client of user pool `{}`; write the clients' ids as `audiences` before \
             deploying it elsewhere: until then, no token is taken there",
            policy.audiences.concat()
        ));
    } else if !is_cognito(&policy.issuer) {
        remarks.push(format!(
            "AWS finds the keys of `{}` by what it publishes of itself; check `jwksUri` before deploying it elsewhere",
            policy.issuer
        ));
    }
    if policy.required_scopes.len() > 1 {
        remarks
            .push("AWS asks for one of several scopes; elsewhere, tokens must have all of them".to_owned());
    }
    remarks
}
