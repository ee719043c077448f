//! `auth.oauth2`: callers present a token that the authorization server is asked about (RFC 7662, RFC 6750).
//!
//! What the server says is kept for as long as the policy allows and never beyond the token's own end. While the
//! server cannot be asked, and nothing it said may still be used, nobody is let in.

mod answer;
pub(crate) mod introspection;

use std::sync::Arc;

use gatehouse_schemas::policy::OAuth2Policy;
use http::{HeaderMap, HeaderValue, header};
use jsonwebtoken::get_current_timestamp;

use self::{
    answer::{Answer, Grant},
    introspection::Introspection,
};
use super::jwt::bearer;
use crate::proxy::problem::Problem;

/// A compiled policy.
#[derive(Debug)]
pub(crate) struct OAuth2 {
    introspection: Arc<Introspection>,
    audiences: Vec<String>,
    required_scopes: Vec<String>,
    /// How long an answer may be used, in seconds.
    keep_seconds: u32,
    /// The challenge to those whose token lacks a scope.
    insufficient: HeaderValue,
}

impl OAuth2 {
    /// Compiles the policy.
    pub(crate) fn compile(policy: &OAuth2Policy, introspection: Arc<Introspection>) -> Result<Self, String> {
        let scopes = policy.required_scopes.join(" ");
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scopes}\"");
        Ok(Self {
            introspection,
            audiences: policy.audiences.clone(),
            required_scopes: policy.required_scopes.clone(),
            keep_seconds: policy.cache_seconds,
            insufficient: HeaderValue::try_from(challenge)
                .map_err(|_| format!("`{scopes}` cannot be said in a header"))?,
        })
    }

    /// Whose token the request carries, if the authorization server says so.
    pub(crate) async fn check(&self, headers: &HeaderMap) -> Result<Option<Arc<str>>, Problem> {
        let token = bearer(headers)?;
        let Some(answer) = self.introspection.ask(token, self.keep_seconds).await else {
            return Err(Problem::authorization_server_unavailable(
                "The token cannot be checked, because the authorization server does not answer; try again later.",
            )
            .with(header::RETRY_AFTER, HeaderValue::from_static("5")));
        };
        match &*answer {
            Answer::Inactive => Err(invalid("it is not active")),
            Answer::Active(grant) => self.admit(grant, get_current_timestamp()),
        }
    }

    fn admit(&self, grant: &Grant, now: u64) -> Result<Option<Arc<str>>, Problem> {
        if grant.expires.is_some_and(|expires| expires <= now) {
            return Err(invalid("it has expired"));
        }
        if grant.not_before.is_some_and(|begins| begins > now) {
            return Err(invalid("it is not valid yet"));
        }
        if grant.is_bound {
            // Whoever stole it could not use it with a party that looks (RFC 8705, RFC 9449).
            return Err(invalid(
                "it is bound to a key of its holder, which this gateway cannot check",
            ));
        }
        let audiences = &self.audiences;
        if !audiences.is_empty() && !audiences.iter().any(|wanted| grant.audiences.contains(wanted)) {
            return Err(invalid("it is meant for somebody else"));
        }
        let mut wanted = self.required_scopes.iter();
        match wanted.find(|wanted| !grant.scopes.contains(wanted)) {
            None => Ok(grant.consumer.clone()),
            Some(missing) => {
                let problem = Problem::forbidden(format!("The token lacks the scope `{missing}`."));
                Err(problem.with(header::WWW_AUTHENTICATE, self.insufficient.clone()))
            }
        }
    }
}

fn invalid(reason: &str) -> Problem {
    Problem::unauthenticated(format!("The bearer token is not valid: {reason}.")).with(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static("Bearer error=\"invalid_token\""),
    )
}
