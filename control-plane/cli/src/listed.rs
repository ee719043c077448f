//! How each kind of object looks in a table, and what it is called on one line.

use gatehouse_control_plane_api::admin::{
    Agent, ApiResource, AuditEvent, Deployment, DiscoveredApi, Discovery, EnvironmentResource, Import,
    PolicyResource, ProjectResource, Revision, SecretResource, Token,
};
use gatehouse_schemas::{
    condition::{Condition, ConditionStatus, ConditionType},
    environment::Mode,
    identity::ResourceName,
    observed::Classification,
    resource::{Metadata, PolicyTarget},
    time::Timestamp,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{moment::age, table::table};

/// An object that stands in lists.
pub(crate) trait Listed: Serialize + DeserializeOwned {
    /// The headings of its columns.
    const HEADINGS: &'static [&'static str];

    /// What it is called: `KIND/NAME`.
    fn reference(&self) -> String;

    /// Its cells, one under each heading.
    fn cells(&self, now: Timestamp) -> Vec<String>;
}

/// The table of a list.
pub(crate) fn table_of<T: Listed>(items: &[T], now: Timestamp) -> String {
    let rows: Vec<Vec<String>> = items.iter().map(|item| item.cells(now)).collect();
    table(T::HEADINGS, &rows)
}

/// The names of a list.
pub(crate) fn references<T: Listed>(items: &[T]) -> Vec<String> {
    items.iter().map(T::reference).collect()
}

/// A value that is written as one word.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

fn names(names: &[ResourceName]) -> String {
    names
        .iter()
        .map(ResourceName::as_str)
        .collect::<Vec<_>>()
        .join(",")
}

fn metadata_age(metadata: &Metadata, now: Timestamp) -> String {
    metadata
        .created_at
        .map(|created| age(created, now))
        .unwrap_or_default()
}

/// What a condition comes down to in one word: `True`, or why not.
pub(crate) fn condition_word(conditions: &[Condition], wanted: ConditionType) -> String {
    let found = conditions.iter().find(|condition| condition.r#type == wanted);
    match found {
        Some(condition) if condition.status == ConditionStatus::True => "yes".to_owned(),
        Some(condition) => condition.reason.clone(),
        None => "unknown".to_owned(),
    }
}

impl Listed for ApiResource {
    const HEADINGS: &'static [&'static str] = &[
        "NAME",
        "PROJECT",
        "VERSION",
        "REVISION",
        "BASE PATH",
        "OPERATIONS",
        "DEPLOYED TO",
        "AGE",
    ];

    fn reference(&self) -> String {
        format!("api/{}", self.metadata.name)
    }

    fn cells(&self, now: Timestamp) -> Vec<String> {
        let place = |at: &gatehouse_control_plane_api::admin::ApiDeployment| {
            format!("{}@{} ({})", at.environment, at.revision, word(&at.phase))
        };
        vec![
            self.metadata.name.to_string(),
            self.metadata.project.to_string(),
            self.spec.version.clone(),
            self.status.latest_revision.to_string(),
            self.spec.base_path.clone(),
            self.status.operations.to_string(),
            self.status
                .deployments
                .iter()
                .map(place)
                .collect::<Vec<_>>()
                .join(", "),
            metadata_age(&self.metadata, now),
        ]
    }
}

impl Listed for EnvironmentResource {
    const HEADINGS: &'static [&'static str] = &[
        "NAME",
        "PROJECT",
        "TYPE",
        "MODE",
        "CONNECTED",
        "DEPLOYMENTS",
        "AGE",
    ];

    fn reference(&self) -> String {
        format!("environment/{}", self.metadata.name)
    }

    fn cells(&self, now: Timestamp) -> Vec<String> {
        let mode: Mode = self.spec.mode;
        vec![
            self.metadata.name.to_string(),
            self.metadata.project.to_string(),
            self.spec.gateway_type.to_string(),
            word(&mode),
            condition_word(&self.status.conditions, ConditionType::Connected),
            self.status.deployments.to_string(),
            metadata_age(&self.metadata, now),
        ]
    }
}

impl Listed for PolicyResource {
    const HEADINGS: &'static [&'static str] =
        &["NAME", "PROJECT", "TARGETS", "POLICIES", "IN FORCE FOR", "AGE"];

    fn reference(&self) -> String {
        format!("policy/{}", self.metadata.name)
    }

    fn cells(&self, now: Timestamp) -> Vec<String> {
        let types: Vec<&str> = self
            .spec
            .policies
            .iter()
            .map(|policy| policy.type_name())
            .collect();
        vec![
            self.metadata.name.to_string(),
            self.metadata.project.to_string(),
            self.spec
                .targets
                .iter()
                .map(target)
                .collect::<Vec<_>>()
                .join(", "),
            types.join(","),
            format!("{} deployments", self.status.deployments),
            metadata_age(&self.metadata, now),
        ]
    }
}

fn target(target: &PolicyTarget) -> String {
    match target {
        PolicyTarget::Project(name) => format!("project/{name}"),
        PolicyTarget::Environment(name) => format!("environment/{name}"),
        PolicyTarget::Labels(labels) => labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect::<Vec<_>>()
            .join(","),
    }
}

impl Listed for ProjectResource {
    const HEADINGS: &'static [&'static str] = &["NAME", "DISPLAY NAME", "APIS", "ENVIRONMENTS", "AGE"];

    fn reference(&self) -> String {
        format!("project/{}", self.metadata.name)
    }

    fn cells(&self, now: Timestamp) -> Vec<String> {
        vec![
            self.metadata.name.to_string(),
            self.spec.display_name.clone().unwrap_or_default(),
            self.status.apis.to_string(),
            self.status.environments.to_string(),
            metadata_age(&self.metadata, now),
        ]
    }
}

impl Listed for SecretResource {
    const HEADINGS: &'static [&'static str] = &["NAME", "PROJECT", "USED BY", "AGE"];

    fn reference(&self) -> String {
        format!("secret/{}", self.metadata.name)
    }

    fn cells(&self, now: Timestamp) -> Vec<String> {
        vec![
            self.metadata.name.to_string(),
            self.metadata.project.to_string(),
            self.status.used_by.join(","),
            metadata_age(&self.metadata, now),
        ]
    }
}

impl Listed for Revision {
    const HEADINGS: &'static [&'static str] = &["API", "REVISION", "FINGERPRINT", "CREATED BY", "AGE"];

    fn reference(&self) -> String {
        format!("revision/{}@{}", self.api, self.number)
    }

    fn cells(&self, now: Timestamp) -> Vec<String> {
        vec![
            self.api.to_string(),
            self.number.to_string(),
            self.fingerprint.0.chars().take("sha256:".len() + 12).collect(),
            self.created_by.clone(),
            age(self.created_at, now),
        ]
    }
}

impl Listed for Deployment {
    const HEADINGS: &'static [&'static str] = &[
        "API",
        "REVISION",
        "ENVIRONMENT",
        "PHASE",
        "IN SYNC",
        "ENDPOINT",
        "AGE",
        "ID",
    ];

    fn reference(&self) -> String {
        format!("deployment/{}", self.id)
    }

    fn cells(&self, now: Timestamp) -> Vec<String> {
        vec![
            self.api.to_string(),
            self.revision.to_string(),
            self.environment.to_string(),
            word(&self.phase),
            condition_word(&self.conditions, ConditionType::InSync),
            self.endpoint_urls.first().cloned().unwrap_or_default(),
            age(self.created_at, now),
            self.id.to_string(),
        ]
    }
}

impl Listed for Agent {
    const HEADINGS: &'static [&'static str] = &[
        "NAME",
        "TYPE",
        "STATE",
        "VERSION",
        "ENVIRONMENTS",
        "LAST SEEN",
        "AGE",
        "ID",
    ];

    fn reference(&self) -> String {
        format!("agent/{}", self.id)
    }

    fn cells(&self, now: Timestamp) -> Vec<String> {
        let state = match (self.revoked, self.online) {
            (true, _) => "revoked",
            (false, true) => "online",
            (false, false) => "offline",
        };
        vec![
            self.name.clone(),
            self.gateway_type.to_string(),
            state.to_owned(),
            self.descriptor
                .as_ref()
                .map(|descriptor| descriptor.version.clone())
                .unwrap_or_default(),
            names(&self.environments),
            self.last_seen_at.map(|seen| age(seen, now)).unwrap_or_default(),
            age(self.created_at, now),
            self.id.to_string(),
        ]
    }
}

impl Listed for Discovery {
    const HEADINGS: &'static [&'static str] = &[
        "ID",
        "ENVIRONMENT",
        "STATE",
        "NEW",
        "CHANGED",
        "UNCHANGED",
        "GONE",
        "CONFLICT",
        "ERROR",
        "AGE",
    ];

    fn reference(&self) -> String {
        format!("discovery/{}", self.id)
    }

    fn cells(&self, now: Timestamp) -> Vec<String> {
        let counts = &self.counts;
        let found = [
            counts.new,
            counts.changed,
            counts.unchanged,
            counts.gone,
            counts.conflict,
            counts.error,
        ];
        [
            self.id.to_string(),
            self.environment.to_string(),
            word(&self.state),
        ]
        .into_iter()
        .chain(found.map(|count| count.to_string()))
        .chain([age(self.created_at, now)])
        .collect()
    }
}

impl Listed for DiscoveredApi {
    const HEADINGS: &'static [&'static str] = &["ITEM", "NAME", "CLASS", "API", "MANAGED", "DETAIL"];

    fn reference(&self) -> String {
        format!("item/{}", self.id)
    }

    fn cells(&self, _: Timestamp) -> Vec<String> {
        let (class, detail) = class(&self.classification);
        vec![
            self.id.to_string(),
            self.name.clone(),
            class.to_owned(),
            self.api.as_ref().map(ToString::to_string).unwrap_or_default(),
            if self.managed { "yes" } else { "no" }.to_owned(),
            detail,
        ]
    }
}

fn class(classification: &Classification) -> (&'static str, String) {
    match classification {
        Classification::New => ("new", String::new()),
        Classification::Changed { changes } => (
            "changed",
            changes
                .iter()
                .map(|change| change.path.clone())
                .collect::<Vec<_>>()
                .join(", "),
        ),
        Classification::Unchanged => ("unchanged", String::new()),
        Classification::Gone => ("gone", String::new()),
        Classification::Conflict { reason } => ("conflict", reason.clone()),
        Classification::Error { reason } => ("error", reason.clone()),
    }
}

impl Listed for Import {
    const HEADINGS: &'static [&'static str] = &["ID", "DISCOVERY", "RESULTS", "BY", "AGE"];

    fn reference(&self) -> String {
        format!("import/{}", self.id)
    }

    fn cells(&self, now: Timestamp) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.discovery_id.to_string(),
            self.results.len().to_string(),
            self.created_by.clone(),
            age(self.created_at, now),
        ]
    }
}

impl Listed for Token {
    const HEADINGS: &'static [&'static str] = &["NAME", "ROLE", "EXPIRES", "AGE", "ID"];

    fn reference(&self) -> String {
        format!("token/{}", self.id)
    }

    fn cells(&self, now: Timestamp) -> Vec<String> {
        vec![
            self.name.to_string(),
            word(&self.role),
            self.expires_at
                .map_or_else(|| "never".to_owned(), |end| end.to_string()),
            age(self.created_at, now),
            self.id.to_string(),
        ]
    }
}

impl Listed for AuditEvent {
    const HEADINGS: &'static [&'static str] = &["AT", "ACTOR", "ACTION", "OBJECT", "REQUEST"];

    fn reference(&self) -> String {
        format!("audit-event/{}", self.id)
    }

    fn cells(&self, _: Timestamp) -> Vec<String> {
        vec![
            self.at.to_string(),
            self.actor.clone(),
            self.action.clone(),
            self.object.clone(),
            self.request_id.clone().unwrap_or_default(),
        ]
    }
}
