//! The kinds people write documents of, as rows.

use gatehouse_control_plane_api::admin::{
    ApiDeployment, ApiResource, EnvironmentResource, PolicyResource, ProjectResource, SecretResource,
};
use gatehouse_schemas::{
    condition::ConditionType,
    resource::{Metadata, PolicyTarget},
    time::Timestamp,
};

use super::{Listed, condition_word, word};
use crate::moment::age;

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
        let place = |at: &ApiDeployment| format!("{}@{} ({})", at.environment, at.revision, word(&at.phase));
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
        vec![
            self.metadata.name.to_string(),
            self.metadata.project.to_string(),
            self.spec.gateway_type.to_string(),
            word(&self.spec.mode),
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

fn metadata_age(metadata: &Metadata, now: Timestamp) -> String {
    metadata
        .created_at
        .map(|created| age(created, now))
        .unwrap_or_default()
}
