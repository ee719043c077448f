//! What an account has in a region.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

/// A thing as it is on the wire.
pub(crate) type Entity = Map<String, Value>;

/// Things by their ids or names.
pub(crate) type Entities = BTreeMap<String, Entity>;

/// What an account has in a region.
#[derive(Debug, Default)]
pub(crate) struct Place {
    pub(crate) rest_apis: BTreeMap<String, RestApi>,
    pub(crate) api_keys: Entities,
    pub(crate) usage_plans: BTreeMap<String, UsagePlan>,
    pub(crate) http_apis: BTreeMap<String, HttpApi>,
    pub(crate) domain_names: BTreeMap<String, DomainName>,
    pub(crate) vpc_links: Entities,
    /// What the account itself is set to, beside what never changes.
    pub(crate) account: Entity,
}

/// A REST API: what is being worked on, and what is deployed.
#[derive(Debug, Default)]
pub(crate) struct RestApi {
    pub(crate) tags: Entity,
    pub(crate) definition: Definition,
    pub(crate) deployments: BTreeMap<String, Deployment>,
    pub(crate) stages: Entities,
    /// Whether its own address serves nobody. It follows `disableExecuteApiEndpoint` whenever a stage is changed, whatever
    /// snapshots the stages serve.
    pub(crate) is_closed: bool,
}

impl RestApi {
    /// A stage was changed: what was said of the API's own address takes effect.
    pub(crate) fn settle(&mut self) {
        let disabled = self.definition.api.get("disableExecuteApiEndpoint");
        self.is_closed = disabled == Some(&Value::Bool(true));
    }
}

/// What a deployment is a snapshot of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Definition {
    /// The API itself: name, version, policy and so on.
    pub(crate) api: Entity,
    /// By id, with their methods.
    pub(crate) resources: Entities,
    pub(crate) authorizers: Entities,
    pub(crate) request_validators: Entities,
    /// By name.
    pub(crate) models: Entities,
    /// By type; only those that differ from what they are by default.
    pub(crate) gateway_responses: Entities,
    pub(crate) documentation_parts: Entities,
}

/// A snapshot that never changes.
#[derive(Debug)]
pub(crate) struct Deployment {
    pub(crate) entity: Entity,
    pub(crate) snapshot: Arc<Definition>,
}

/// An HTTP or a WebSocket API.
#[derive(Debug, Default)]
pub(crate) struct HttpApi {
    pub(crate) tags: Entity,
    pub(crate) definition: HttpDefinition,
    pub(crate) deployments: BTreeMap<String, HttpDeployment>,
    pub(crate) stages: Entities,
}

/// What a deployment of an HTTP API is a snapshot of.
#[derive(Debug, Clone, Default)]
pub(crate) struct HttpDefinition {
    /// The API itself: name, version, CORS and so on.
    pub(crate) api: Entity,
    pub(crate) routes: Entities,
    pub(crate) integrations: Entities,
    pub(crate) authorizers: Entities,
}

/// A snapshot of an HTTP API that never changes.
#[derive(Debug)]
pub(crate) struct HttpDeployment {
    pub(crate) entity: Entity,
    pub(crate) snapshot: Arc<HttpDefinition>,
}

/// A usage plan and its keys.
#[derive(Debug, Default)]
pub(crate) struct UsagePlan {
    pub(crate) entity: Entity,
    /// The ids of the keys, in their order.
    pub(crate) keys: Vec<String>,
}

/// A custom domain and what its paths lead to.
#[derive(Debug, Default)]
pub(crate) struct DomainName {
    pub(crate) entity: Entity,
    /// By base path; that of the domain itself is `(none)`.
    pub(crate) mappings: Entities,
}

impl Definition {
    /// The resource at a path.
    pub(crate) fn resource_at(&self, path: &str) -> Option<&Entity> {
        self.resources
            .values()
            .find(|resource| text(resource, "path") == path)
    }
}

/// The text of a member; empty if there is none.
pub(crate) fn text<'a>(entity: &'a Entity, member: &str) -> &'a str {
    entity.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// The object of a member.
pub(crate) fn object<'a>(entity: &'a Entity, member: &str) -> Option<&'a Entity> {
    entity.get(member).and_then(Value::as_object)
}

/// Changes the object of a member, which is made if there is none.
pub(crate) fn change_object<T>(
    entity: &mut Entity,
    member: &str,
    change: impl FnOnce(&mut Entity) -> T,
) -> T {
    let mut members = match entity.remove(member) {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    };
    let done = change(&mut members);
    entity.insert(member.to_owned(), Value::Object(members));
    done
}

/// An object out of JSON; nothing if it is none.
pub(crate) fn entity(value: Value) -> Entity {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// An id of lowercase letters and digits that no other thing has.
pub(crate) fn new_id(length: usize) -> String {
    const DIGITS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut number = uuid::Uuid::new_v4().as_u128();
    let mut id = String::with_capacity(length);
    for _ in 0..length {
        id.push(char::from(
            DIGITS[usize::try_from(number % 36).unwrap_or_default()],
        ));
        number /= 36;
    }
    id
}

impl Place {
    /// The usage plan that an API, or one of its stages, belongs to.
    pub(crate) fn usage_plan_of(&self, api: &str, stage: Option<&str>) -> Option<&str> {
        let holds = |plan: &UsagePlan| {
            let stages = plan.entity.get("apiStages").and_then(Value::as_array);
            let mut stages = stages.into_iter().flatten();
            stages.any(|one| one["apiId"] == *api && stage.is_none_or(|stage| one["stage"] == *stage))
        };
        let found = self.usage_plans.iter().find(|(_, plan)| holds(plan));
        found.map(|(id, _)| id.as_str())
    }
}

impl Place {
    /// The names of an API's stages, whichever of the two kinds it is; none if there is no such API.
    pub(crate) fn stage_names(&self, api: &str) -> Option<Vec<&str>> {
        let rest = self.rest_apis.get(api).map(|api| &api.stages);
        let stages = rest.or_else(|| Some(&self.http_apis.get(api)?.stages));
        stages.map(|stages| stages.keys().map(String::as_str).collect())
    }
}
