//! The mark of ownership, as tags.

use std::collections::{BTreeMap, HashMap};

use gatehouse_connector_sdk::schemas::{desired::Mark, identity::RevisionNumber};

const ENVIRONMENT: &str = "gatehouse:environment";
const API: &str = "gatehouse:api";
const API_NAME: &str = "gatehouse:api-name";

/// The tags of something of ours: the mark, and what people want beside it.
pub(crate) fn tags(mark: &Mark, wanted: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let own = [
        (ENVIRONMENT, mark.environment_id.to_string()),
        (API, mark.api_id.to_string()),
        (API_NAME, mark.api_name.to_string()),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value));
    wanted.clone().into_iter().chain(own).collect()
}

/// The tags of something that APIs of an environment share.
pub(crate) fn shared_tags(mark: &Mark, wanted: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let own = [(ENVIRONMENT.to_owned(), mark.environment_id.to_string())];
    wanted.clone().into_iter().chain(own).collect()
}

/// Whether something is there for an API's environment.
pub(crate) fn is_of_environment(mark: &Mark, tags: &HashMap<String, String>) -> bool {
    tags.get(ENVIRONMENT) == Some(&mark.environment_id.to_string())
}

/// Whether something is there for this API in this environment, whatever revision it was made for.
pub(crate) fn is_of(mark: &Mark, tags: &HashMap<String, String>) -> bool {
    let has = |name: &str, value: String| tags.get(name) == Some(&value);
    has(ENVIRONMENT, mark.environment_id.to_string()) && has(API, mark.api_id.to_string())
}

/// Whether something belongs to Gatehouse, to whichever environment of it.
pub(crate) fn is_marked(tags: &HashMap<String, String>) -> bool {
    tags.contains_key(ENVIRONMENT) && tags.contains_key(API)
}

/// The mark that tags say, if they say one. Which revision it is, they do not say: they stay while revisions go by.
pub(crate) fn of(tags: &HashMap<String, String>, revision: RevisionNumber) -> Option<Mark> {
    Some(Mark {
        environment_id: tags.get(ENVIRONMENT)?.parse().ok()?,
        api_id: tags.get(API)?.parse().ok()?,
        api_name: tags.get(API_NAME)?.parse().ok()?,
        revision,
    })
}

/// The tags that are not ours, as `name=value`, or `name` where there is no value.
pub(crate) fn others(tags: &HashMap<String, String>) -> Vec<String> {
    let own = |name: &str| name.starts_with("gatehouse:") || name.starts_with("aws:");
    let mut others: Vec<String> = tags
        .iter()
        .filter(|(name, _)| !own(name))
        .map(|(name, value)| match value.is_empty() {
            true => name.clone(),
            false => format!("{name}={value}"),
        })
        .collect();
    others.sort();
    others
}
