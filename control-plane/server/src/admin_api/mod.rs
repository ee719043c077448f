//! The Admin API, `/api/v1`: one module per resource. Handlers read the request, call [`crate::write`] or the
//! store, and write the answer.

pub(crate) mod agents;
pub(crate) mod apis;
pub(crate) mod apply;
pub(crate) mod audit_events;
pub(crate) mod checks;
pub(crate) mod deployments;
pub(crate) mod discoveries;
pub(crate) mod drift;
pub(crate) mod environments;
pub(crate) mod explain;
pub(crate) mod ignored;
pub(crate) mod imports;
pub(crate) mod join_tokens;
mod paging;
pub(crate) mod permissions;
pub(crate) mod plans;
pub(crate) mod policies;
pub(crate) mod projects;
pub(crate) mod removals;
mod resources;
pub(crate) mod revisions;
pub(crate) mod secrets;
pub(crate) mod settings;
pub(crate) mod tasks;
pub(crate) mod tokens;
pub(crate) mod whoami;
