//! What was applied, kept in the variables of the stage: AWS cannot say everything that a revision says, so what nobody
//! touched reads back from here as exactly what was desired.
//!
//! Variables change in the same call as the deployment that the stage serves, so a record never tells of another one.

use std::collections::{BTreeMap, HashMap};

use gatehouse_connector_sdk::{
    packed,
    schemas::{
        canonical::Fingerprint,
        desired::{DesiredApi, Mark},
        policy::SecretVersion,
        revision::RevisionContent,
    },
};
use serde::{Deserialize, Serialize};

use crate::{apis::domains::Truststore, translate::UsagePlan};

/// How the names of the variables begin; a number follows.
const VARIABLE: &str = "gatehouseRecord";
/// The longest value of a stage variable (quota of API Gateway).
const LONGEST_VALUE: usize = 512;
/// How many variables a record has at most: they change in one call with what the stage serves, which takes 80 changes.
const MOST_VARIABLES: usize = 75;

/// How many characters a record has at most.
pub(crate) const LARGEST: usize = LONGEST_VALUE * MOST_VARIABLES;

/// What was applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    pub(crate) mark: Mark,
    pub(crate) content: RevisionContent,
    pub(crate) secrets: Vec<SecretVersion>,
    pub(crate) fingerprint: Fingerprint,
    /// The snapshot that the stage serves.
    pub(crate) served: Snapshot,
    /// Earlier ones, the newest first.
    pub(crate) kept: Vec<Snapshot>,
    /// What was put beside the snapshot.
    pub(crate) beside: Beside,
}

/// What takes effect without a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Beside {
    /// What the API is called.
    pub(crate) name: String,
    /// Settings of the stage by the paths with which they are changed.
    pub(crate) settings: BTreeMap<String, String>,
    /// The usage plan, if there is one.
    pub(crate) plan: Option<AppliedPlan>,
    /// The path of the environment's domain name that leads to the stage, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    /// The truststore of that domain name that checks callers' certificates, if they must present one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) truststore: Option<Truststore>,
    /// The names of the tags that the definition of an HTTP API gave it beside the mark, as people want them: one that they
    /// want no more is told from those of others by this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<String>,
}

/// A usage plan as it was applied.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AppliedPlan {
    /// AWS's identity of it.
    pub(crate) id: String,
    pub(crate) limits: UsagePlan,
    /// The keys that it lets in: AWS's identities by our names.
    pub(crate) keys: BTreeMap<String, String>,
}

/// A deployment, as AWS calls it: what an API was when it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    /// AWS's identity of it.
    pub(crate) id: String,
    /// Of the document it was made from.
    pub(crate) document: Fingerprint,
}

impl Record {
    /// What is recorded of a desired API once its stage serves a snapshot.
    pub(crate) fn new(desired: &DesiredApi, served: Snapshot, kept: Vec<Snapshot>, beside: Beside) -> Self {
        Self {
            mark: desired.mark.clone(),
            content: desired.content.clone(),
            secrets: desired.secrets.clone(),
            fingerprint: desired.fingerprint.clone(),
            served,
            kept,
            beside,
        }
    }

    /// As stage variables. They are as many as a stage may have, unless the record is larger than [`LARGEST`].
    pub(crate) fn variables(&self) -> BTreeMap<String, String> {
        let text = packed::pack(self);
        let values = text.as_bytes().chunks(LONGEST_VALUE);
        let values = values.filter_map(|value| std::str::from_utf8(value).ok());
        let named = |(number, value): (usize, &str)| (format!("{VARIABLE}{number}"), value.to_owned());
        values.enumerate().map(named).collect()
    }

    /// How many characters its variables have.
    pub(crate) fn size(&self) -> usize {
        packed::pack(self).len()
    }

    /// What a stage's variables hold; none if there is no record, or one that somebody broke.
    pub(crate) fn of(variables: &HashMap<String, String>) -> Option<Self> {
        let parts = (0..).map_while(|number| variables.get(&format!("{VARIABLE}{number}")));
        let text: String = parts.map(String::as_str).collect();
        packed::unpack(&text)
    }
}

/// Whether a variable is part of a record.
pub(crate) fn is_record(name: &str) -> bool {
    name.strip_prefix(VARIABLE)
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}
