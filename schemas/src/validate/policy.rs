//! The rules of policies.

mod credentials;
mod limits;
mod messages;
mod modules;
mod requests;
#[cfg(test)]
mod tests;
mod transform;

use super::{headers, metadata, note, path, url};
use crate::{
    issue::Issue,
    policy::Policy,
    resource::{PolicySpec, PolicyTarget},
};

pub(super) use self::credentials::certificate;
pub(crate) use self::messages::unknown_placeholder;

/// Everything that is wrong with a reusable set of policies.
pub(crate) fn policy_set(spec: &PolicySpec, at: &str) -> Vec<Issue> {
    let mut issues = policies(&spec.policies, &format!("{at}/policies"));
    not_empty(
        &mut issues,
        spec.targets.len(),
        &format!("{at}/targets"),
        "target",
    );
    if spec.policies.is_empty() && spec.lock.is_empty() {
        issues.push(Issue::new(
            format!("{at}/policies"),
            "needs at least one policy, or something to `lock`",
        ));
    }
    for (index, policy) in spec.policies.iter().enumerate() {
        if let Some(field) = policy.definition_field() {
            issues.push(Issue::new(
                format!("{at}/policies/{index}/with/{field}"),
                "a set of policies belongs to no definition; write this policy at each API",
            ));
        }
    }
    for (index, kind) in spec.lock.iter().enumerate() {
        if spec.lock[..index].contains(kind) {
            issues.push(Issue::new(format!("{at}/lock/{index}"), "is there twice"));
        }
    }
    for (index, target) in spec.targets.iter().enumerate() {
        let PolicyTarget::Labels(wanted) = target else {
            continue;
        };
        let place = format!("{at}/targets/{index}/labels");
        not_empty(&mut issues, wanted.len(), &place, "label");
        issues.extend(metadata::labels(wanted, &place));
    }
    issues
}

/// Everything that is wrong with policies in their order, wherever they hold.
pub(super) fn policies(policies: &[Policy], at: &str) -> Vec<Issue> {
    all(policies, None, at)
}

/// Everything that is wrong with policies of one operation, by the template of its path.
pub(super) fn of_operation(policies: &[Policy], path: &str, at: &str) -> Vec<Issue> {
    all(policies, Some(path), at)
}

fn all(policies: &[Policy], path: Option<&str>, at: &str) -> Vec<Issue> {
    let mut issues = Vec::new();
    for (index, policy) in policies.iter().enumerate() {
        one(policy, path, &format!("{at}/{index}/with"), &mut issues);
    }
    issues
}

fn one(policy: &Policy, path: Option<&str>, at: &str, issues: &mut Vec<Issue>) {
    match policy {
        Policy::AuthApiKey(policy) => credentials::api_key(policy, at, issues),
        Policy::AuthJwt(policy) => credentials::jwt(policy, at, issues),
        Policy::AuthBasic(policy) => credentials::basic(policy, at, issues),
        Policy::AuthOAuth2(policy) => credentials::oauth2(policy, at, issues),
        Policy::AuthMtls(policy) => credentials::mtls(policy, at, issues),
        Policy::AuthConditions(policy) => credentials::conditions(policy, at, issues),
        Policy::ExtAuthz(policy) => credentials::ext_authz(policy, at, issues),
        Policy::ExtWasm(policy) => modules::ext_wasm(policy, at, issues),
        Policy::IpFilter(policy) => requests::ip_filter(policy, at, issues),
        Policy::RequestValidate(policy) => requests::request_validate(policy, at, issues),
        Policy::RequestSize(_) => {}
        Policy::RateLimit(policy) => limits::rate_limit(policy, at, issues),
        Policy::Quota(policy) => limits::quota(policy, at, issues),
        Policy::Cors(policy) => messages::cors(policy, at, issues),
        Policy::Headers(policy) => {
            headers::changes(&policy.request, &format!("{at}/request"), issues);
            headers::changes(&policy.response, &format!("{at}/response"), issues);
        }
        Policy::Rewrite(policy) => messages::rewrite(policy, path, at, issues),
        Policy::Transform(policy) => transform::transform(policy, at, issues),
        Policy::Respond(policy) => messages::respond(policy, path, at, issues),
        Policy::Timeout(policy) => limits::timeout(policy, at, issues),
        Policy::Retry(policy) => limits::retry(policy, at, issues),
        Policy::Cache(policy) => messages::cache(policy, at, issues),
        Policy::Log(policy) => messages::log(policy, at, issues),
        Policy::Native(policy) => {
            not_empty(issues, policy.config.len(), &format!("{at}/config"), "field");
        }
    }
}

fn not_empty(issues: &mut Vec<Issue>, length: usize, at: &str, what: &str) {
    if length == 0 {
        issues.push(Issue::new(at, format!("needs at least one {what}")));
    }
}

/// Notes a number that is not from `min` to `max`.
fn within(issues: &mut Vec<Issue>, at: String, number: u64, (min, max): (u64, u64)) {
    if !(min..=max).contains(&number) {
        issues.push(Issue::new(
            at,
            format!("expected a whole number from {min} to {max}"),
        ));
    }
}

/// A method: an HTTP token in capitals.
pub(super) fn method(text: &str) -> Result<(), String> {
    let valid = http::Method::from_bytes(text.as_bytes()).is_ok();
    if !valid || text.is_empty() {
        return Err(format!("`{text}` is not an HTTP method"));
    }
    if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Err(format!(
            "methods are written in capitals: `{}`",
            text.to_ascii_uppercase()
        ));
    }
    Ok(())
}
