//! What we keep beside an API on the gateway: our mark, and what was applied.

use std::collections::BTreeMap;

use gatehouse_connector_sdk::schemas::{
    canonical::Fingerprint,
    desired::{DesiredApi, Mark},
    identity::RevisionNumber,
    policy::SecretVersion,
    revision::RevisionContent,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::documents::{Document, Service};

/// Whose an API is: environment and API. The gateway finds APIs by it.
pub(crate) const OWNER: &str = "gatehouse.dev/owner";
const NAME: &str = "gatehouse.dev/api-name";
const REVISION: &str = "gatehouse.dev/revision";
const APPLIED: &str = "gatehouse.dev/applied";

type Labels = BTreeMap<String, String>;

/// What was applied, and the form in which it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Applied {
    pub(super) content: RevisionContent,
    pub(super) secrets: Vec<SecretVersion>,
    pub(super) fingerprint: Fingerprint,
    pub(super) service: Service,
}

/// The value of the label that tells whose an API is.
pub(crate) fn owner(mark: &Mark) -> String {
    format!("{}/{}", mark.environment_id, mark.api_id)
}

/// Whether an API carries the mark's environment and API, whatever the revision.
pub(crate) fn is_ours(document: &Document, mark: &Mark) -> bool {
    mark_of(&document.labels).is_some_and(|own| owner(&own) == owner(mark))
}

/// Whether an API carries a mark of Gatehouse, for whatever environment and API.
pub(crate) fn is_marked(document: &Document) -> bool {
    mark_of(&document.labels).is_some()
}

pub(super) fn labels(desired: &DesiredApi, service: &Service) -> Labels {
    let applied = json!(Applied {
        content: desired.content.clone(),
        secrets: desired.secrets.clone(),
        fingerprint: desired.fingerprint.clone(),
        service: service.clone(),
    });
    let mark = &desired.mark;
    Labels::from([
        (OWNER.to_owned(), owner(mark)),
        (NAME.to_owned(), mark.api_name.to_string()),
        (REVISION.to_owned(), mark.revision.to_string()),
        (APPLIED.to_owned(), applied.to_string()),
    ])
}

/// Our mark, if the API carries a whole one.
pub(super) fn mark_of(labels: &Labels) -> Option<Mark> {
    let (environment, api) = labels.get(OWNER)?.split_once('/')?;
    Some(Mark {
        environment_id: environment.parse().ok()?,
        api_id: api.parse().ok()?,
        api_name: labels.get(NAME)?.parse().ok()?,
        revision: RevisionNumber(labels.get(REVISION)?.parse().ok()?),
    })
}

/// What was written with the mark. A label that somebody broke tells nothing, and the API has drifted.
pub(super) fn applied_of(labels: &Labels) -> Option<Applied> {
    mark_of(labels)?;
    serde_json::from_str(labels.get(APPLIED)?).ok()
}
