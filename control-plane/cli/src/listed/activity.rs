//! What the control plane makes and records, as rows.

use gatehouse_control_plane_api::admin::{
    Agent, AuditEvent, Deployment, DiscoveredApi, Discovery, Import, Revision, Token,
};
use gatehouse_schemas::{
    condition::ConditionType, descriptor::ConformanceSummary, diff::Change, duplicate::Duplicate,
    identity::ResourceName, observed::Classification, time::Timestamp,
};

use super::{Listed, condition_word, word};
use crate::moment::age;

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
        "PROTOCOL",
        "CONFORMANCE",
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
            self.protocol
                .map(|protocol| protocol.to_string())
                .unwrap_or_default(),
            self.descriptor
                .as_ref()
                .and_then(|descriptor| descriptor.conformance.as_ref())
                .map(conformance)
                .unwrap_or_default(),
            names(&self.environments),
            self.last_seen_at.map(|seen| age(seen, now)).unwrap_or_default(),
            age(self.created_at, now),
            self.id.to_string(),
        ]
    }
}

/// What the conformance suite saw, in a few words: `core: 30 passed, 1 failed`.
fn conformance(seen: &ConformanceSummary) -> String {
    let failed = match seen.failed.len() {
        0 => String::new(),
        failed => format!(", {failed} failed"),
    };
    format!("{}: {} passed{failed}", seen.level.as_str(), seen.passed)
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
        "IGNORED",
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
            counts.ignored,
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
    const HEADINGS: &'static [&'static str] =
        &["ITEM", "NAME", "REFERENCE", "CLASS", "API", "MANAGED", "DETAIL"];

    fn reference(&self) -> String {
        format!("item/{}", self.id)
    }

    fn cells(&self, _: Timestamp) -> Vec<String> {
        let (class, detail) = class(&self.classification);
        vec![
            self.id.to_string(),
            self.name.clone(),
            self.external_ref.to_string(),
            class.to_owned(),
            self.api.as_ref().map(ToString::to_string).unwrap_or_default(),
            if self.managed { "yes" } else { "no" }.to_owned(),
            detail,
        ]
    }
}

fn class(classification: &Classification) -> (&'static str, String) {
    match classification {
        Classification::New { duplicates } => ("new", maybe_the_same(duplicates)),
        Classification::Changed {
            changes,
            change_class,
            ..
        } => ("changed", format!("{}: {}", word(change_class), paths(changes))),
        Classification::Unchanged => ("unchanged", String::new()),
        Classification::Gone { message } => ("gone", message.clone()),
        Classification::Ignored { reason } => ("ignored", reason.clone()),
        Classification::Conflict { reason } => ("conflict", reason.clone()),
        Classification::Error { reason } => ("error", reason.clone()),
    }
}

/// Which fields changed; a rename is told with both names.
fn paths(changes: &[Change]) -> String {
    let told = changes
        .iter()
        .map(|change| match (&change.before, &change.after) {
            (Some(before), Some(after)) if change.path == "/name" => format!("renamed {before} -> {after}"),
            _ => change.path.clone(),
        });
    told.collect::<Vec<_>>().join(", ")
}

/// Which APIs of the catalog a finding may be another place of, and why.
fn maybe_the_same(duplicates: &[Duplicate]) -> String {
    let told = duplicates
        .iter()
        .map(|duplicate| format!("maybe api/{} ({})", duplicate.api, duplicate.evidence.join(", ")));
    told.collect::<Vec<_>>().join("; ")
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

fn names(names: &[ResourceName]) -> String {
    names
        .iter()
        .map(ResourceName::as_str)
        .collect::<Vec<_>>()
        .join(",")
}
