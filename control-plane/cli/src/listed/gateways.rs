//! What gateways hold and how they stand to the catalog, as rows.

use gatehouse_control_plane_api::admin::{
    DeploymentHistoryEntry, DriftReport, IgnoredApi, MissingApi, Plan, PlanItem,
};
use gatehouse_schemas::{drift::DriftState, time::Timestamp};

use super::{Listed, word};
use crate::moment::age;

impl Listed for DriftReport {
    const HEADINGS: &'static [&'static str] = &[
        "API",
        "ENVIRONMENT",
        "REVISION",
        "STATE",
        "FIELDS",
        "SEEN",
        "DETAIL",
    ];

    fn reference(&self) -> String {
        format!("deployment/{}", self.deployment_id)
    }

    fn cells(&self, now: Timestamp) -> Vec<String> {
        let state = match self.drift.state {
            DriftState::InSync => "in sync",
            DriftState::Drifted => "drifted",
            DriftState::Missing => "missing",
            DriftState::Unknown => "unknown",
        };
        let fields = self.drift.fields.len();
        vec![
            self.api.to_string(),
            self.environment.to_string(),
            self.revision.to_string(),
            state.to_owned(),
            if fields == 0 {
                String::new()
            } else {
                fields.to_string()
            },
            self.observed_at
                .map_or_else(|| "never".to_owned(), |seen| format!("{} ago", age(seen, now))),
            self.drift.reason.clone().unwrap_or_default(),
        ]
    }
}

impl Listed for Plan {
    const HEADINGS: &'static [&'static str] = &["ID", "STATE", "ITEMS", "BY", "AGE"];

    fn reference(&self) -> String {
        format!("plan/{}", self.id)
    }

    fn cells(&self, now: Timestamp) -> Vec<String> {
        let items: Vec<String> = self.items.iter().map(item).collect();
        vec![
            self.id.to_string(),
            word(&self.state),
            items.join(", "),
            self.created_by.clone(),
            age(self.created_at, now),
        ]
    }
}

fn item(item: &PlanItem) -> String {
    format!("{} {}/{}", word(&item.action), item.api, item.environment)
}

impl Listed for IgnoredApi {
    const HEADINGS: &'static [&'static str] = &["ENVIRONMENT", "REFERENCE", "REASON", "BY", "AGE"];

    fn reference(&self) -> String {
        format!("ignored/{}", self.external_ref)
    }

    fn cells(&self, now: Timestamp) -> Vec<String> {
        vec![
            self.environment.to_string(),
            self.external_ref.to_string(),
            self.reason.clone(),
            self.created_by.clone(),
            age(self.created_at, now),
        ]
    }
}

impl Listed for MissingApi {
    const HEADINGS: &'static [&'static str] =
        &["REFERENCE", "NAME", "API", "STATE", "RUNS", "SINCE", "DETAIL"];

    fn reference(&self) -> String {
        format!("missing/{}", self.external_ref)
    }

    fn cells(&self, now: Timestamp) -> Vec<String> {
        vec![
            self.external_ref.to_string(),
            self.name.clone(),
            self.api.as_ref().map(ToString::to_string).unwrap_or_default(),
            word(&self.state),
            self.complete_runs.to_string(),
            format!("{} ago", age(self.since, now)),
            self.message.clone(),
        ]
    }
}

impl Listed for DeploymentHistoryEntry {
    const HEADINGS: &'static [&'static str] = &["REVISION", "GENERATION", "BY", "AGE"];

    fn reference(&self) -> String {
        format!("generation/{}", self.generation)
    }

    fn cells(&self, now: Timestamp) -> Vec<String> {
        vec![
            self.revision
                .map_or_else(|| "removed".to_owned(), |revision| revision.to_string()),
            self.generation.to_string(),
            self.requested_by.clone(),
            age(self.at, now),
        ]
    }
}
