//! The Agent API, `/agent/v1`: how work reaches gateways.
//!
//! Agents call, with a short-lived token of their own; the control plane never calls them. Every handler reads
//! state and answers; nothing is remembered between requests but what is in the database, so that any replica
//! can answer any request.

mod absence;
mod agent_token;
pub(crate) mod assignment;
mod caller;
mod catalog;
mod comparison;
mod completion;
mod discovery;
mod earlier;
mod enrollment;
mod inventory;
mod leases;
mod lines;
mod observations;
mod pages;
pub(crate) mod protocol;
mod reported;
mod reports;
mod secrets;
mod session;
mod steps;
pub(crate) mod tasks;
mod wishes;
mod work;

pub(crate) use reported::ReportsTogether;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::AppState;

/// The routes of the Agent API.
pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(enrollment::enroll))
        .routes(routes!(enrollment::token))
        .routes(routes!(session::session))
        .routes(routes!(work::work))
        .routes(routes!(secrets::secrets))
        .routes(routes!(reports::report))
        .routes(routes!(steps::step))
        .routes(routes!(observations::report))
        .routes(routes!(tasks::answer))
        .routes(routes!(inventory::inventory))
        .routes(routes!(wishes::wish))
        .routes(routes!(pages::page))
        .routes(routes!(completion::complete))
}
