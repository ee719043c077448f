//! What must never be so, looked for at every change.

use serde::Serialize;
use serde_json::Value;

use super::{
    model::{Api, Deployment, SECURITY_KINDS},
    store::Store,
};

/// The tags that say whose an object is.
pub(super) const MARK: [&str; 2] = ["gatehouse-environment", "gatehouse-api"];
/// The tag of a deployment that lists the names of the security policies it must have, as a JSON list.
pub(super) const SECURITY: &str = "gatehouse-security";

/// Something that must never be so, and was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Violation {
    pub(super) at_ms: u64,
    /// `unprotected`, `duplicateMark`, `duplicateDeployment`.
    pub(super) kind: &'static str,
    pub(super) account: String,
    pub(super) api: String,
    pub(super) detail: String,
    /// Who did it: an operation, or `simulation` for an edit that a test asked for.
    pub(super) by: String,
}

/// What is wrong after a change of an object.
pub(super) fn violations(store: &Store, account: &str, api: &Api, by: &str, at_ms: u64) -> Vec<Violation> {
    let found = unprotected(api)
        .into_iter()
        .map(|detail| ("unprotected", detail))
        .chain(duplicate_mark(store, account, api).map(|detail| ("duplicateMark", detail)))
        .chain(duplicate_deployment(api).map(|detail| ("duplicateDeployment", detail)));
    found
        .map(|(kind, detail)| Violation {
            at_ms,
            kind,
            account: account.to_owned(),
            api: api.id.clone(),
            detail,
            by: by.to_owned(),
        })
        .collect()
}

fn unprotected(api: &Api) -> Vec<String> {
    let mut found = Vec::new();
    for stage in api.stages.keys() {
        let Some(deployment) = api.served(stage) else {
            found.push(format!("stage `{stage}` points at nothing"));
            continue;
        };
        let missing = declared(deployment).into_iter().chain(declared_by(&api.tags));
        for name in missing.filter(|name| !protects(deployment, name)) {
            found.push(format!(
                "stage `{stage}` serves deployment `{}` without the security policy `{name}`",
                deployment.name
            ));
        }
    }
    found
}

fn declared(deployment: &Deployment) -> Vec<String> {
    declared_by(&deployment.tags)
}

fn declared_by(tags: &std::collections::BTreeMap<String, String>) -> Vec<String> {
    let listed = tags.get(SECURITY);
    let names: Option<Value> = listed.and_then(|text| serde_json::from_str(text).ok());
    let names = names.as_ref().and_then(Value::as_array);
    let names = names.into_iter().flatten().filter_map(Value::as_str);
    names.map(str::to_owned).collect()
}

fn protects(deployment: &Deployment, name: &str) -> bool {
    let policies = &deployment.snapshot.policies;
    policies
        .iter()
        .any(|policy| policy.name == name && SECURITY_KINDS.contains(&policy.kind.as_str()))
}

/// The mark of an object, if it carries one.
pub(super) fn mark(api: &Api) -> Option<[&String; 2]> {
    Some([api.tags.get(MARK[0])?, api.tags.get(MARK[1])?])
}

fn duplicate_mark(store: &Store, account: &str, api: &Api) -> Option<String> {
    let own = mark(api)?;
    let other = store
        .all()
        .find(|(owner, other)| *owner == account && other.id != api.id && mark(other) == Some(own))?;
    Some(format!("`{}` carries the mark of `{}` too", api.id, other.1.id))
}

fn duplicate_deployment(api: &Api) -> Option<String> {
    let mut names: Vec<&str> = api.deployments.values().map(|it| it.name.as_str()).collect();
    names.sort_unstable();
    let twice = names
        .windows(2)
        .find(|pair| pair[0] == pair[1] && !pair[0].is_empty())?;
    Some(format!("two deployments are called `{}`", twice[0]))
}
