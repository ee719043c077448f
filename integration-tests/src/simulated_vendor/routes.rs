//! The vendor's own port: which request is which operation, and what it does.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_schemas::canonical::Fingerprint;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json, value::RawValue};

use super::{
    accounts::Key,
    answer::{Answer, Outcome, bad_request, not_found},
    decorate,
    model::{Api, Deployment, Policy, Route, Settings, Snapshot, Stage},
    operations::Operation,
    vendor::{Call, Inner, StageChange},
};

/// What an operation is about.
#[derive(Debug, Clone, Default)]
pub(super) struct Target {
    pub(super) api: Option<String>,
    /// A deployment or a stage of it.
    part: String,
}

/// The operation that a request is.
pub(super) fn find(call: &Call) -> Option<(Operation, Target)> {
    let segments: Vec<&str> = call.path.split('/').filter(|it| !it.is_empty()).collect();
    let of = |api: &str, part: &str| Target {
        api: Some(api.to_owned()),
        part: part.to_owned(),
    };
    let found = match (call.method.as_str(), segments.as_slice()) {
        ("GET", ["v1", "permissions"]) => (Operation::GetPermissions, Target::default()),
        ("GET", ["v1", "apis"]) => (Operation::GetApis, Target::default()),
        ("POST", ["v1", "apis"]) => (Operation::CreateApi, Target::default()),
        ("GET", ["v1", "apis", id]) => (Operation::GetApi, of(id, "")),
        ("PATCH", ["v1", "apis", id]) => (Operation::UpdateApi, of(id, "")),
        ("DELETE", ["v1", "apis", id]) => (Operation::DeleteApi, of(id, "")),
        ("GET", ["v1", "apis", id, "export"]) => (Operation::GetExport, of(id, "")),
        ("PUT", ["v1", "apis", id, "routes"]) => (Operation::PutRoutes, of(id, "")),
        ("PUT", ["v1", "apis", id, "policies"]) => (Operation::PutPolicies, of(id, "")),
        ("PUT", ["v1", "apis", id, "definition"]) => (Operation::PutDefinition, of(id, "")),
        ("POST", ["v1", "apis", id, "deployments"]) => (Operation::CreateDeployment, of(id, "")),
        ("GET", ["v1", "apis", id, "deployments", part]) => (Operation::GetDeployment, of(id, part)),
        ("DELETE", ["v1", "apis", id, "deployments", part]) => (Operation::DeleteDeployment, of(id, part)),
        ("PUT", ["v1", "apis", id, "stages", part]) => (Operation::PutStage, of(id, part)),
        ("DELETE", ["v1", "apis", id, "stages", part]) => (Operation::DeleteStage, of(id, part)),
        _ => return None,
    };
    Some(found)
}

/// Carries a call out.
pub(super) fn carry_out(
    inner: &mut Inner,
    key: &Key,
    operation: Operation,
    target: &Target,
    call: &Call,
    now_ms: u64,
) -> Outcome {
    let Some(id) = target.api.as_deref() else {
        return match operation {
            Operation::GetPermissions => Ok(permissions(key)),
            Operation::GetApis => list(inner, key, call, now_ms),
            _ => create(inner, key, call, now_ms),
        };
    };
    if operation.is_read() {
        let horizon = inner.horizon(now_ms);
        let api = inner.store.seen(&key.account, id, horizon);
        return read(api.ok_or_else(|| not_found("API", id))?, operation, target, call);
    }
    let api = inner.store.now(&key.account, id);
    let api = Api::clone(api.ok_or_else(|| not_found("API", id))?);
    if operation == Operation::DeleteApi {
        if !api.stages.is_empty() {
            return Err(bad_request(format!(
                "API `{id}` has active stages; delete them first"
            )));
        }
        inner.remove(&key.account, id, now_ms);
        return Ok(Answer::nothing(202));
    }
    write(inner, &key.account, api, operation, target, call, now_ms)
}

fn permissions(key: &Key) -> Answer {
    let allowed: Vec<&str> = Operation::ALL
        .into_iter()
        .filter(|operation| key.allows(*operation))
        .map(Operation::name)
        .collect();
    Answer::json(
        200,
        &json!({"account": key.account, "version": "2026-03", "operations": allowed}),
    )
}

fn list(inner: &mut Inner, key: &Key, call: &Call, now_ms: u64) -> Outcome {
    let wanted: Vec<(String, String)> = call
        .query
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix("tag.")?.to_owned(), value.clone())))
        .collect();
    let limit = call.query("limit").and_then(|limit| limit.parse().ok());
    let limit = limit.unwrap_or(25).clamp(1, inner.behaviour.page_limit);
    let after = match call.query("position") {
        Some(position) => good_position(inner, position, now_ms)?,
        None => String::new(),
    };
    let tagged = |api: &Api| {
        wanted
            .iter()
            .all(|(name, value)| api.tags.get(name) == Some(value))
    };
    let mut rest = inner
        .store
        .list(&key.account, &after, inner.horizon(now_ms))
        .filter(|api| tagged(api));
    let page: Vec<_> = rest.by_ref().take(limit).collect();
    let items: Vec<Value> = page.iter().map(|api| decorate::listed(api)).collect();
    let more = rest.next().is_some();
    let mut body = json!({"items": items});
    if let Some(last) = page.last().filter(|_| more) {
        body["position"] = json!(format!("{}.{now_ms}.{}", last.id, inner.epoch));
    }
    Ok(Answer::json(200, &body))
}

/// The identity after which a listing goes on.
fn good_position(inner: &Inner, position: &str, now_ms: u64) -> Result<String, Answer> {
    let refused = || {
        Answer::error(
            400,
            "PositionExpired",
            format!("the position `{position}` is not good any more"),
        )
    };
    let mut parts = position.split('.');
    let (id, issued, epoch) = (parts.next(), parts.next(), parts.next());
    let issued: u64 = issued.and_then(|it| it.parse().ok()).ok_or_else(refused)?;
    let epoch: u64 = epoch.and_then(|it| it.parse().ok()).ok_or_else(refused)?;
    if epoch != inner.epoch || now_ms > issued.saturating_add(inner.behaviour.position_ms) {
        return Err(refused());
    }
    Ok(id.unwrap_or_default().to_owned())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreateApi {
    name: String,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    settings: Settings,
}

fn create(inner: &mut Inner, key: &Key, call: &Call, now_ms: u64) -> Outcome {
    let body: CreateApi = parse(call)?;
    named(&body.name)?;
    let api = Api {
        id: inner.store.next_id(),
        name: body.name,
        tags: body.tags,
        version: 0,
        created_ms: now_ms,
        draft: Snapshot {
            settings: body.settings,
            ..Snapshot::default()
        },
        deployments: BTreeMap::new(),
        stages: BTreeMap::new(),
    };
    let answer = Answer::json(201, &decorate::listed(&api));
    inner.put(&key.account, api, Operation::CreateApi.name(), now_ms);
    Ok(answer)
}

fn named(name: &str) -> Result<(), Answer> {
    if name.is_empty() || name.len() > 200 {
        return Err(bad_request("a name has 1 to 200 characters"));
    }
    Ok(())
}

fn read(api: &Api, operation: Operation, target: &Target, call: &Call) -> Outcome {
    let shown = match operation {
        Operation::GetExport => {
            let with_draft = call.query("include") == Some("draft");
            decorate::exported(api, call.query("stage"), with_draft)
        }
        Operation::GetDeployment => {
            let deployment = api.deployments.get(&target.part);
            decorate::deployment(deployment.ok_or_else(|| not_found("deployment", &target.part))?)
        }
        _ => decorate::listed(api),
    };
    Ok(Answer::json(200, &shown))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UpdateApi {
    name: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    settings: Option<Settings>,
}

fn write(
    inner: &mut Inner,
    account: &str,
    mut api: Api,
    operation: Operation,
    target: &Target,
    call: &Call,
    now_ms: u64,
) -> Outcome {
    let answer = match operation {
        Operation::UpdateApi => update(&mut api, parse(call)?)?,
        Operation::PutRoutes => put_routes(&mut api, parse(call)?)?,
        Operation::PutPolicies => put_policies(&mut api, parse(call)?)?,
        Operation::PutDefinition => {
            api.draft.definition = Some(parse::<Box<RawValue>>(call)?);
            Answer::nothing(204)
        }
        Operation::CreateDeployment => {
            let (id, number) = (inner.store.next_id(), inner.store.next());
            create_deployment(&mut api, parse(call)?, id, number, now_ms)
        }
        Operation::DeleteDeployment => delete_deployment(&mut api, &target.part)?,
        Operation::PutStage => put_stage(inner, account, &mut api, &target.part, call, now_ms)?,
        _ => delete_stage(inner, account, &mut api, &target.part, now_ms)?,
    };
    inner.put(account, api, operation.name(), now_ms);
    Ok(answer)
}

fn update(api: &mut Api, body: UpdateApi) -> Outcome {
    if let Some(name) = body.name {
        named(&name)?;
        api.name = name;
    }
    if let Some(tags) = body.tags {
        api.tags = tags;
    }
    if let Some(settings) = body.settings {
        api.draft.settings = settings;
    }
    Ok(Answer::json(200, &decorate::listed(api)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PutRoutes {
    routes: Vec<Route>,
}

fn put_routes(api: &mut Api, body: PutRoutes) -> Outcome {
    let mut seen = BTreeSet::new();
    for route in &body.routes {
        if !route.path.starts_with('/') || route.method.is_empty() {
            return Err(bad_request(format!(
                "`{} {}` is not a route",
                route.method, route.path
            )));
        }
        if !seen.insert((&route.method, &route.path, &route.headers, &route.query)) {
            return Err(Answer::error(
                409,
                "Conflict",
                format!("the route `{} {}` is given twice", route.method, route.path),
            ));
        }
    }
    api.draft.routes = body.routes;
    Ok(Answer::nothing(204))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PutPolicies {
    policies: Vec<Policy>,
}

fn put_policies(api: &mut Api, mut body: PutPolicies) -> Outcome {
    let names: BTreeSet<&String> = body.policies.iter().map(|policy| &policy.name).collect();
    if names.len() != body.policies.len() {
        return Err(Answer::error(409, "Conflict", "a policy's name is given twice"));
    }
    for policy in &mut body.policies {
        keep_digests(&mut policy.config);
    }
    api.draft.policies = body.policies;
    Ok(Answer::nothing(204))
}

/// Credentials are never shown again: only their digests are kept.
fn keep_digests(config: &mut Value) {
    for list in ["keys", "users"] {
        let entries = config.get_mut(list).and_then(Value::as_array_mut);
        for entry in entries.into_iter().flatten().filter_map(Value::as_object_mut) {
            if let Some(Value::String(value)) = entry.remove("value") {
                let digest = Fingerprint::of_bytes(value.as_bytes()).to_string();
                entry.insert("valueDigest".to_owned(), json!(digest));
            }
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateDeployment {
    name: String,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

fn create_deployment(api: &mut Api, body: CreateDeployment, id: String, number: u64, now_ms: u64) -> Answer {
    let deployment = Deployment {
        id: id.clone(),
        name: body.name,
        number,
        created_ms: now_ms,
        tags: body.tags,
        snapshot: api.draft.clone(),
    };
    let answer = Answer::json(201, &decorate::deployment(&deployment));
    api.deployments.insert(id, deployment);
    answer
}

fn delete_deployment(api: &mut Api, id: &str) -> Outcome {
    if api.stages.values().any(|stage| stage.deployment_id == id) {
        return Err(bad_request(
            "Active stages pointing to this deployment must be moved or deleted",
        ));
    }
    match api.deployments.remove(id) {
        Some(_) => Ok(Answer::nothing(202)),
        None => Err(not_found("deployment", id)),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PutStage {
    deployment_id: String,
}

fn put_stage(
    inner: &mut Inner,
    account: &str,
    api: &mut Api,
    name: &str,
    call: &Call,
    now_ms: u64,
) -> Outcome {
    let body: PutStage = parse(call)?;
    let Some(deployment) = api.deployments.get(&body.deployment_id) else {
        return Err(not_found("deployment", &body.deployment_id));
    };
    let present = api.stages.get(name).map(|stage| decorate::etag(stage.version));
    let stale = call
        .if_match
        .as_ref()
        .is_some_and(|wanted| present.as_ref() != Some(wanted));
    if stale || (call.if_none_match.is_some() && present.is_some()) {
        return Err(Answer::error(
            412,
            "PreconditionFailed",
            format!("stage `{name}` was changed meanwhile"),
        ));
    }
    let change = StageChange {
        at_ms: now_ms,
        account: account.to_owned(),
        api: api.id.clone(),
        stage: name.to_owned(),
        deployment: Some(deployment.name.clone()),
    };
    inner.stage_changes.push(change);
    let version = inner.store.next();
    api.stages.insert(
        name.to_owned(),
        Stage {
            deployment_id: body.deployment_id,
            version,
        },
    );
    Ok(Answer::json(
        200,
        &json!({"name": name, "etag": decorate::etag(version)}),
    ))
}

fn delete_stage(inner: &mut Inner, account: &str, api: &mut Api, name: &str, now_ms: u64) -> Outcome {
    if api.stages.remove(name).is_none() {
        return Err(not_found("stage", name));
    }
    inner.stage_changes.push(StageChange {
        at_ms: now_ms,
        account: account.to_owned(),
        api: api.id.clone(),
        stage: name.to_owned(),
        deployment: None,
    });
    Ok(Answer::nothing(202))
}

fn parse<T: DeserializeOwned>(call: &Call) -> Result<T, Answer> {
    serde_json::from_slice(&call.body)
        .map_err(|error| bad_request(format!("the body is not understood: {error}")))
}
