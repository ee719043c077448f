//! Who asks, and what they may do: API tokens and roles.
//!
//! [`identify`] runs before every route of the Admin API and leaves what it found; [`require`] wraps every
//! single route and refuses unless the caller's role is enough. A route without [`require`] would answer
//! nobody's credential, so a test walks the OpenAPI document and tries.

use axum::{
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use gatehouse_control_plane_api::{admin::Role, problem::ProblemKind};
use http::{HeaderMap, header, request::Parts};

use crate::{
    access,
    failure::{Answer, Failure},
    state::AppState,
    token,
};

/// The holder of a valid API token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The token's name.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) role: Role,
}

impl Caller {
    /// The caller as audit events name it.
    pub(crate) fn actor(&self) -> String {
        format!("token/{}", self.name)
    }

    /// Refuses unless the role is enough for `what`.
    pub(crate) fn require(&self, role: Role, what: &str) -> Answer<()> {
        if self.role >= role {
            return Ok(());
        }
        Err(Failure::new(
            ProblemKind::Forbidden,
            format!(
                "{what} needs the role `{}`; the token `{}` has the role `{}`",
                role_name(role),
                self.name,
                role_name(self.role)
            ),
        ))
    }
}

/// The role as written in JSON.
pub(crate) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Publisher => "publisher",
        Role::Admin => "admin",
    }
}

/// What [`identify`] found; cloned into the request's extensions.
#[derive(Clone)]
enum Identity {
    Known(Caller),
    Refused(std::sync::Arc<std::sync::Mutex<Option<Failure>>>),
}

/// Finds out who asks.
pub(crate) async fn identify(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let identity = match caller(&state, request.headers()).await {
        Ok(caller) => Identity::Known(caller),
        Err(failure) => Identity::Refused(std::sync::Arc::new(std::sync::Mutex::new(Some(failure)))),
    };
    request.extensions_mut().insert(identity);
    next.run(request).await
}

/// Refuses callers whose role is not enough.
pub(crate) async fn require(role: Role, mut request: Request, next: Next) -> Response {
    match known(request.extensions_mut().remove::<Identity>()) {
        Ok(caller) => match caller.require(role, "this") {
            Ok(()) => {
                request.extensions_mut().insert(caller);
                next.run(request).await
            }
            Err(failure) => failure.into_response(),
        },
        Err(failure) => failure.into_response(),
    }
}

fn known(identity: Option<Identity>) -> Answer<Caller> {
    match identity {
        Some(Identity::Known(caller)) => Ok(caller),
        Some(Identity::Refused(failure)) => {
            let failure = failure.lock().ok().and_then(|mut failure| failure.take());
            Err(failure.unwrap_or_else(no_credential))
        }
        None => Err(no_credential()),
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        parts.extensions.get::<Self>().cloned().ok_or_else(no_credential)
    }
}

async fn caller(state: &AppState, headers: &HeaderMap) -> Answer<Caller> {
    let text = bearer(headers)?;
    let found = state.store.token_by_hash(&token::hash(text)).await?;
    let Some(token) = found else {
        return Err(unauthenticated(
            "the token is not known here; check that it belongs to this control plane",
        ));
    };
    if token.revoked_at.is_some() {
        return Err(unauthenticated(format!("the token `{}` was revoked", token.name)));
    }
    if let Some(end) = token.expires_at.filter(|end| *end <= state.now()) {
        return Err(unauthenticated(format!(
            "the token `{}` expired at {end}; ask an administrator for a new one",
            token.name
        )));
    }
    Ok(Caller {
        name: token.name.to_string(),
        role: access::role(&token)?,
    })
}

/// The bearer token of a request.
pub(crate) fn bearer(headers: &HeaderMap) -> Answer<&str> {
    let value = headers.get(header::AUTHORIZATION).ok_or_else(no_credential)?;
    let text = value.to_str().map_err(|_| no_credential())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(no_credential)?;
    let token = token.trim();
    if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() {
        Ok(token)
    } else {
        Err(no_credential())
    }
}

fn no_credential() -> Failure {
    unauthenticated("the request carries no credential; send `Authorization: Bearer TOKEN`")
}

/// No valid credential, and why.
pub(crate) fn unauthenticated(detail: impl Into<String>) -> Failure {
    Failure::new(ProblemKind::Unauthenticated, detail)
}
