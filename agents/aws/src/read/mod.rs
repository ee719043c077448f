//! What an account holds on Amazon API Gateway, in canonical words. Pure functions over what was asked for; no calls.
//!
//! A stage of a REST or HTTP API is an API: its methods are operations, what answers them is an upstream, what guards and
//! limits them are policies. What canonical words cannot say is kept in a policy of type `native` (its fields are those of
//! [`native`]) and told in notes; nothing is dropped in silence, and no credential is taken along.

mod api;
mod assemble;
mod definition;
mod integration;
mod methods;
pub mod native;
mod policies;
mod recorded;
mod secrets;
mod snapshot;
mod upstreams;
mod url;

use gatehouse_connector_sdk::schemas::revision::RevisionContent;
use serde_json::Value;

use self::assemble::Subject;
pub(crate) use self::recorded::changed;
pub use self::snapshot::{Key, Kind, Mapping, MethodSettings, Quota, Snapshot, Stage, Throttle, UsagePlan};

/// An API, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// What AWS calls it.
    pub name: String,
    /// What it is.
    pub content: RevisionContent,
    /// Its tags, `name=value`, but for those of our mark.
    pub tags: Vec<String>,
    /// What was seen and is not said in canonical words, one sentence each, sorted.
    pub notes: Vec<String>,
    /// Its description, if the export gives one that says the same operations.
    pub definition: Option<Value>,
    /// Where consumers reach it, best first.
    pub endpoint_urls: Vec<String>,
}

/// An API in canonical words, or why it cannot be read, with what to do about it.
///
/// `recorded` is what was applied, where that is known: it says what AWS has no word for (the base path, names of upstreams
/// and of secrets, how long a connection may take).
pub fn read(snapshot: &Snapshot, recorded: Option<&RevisionContent>) -> Result<Read, String> {
    let title = &snapshot.name;
    if snapshot.kind == Kind::WebSocket {
        return Err(format!(
            "`{title}` is a WebSocket API, of which AWS gives no description; leave it to AWS, and put it on the \
             environment's ignore list"
        ));
    }
    let methods = methods::methods(&snapshot.export);
    if methods.is_empty() {
        return Err(format!(
            "stage `{}` of `{title}` serves no method; deploy the API to the stage on AWS, or put it on the environment's \
             ignore list",
            snapshot.stage.name
        ));
    }
    Ok(Subject { snapshot, recorded }.read(&methods))
}

#[cfg(test)]
mod tests;
