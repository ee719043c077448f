//! What an account holds of an API: the API itself and the environment's stage of it, and the calls that change them.

mod absent;
pub(crate) mod domains;
mod http;
pub(crate) mod listed;
mod methods;
pub(crate) mod plans;
mod rest;
pub(crate) mod shared;
pub(crate) mod stages;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;

use gatehouse_connector_sdk::{
    error::{Error, ErrorKind, Result},
    schemas::identity::ExternalRef,
};
use serde_json::Value;

pub(crate) use self::absent::{none_where_unknown, unless_missing};
use self::{
    http::Http,
    methods::{Leftovers, leftovers},
    rest::Rest,
};
use crate::{
    client::Account,
    record::{Record, is_record},
    translate::Kind,
};

/// The first part of the path by which AWS names APIs: `/restapis/a1b2c3`.
fn path(kind: Kind) -> &'static str {
    match kind {
        Kind::Rest => "restapis",
        Kind::Http => "apis",
    }
}

/// AWS's identity of an API. It is unique among one kind only, so that both are the external reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiId {
    pub(crate) kind: Kind,
    pub(crate) id: String,
}

impl ApiId {
    /// As the external reference: `restapis/a1b2c3`.
    pub(crate) fn external_ref(&self) -> ExternalRef {
        ExternalRef(format!("{}/{}", path(self.kind), self.id))
    }

    /// What an external reference names; nothing if it was not made here.
    pub(crate) fn of(external_ref: &ExternalRef) -> Option<Self> {
        let (named, id) = external_ref.0.split_once('/')?;
        let mut kinds = [Kind::Rest, Kind::Http].into_iter();
        Some(Self {
            kind: kinds.find(|kind| path(*kind) == named)?,
            id: id.to_owned(),
        })
    }
}

/// An API as it is listed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Api {
    pub(crate) id: ApiId,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) tags: HashMap<String, String>,
    /// Seconds since 1970.
    pub(crate) created: i64,
    /// Whether it is reached at custom domain names alone.
    pub(crate) own_address_is_off: bool,
}

/// What a stage is to become, in one call.
#[derive(Debug)]
pub(crate) struct Switch<'a> {
    pub(crate) deployment: &'a str,
    /// The record's variables.
    pub(crate) variables: &'a BTreeMap<String, String>,
    /// Settings by the paths with which they are changed.
    pub(crate) settings: &'a BTreeMap<String, String>,
}

/// The calls of one kind of API. What is removed may be gone already; what is looked for may not be there.
#[async_trait]
pub(crate) trait Calls: Send + Sync {
    /// The environment's stage of an API.
    async fn stage(&self, id: &str) -> Result<Option<Stage>>;
    /// Makes an API, which nobody can reach yet.
    async fn create(&self, document: &Value, tags: &BTreeMap<String, String>) -> Result<Api>;
    /// Replaces what the API is, all at once. Its stages go on serving what they serve. What AWS warns of is not what was
    /// asked for, so it is refused. The API's description is answered as it is then.
    async fn put(
        &self,
        id: &str,
        document: &Value,
        tags: &BTreeMap<String, String>,
    ) -> Result<Option<String>>;
    /// Takes a snapshot of what the API is, which no stage serves yet.
    async fn snapshot(&self, id: &str, description: &str) -> Result<String>;
    /// The snapshots that there are, with their descriptions.
    async fn snapshots(&self, id: &str) -> Result<BTreeMap<String, String>>;
    /// Removes a snapshot.
    async fn remove_snapshot(&self, id: &str, snapshot: &str) -> Result<()>;
    /// Makes the stage, which serves from then on.
    async fn create_stage(
        &self,
        id: &str,
        switch: &Switch<'_>,
        tags: &BTreeMap<String, String>,
    ) -> Result<Stage>;
    /// Has the stage serve what it is pointed to, and no longer every change of its API at once.
    async fn stop_deploying_by_itself(&self, id: &str) -> Result<()>;
    /// Changes the stage in one call: what it serves, the record of it, its settings. `held` is what it was.
    async fn switch(&self, id: &str, held: &Stage, switch: &Switch<'_>) -> Result<Stage>;
    /// The stages that there are.
    async fn stages(&self, id: &str) -> Result<Vec<String>>;
    /// Removes the stage.
    async fn remove_stage(&self, id: &str) -> Result<()>;
    /// Removes the API with everything below it.
    async fn remove(&self, id: &str) -> Result<()>;
    /// Puts tags to an API that is there.
    async fn tag(&self, id: &str, tags: &BTreeMap<String, String>) -> Result<()>;
}

/// The calls of a kind of API; `object` is what they are about, for messages.
pub(crate) fn calls<'a>(kind: Kind, account: &'a Account<'a>, object: &'a str) -> Box<dyn Calls + 'a> {
    match kind {
        Kind::Rest => Box::new(Rest { account, object }),
        Kind::Http => Box::new(Http { account, object }),
    }
}

fn warned(object: &str, warnings: &[String]) -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!(
            "AWS took the definition of {object} with warnings ({}), so nothing of it was deployed; correct the API, or take away what AWS does not take",
            warnings.join("; ")
        ),
    )
}

/// The environment's stage of an API.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Stage {
    /// The snapshot that it serves.
    pub(crate) deployment: Option<String>,
    pub(crate) variables: HashMap<String, String>,
    /// Its settings by the paths with which they are changed: `/*/*/throttling/rateLimit`.
    pub(crate) settings: BTreeMap<String, String>,
    /// A part of the requests goes to another snapshot.
    pub(crate) has_canary: bool,
    /// It serves every change of its API at once, and cannot be pointed to a snapshot.
    pub(crate) deploys_by_itself: bool,
}

impl Stage {
    /// What was applied, as the stage remembers it.
    pub(crate) fn record(&self) -> Option<Record> {
        Record::of(&self.variables)
    }

    /// The variables of the record.
    pub(crate) fn record_variables(&self) -> impl Iterator<Item = &str> {
        let names = self.variables.keys().map(String::as_str);
        names.filter(|name| is_record(name))
    }

    /// Whether the settings are as they were applied, as far as they are ours to say.
    pub(crate) fn has(&self, applied: &BTreeMap<String, String>) -> bool {
        let same = |(path, value): (&String, &String)| {
            self.settings
                .get(path)
                .is_some_and(|held| is_same_value(held, value))
        };
        applied.iter().all(same) && leftovers(&self.settings, applied, applied).is_empty()
    }

    /// What the stage has of methods beside what they are to have.
    fn leftovers(&self, wanted: &BTreeMap<String, String>) -> Leftovers {
        leftovers(&self.settings, wanted, &self.recorded())
    }

    /// The settings that were applied.
    fn recorded(&self) -> BTreeMap<String, String> {
        self.record()
            .map(|record| record.beside.settings)
            .unwrap_or_default()
    }

    /// Settings of the whole stage that were applied before, and are not wanted any more.
    fn applied_beside(&self, wanted: &BTreeMap<String, String>) -> BTreeSet<String> {
        let is_left = |path: &String| !wanted.contains_key(path) && methods::method(path).is_none();
        self.recorded().into_keys().filter(is_left).collect()
    }
}

/// AWS writes numbers in its own way: `10` comes back as `10.0`.
fn is_same_value(held: &str, applied: &str) -> bool {
    match (held.parse::<f64>(), applied.parse::<f64>()) {
        (Ok(held), Ok(applied)) => held == applied,
        _ => held == applied,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(path, value)| ((*path).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn settings_are_compared_where_they_were_applied() {
        let applied = settings(&[("/*/*/throttling/rateLimit", "10")]);
        let table = [
            (vec![("/*/*/throttling/rateLimit", "10.0")], true),
            (
                vec![
                    ("/*/*/throttling/rateLimit", "10.0"),
                    ("/*/*/caching/enabled", "false"),
                ],
                true,
            ),
            (vec![("/*/*/throttling/rateLimit", "11.0")], false),
            (vec![], false),
            (
                vec![
                    ("/*/*/throttling/rateLimit", "10.0"),
                    ("/~1pets/GET/throttling/rateLimit", "9"),
                ],
                false,
            ),
        ];
        for (held, expected) in table {
            let stage = Stage {
                settings: settings(&held),
                ..Stage::default()
            };
            assert_eq!(stage.has(&applied), expected, "{held:?}");
        }
    }

    #[test]
    fn an_external_reference_names_its_kind() {
        for text in ["restapis/a1b2c3", "apis/a1b2c3"] {
            let external_ref = ExternalRef(text.to_owned());
            let id = ApiId::of(&external_ref).unwrap();
            assert_eq!(id.external_ref(), external_ref);
        }
        for text in ["", "a1b2c3", "services/a1"] {
            assert_eq!(ApiId::of(&ExternalRef(text.to_owned())), None);
        }
    }
}
