//! What was applied, kept on the Kong itself: Kong cannot say everything that a revision says, so what nobody touched
//! reads back from here as exactly what was desired.
//!
//! The record is the body of a `request-termination` plugin that is switched off, on the first service of a generation.

use gatehouse_connector_sdk::{
    packed,
    schemas::{
        canonical::Fingerprint,
        desired::{DesiredApi, Mark},
        identity::ExternalRef,
        policy::SecretVersion,
        revision::RevisionContent,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::{
    entities::{Collection, Entity},
    translate::{Form, Part, tags},
};

/// How the text begins. Another number would be another way of writing it.
const BEGINNING: &str = "gatehouse-record:2:";

/// What was applied, and the form in which it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    pub(crate) mark: Mark,
    /// What the API is called by, over all its generations.
    pub(crate) external_ref: ExternalRef,
    /// Counts the generations of the API.
    pub(crate) number: u64,
    pub(crate) content: RevisionContent,
    pub(crate) secrets: Vec<SecretVersion>,
    pub(crate) fingerprint: Fingerprint,
    /// Without the values of secrets.
    pub(crate) form: Form,
}

impl Record {
    pub(crate) fn new(desired: &DesiredApi, external_ref: ExternalRef, number: u64, form: Form) -> Self {
        Self {
            mark: desired.mark.clone(),
            external_ref,
            number,
            content: desired.content.clone(),
            secrets: desired.secrets.clone(),
            fingerprint: desired.fingerprint.clone(),
            form,
        }
    }

    /// The plugin that holds it.
    pub(crate) fn part(&self) -> Part {
        let service = self.form.services().next().unwrap_or_default();
        let fields = json!({
            "name": "request-termination",
            "enabled": false,
            "service": {"id": service},
            "tags": tags(&self.mark),
            "config": {
                "status_code": 404,
                "content_type": "text/plain",
                "body": self.written(),
                // Even switched on it would answer nobody who does not ask for it.
                "trigger": "x-gatehouse-record",
            },
        });
        Part {
            collection: Collection::Plugins,
            id: part_id(service),
            fields: Entity::of(fields).0,
        }
    }

    fn written(&self) -> String {
        format!("{BEGINNING}{}", packed::pack(self))
    }

    /// What a plugin holds; none if it is no record, or one that somebody broke.
    pub(crate) fn of(plugin: &Entity) -> Option<Self> {
        let text = plugin.config()?.get("body")?.as_str()?;
        packed::unpack(text.strip_prefix(BEGINNING)?)
    }
}

/// The identity of the plugin with the record, by that of the service.
fn part_id(service: &str) -> String {
    let service = Uuid::parse_str(service).unwrap_or_default();
    Uuid::new_v5(&service, b"record").to_string()
}

/// Whether a plugin is there to hold a record, whole or broken.
pub(crate) fn is_record(plugin: &Entity) -> bool {
    plugin
        .owner("service")
        .is_some_and(|service| part_id(service) == plugin.id())
}
