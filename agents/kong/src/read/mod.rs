//! What other people made on a Kong, in canonical words. Pure functions over what was listed; no calls.
//!
//! A service is an API: the paths of its routes are base path and operations, its plugins are policies. What canonical
//! words cannot say exactly is kept in a policy of type `native` (its fields are those of [`native`]) and told in
//! notes; nothing is dropped in silence, and no credential is taken along.

mod assemble;
mod conditions;
mod definition;
mod effective;
mod expression;
mod in_the_way;
mod layout;
pub mod native;
mod pattern;
mod places;
mod policies;
mod secrets;
mod snapshot;
mod upstream;
mod uri;
mod version;

use gatehouse_connector_sdk::schemas::revision::RevisionContent;

pub(crate) use self::definition::with_written;
use self::{assemble::Subject, upstream::Destination};
pub use self::{
    definition::{definition, with_definition},
    in_the_way::{InTheWay, in_the_way},
    snapshot::{Index, Snapshot},
    version::{version, version_of_route},
};
use crate::entities::Entity;

/// An API, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// What Kong calls it: its name, or else its id.
    pub name: String,
    /// What it is.
    pub content: RevisionContent,
    /// The tags of the service, or of the route that has none.
    pub tags: Vec<String>,
    /// What was seen and is not said in canonical words, one sentence each, sorted.
    pub notes: Vec<String>,
}

/// A service as an API, or why it cannot be read, with what to do about it.
pub fn service(index: &Index<'_>, service: &Entity) -> Result<Read, String> {
    let routes = index.routes(service);
    if routes.is_empty() {
        return Err(format!(
            "service `{}` has no route, so nobody can reach it; give it a route on Kong, or put it on the environment's \
             ignore list",
            service.title()
        ));
    }
    let destination = Destination::of(index, service)?;
    Subject {
        index,
        entity: service,
        service: Some(service),
        routes,
    }
    .read(destination)
}

/// A route that has no service as an API: one that a plugin answers.
pub fn route_without_service(index: &Index<'_>, route: &Entity) -> Result<Read, String> {
    let routes = &[route][..];
    let plugins = effective::plugins(index, None, route);
    if plugins.is_empty() {
        return Err(format!(
            "route `{}` has no service and no plugin that answers; give it a service on Kong, or put it on the \
             environment's ignore list",
            route.title()
        ));
    }
    Subject {
        index,
        entity: route,
        service: None,
        routes,
    }
    .read(Destination::nowhere())
}

#[cfg(test)]
mod tests;
