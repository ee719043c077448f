//! What an account holds of an API: the API itself and the environment's stage of it, and the calls that change them.

pub(crate) mod rest;

use std::collections::{BTreeMap, HashMap};

use gatehouse_connector_sdk::schemas::identity::ExternalRef;

use crate::record::{Record, is_record};

/// Which of API Gateway's products an API is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    /// A REST API, of the first version of API Gateway's own API.
    Rest,
    /// An HTTP or a WebSocket API, of the second one.
    Second,
}

impl Family {
    /// The first part of the path by which AWS names such APIs: `/restapis/a1b2c3`.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Rest => "restapis",
            Self::Second => "apis",
        }
    }
}

/// AWS's identity of an API. It is unique among one family only, so that both are the external reference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ApiId {
    pub(crate) family: Family,
    pub(crate) id: String,
}

impl ApiId {
    /// As the external reference: `restapis/a1b2c3`.
    pub(crate) fn external_ref(&self) -> ExternalRef {
        ExternalRef(format!("{}/{}", self.family.path(), self.id))
    }

    /// What an external reference names; nothing if it was not made here.
    pub(crate) fn of(external_ref: &ExternalRef) -> Option<Self> {
        let (path, id) = external_ref.0.split_once('/')?;
        let mut families = [Family::Rest, Family::Second].into_iter();
        let family = families.find(|family| family.path() == path)?;
        Some(Self {
            family,
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
    /// `REGIONAL`, `EDGE` or `PRIVATE`.
    pub(crate) endpoint_type: Option<String>,
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

    /// Whether the settings are as they were applied. What is not among them is AWS's default or somebody else's, which
    /// counts where it is about a method that was not set.
    pub(crate) fn has(&self, applied: &BTreeMap<String, String>) -> bool {
        let same = |(path, value): (&String, &String)| {
            self.settings
                .get(path)
                .is_some_and(|held| is_same_value(held, value))
        };
        let methods: Vec<&str> = applied.keys().map(|path| method(path)).collect();
        let is_added = |path: &String| !methods.contains(&method(path)) && is_of_method(path);
        applied.iter().all(same) && !self.settings.keys().any(is_added)
    }
}

/// The method that a setting is about: `/~1pets/GET` of `/~1pets/GET/caching/enabled`.
fn method(path: &str) -> &str {
    let end = path.match_indices('/').nth(2).map_or(path.len(), |(at, _)| at);
    path.get(..end).unwrap_or(path)
}

fn is_of_method(path: &str) -> bool {
    path.matches('/').count() >= 4
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
    fn an_external_reference_names_its_family() {
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
