//! What people do in the vendor's console, past everybody else.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    answer::{Answer, Outcome, bad_request, not_found},
    decorate,
    model::{Api, Deployment, Policy, Route, Settings},
    vendor::{Inner, now_ms},
};

/// Who did it, in the log of invariants.
pub(super) const SIMULATION: &str = "simulation";

/// An edit of one API.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct EditRequest {
    account: String,
    /// Its identity, or its name.
    api: String,
    edit: Edit,
    /// Whether the edit of a draft is deployed at once to all stages, as a new deployment with the tags of the old.
    #[serde(default = "yes")]
    deploy: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "kind",
    deny_unknown_fields
)]
enum Edit {
    /// Another name.
    Rename { name: String },
    /// Fields of the settings, laid over the present ones.
    Settings { with: Value },
    /// A route, in place of one with the same method and path.
    PutRoute { route: Route },
    /// Without a route.
    RemoveRoute { method: String, path: String },
    /// A policy, in place of one with the same name.
    PutPolicy { policy: Policy },
    /// Without policies of this kind.
    RemovePolicies { policy_kind: String },
    /// Tags, added or replaced; null takes one away.
    Tags { with: BTreeMap<String, Option<String>> },
    /// Without any tags.
    DropTags,
    /// Without a stage.
    RemoveStage { stage: String },
    /// Gone, with everything.
    Delete,
}

/// Carries an edit out.
pub(super) fn edit(inner: &mut Inner, request: EditRequest) -> Outcome {
    let account = &request.account;
    let named = |api: &&std::sync::Arc<Api>| api.id == request.api || api.name == request.api;
    let found = inner.store.list(account, "", u64::MAX).find(named);
    let mut api = Api::clone(found.ok_or_else(|| not_found("API", &request.api))?);
    let mut draft_changed = true;
    match request.edit {
        Edit::Settings { with } => api.draft.settings = laid_over(&api.draft.settings, &with)?,
        Edit::PutRoute { route } => {
            let same = |it: &Route| it.method == route.method && it.path == route.path;
            api.draft.routes.retain(|it| !same(it));
            api.draft.routes.push(route);
        }
        Edit::RemoveRoute { method, path } => {
            api.draft
                .routes
                .retain(|it| it.method != method || it.path != path);
        }
        Edit::PutPolicy { policy } => {
            api.draft.policies.retain(|it| it.name != policy.name);
            api.draft.policies.push(policy);
        }
        Edit::RemovePolicies { policy_kind } => api.draft.policies.retain(|it| it.kind != policy_kind),
        Edit::Delete => {
            inner.remove(account, &api.id, now_ms());
            return Ok(Answer::json(200, &json!({"id": api.id})));
        }
        other => {
            draft_changed = false;
            of_the_object(&mut api, other);
        }
    }
    if draft_changed && request.deploy {
        deploy(inner, &mut api);
    }
    let shown = decorate::listed(&api);
    inner.put(account, api, SIMULATION, now_ms());
    Ok(Answer::json(200, &shown))
}

fn laid_over(settings: &Settings, with: &Value) -> Result<Settings, Answer> {
    let mut value = json!(settings);
    for (name, wanted) in with.as_object().into_iter().flatten() {
        value[name] = wanted.clone();
    }
    serde_json::from_value(value).map_err(|error| bad_request(error.to_string()))
}

fn of_the_object(api: &mut Api, edit: Edit) {
    match edit {
        Edit::Rename { name } => api.name = name,
        Edit::Tags { with } => {
            for (tag, value) in with {
                match value {
                    Some(value) => api.tags.insert(tag, value),
                    None => api.tags.remove(&tag),
                };
            }
        }
        Edit::DropTags => api.tags.clear(),
        Edit::RemoveStage { stage } => {
            api.stages.remove(&stage);
        }
        _ => {}
    }
}

fn deploy(inner: &mut Inner, api: &mut Api) {
    let stages: Vec<String> = api.stages.keys().cloned().collect();
    for stage in stages {
        let (id, number) = (inner.store.next_id(), inner.store.next());
        let tags = api.served(&stage).map(|it| it.tags.clone()).unwrap_or_default();
        let deployment = Deployment {
            id: id.clone(),
            name: format!("console-{number}"),
            number,
            created_ms: now_ms(),
            tags,
            snapshot: api.draft.clone(),
        };
        api.deployments.insert(id.clone(), deployment);
        let version = inner.store.next();
        if let Some(stage) = api.stages.get_mut(&stage) {
            stage.deployment_id = id;
            stage.version = version;
        }
    }
}
