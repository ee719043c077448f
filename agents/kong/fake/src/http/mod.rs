//! The Admin API over HTTP: who may ask, what is asked for, and the answer.

mod access;
mod answer;
mod body;
mod entities;
mod health;
mod information;
mod listing;
mod nested;
mod portal;
mod request;
mod routing;
mod schemas;
mod tags;

use axum::http::{Method, StatusCode};

pub(crate) use self::answer::Answer;
pub(crate) use self::information::NodeInformation;
pub(crate) use self::request::{AdminRequest, pairs};
use self::routing::Target;
use crate::errors::AdminError;
use crate::kong::Kong;

/// Answers one call, as Kong would.
pub(crate) fn answer(kong: &Kong, request: &AdminRequest) -> Answer {
    if let Some(refusal) = access::refusal(&kong.options, request) {
        return refusal;
    }
    let Some(request) = portal::without_workspace(kong, request) else {
        return AdminError::not_found().into();
    };
    let Some(target) = Target::of(kong, &request.segments) else {
        return portal::answer(kong, &request).unwrap_or_else(|| AdminError::not_found().into());
    };
    let methods = target.methods();
    if request.method == Method::OPTIONS {
        return Answer::allowed(methods);
    }
    let asked = if request.method == Method::HEAD {
        "GET"
    } else {
        request.method.as_str()
    };
    if !methods.contains(&asked) {
        return AdminError::method_not_allowed().into();
    }
    dispatch(kong, &request, &target).unwrap_or_else(Answer::from)
}

fn dispatch(kong: &Kong, request: &AdminRequest, target: &Target) -> Result<Answer, AdminError> {
    match target {
        Target::Root => Ok(Answer::json(StatusCode::OK, information::root(kong))),
        Target::Status => Ok(Answer::json(StatusCode::OK, information::status(kong))),
        Target::Timers => Ok(Answer::json(StatusCode::OK, kong.information.timers.clone())),
        Target::Endpoints => Ok(Answer::json(StatusCode::OK, kong.information.endpoints.clone())),
        Target::EnabledPlugins => Ok(Answer::json(StatusCode::OK, information::enabled_plugins(kong))),
        Target::Schema(name) => schemas::show(kong, name),
        Target::Validation(name) => schemas::check(kong, request, name),
        Target::Configuration => crate::declarative::answer(kong, request),
        Target::Tags(tag) => tags::list(kong, request, tag.as_deref()),
        Target::Collection(collection) => entities::collection(kong, request, collection),
        Target::Entity(collection, key) => entities::entity(kong, request, collection, key),
        Target::Children(place) => nested::children(kong, request, place),
        Target::Child(place, key) => nested::child(kong, request, place, key),
        Target::Referenced(collection, key, field) => {
            nested::referenced(kong, request, collection, key, field)
        }
        Target::Health(upstream) => health::of_upstream(kong, request, upstream),
        Target::SetHealth(upstream) => health::set(kong, upstream),
    }
}
