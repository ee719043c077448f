//! `respond`: an answer that is the same for everybody, but for where callers are sent.

use bytes::Bytes;
use gatehouse_schemas::policy::{HeaderChanges, RespondPolicy};
use http::{HeaderMap, StatusCode};

use super::{headers::Changes, redirect::Redirect};

/// The answer, ready to be given.
#[derive(Debug)]
pub(crate) struct Respond {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) redirect: Option<Redirect>,
}

impl Respond {
    /// Compiles the policy for an operation, by the template of its path.
    pub(crate) fn compile(policy: &RespondPolicy, operation: Option<&str>) -> Result<Self, String> {
        let status = StatusCode::from_u16(policy.status).ok();
        let status = status
            .filter(|status| (200..=599).contains(&status.as_u16()))
            .ok_or_else(|| format!("{} is not the status of an answer", policy.status))?;
        let body = policy.body.clone().unwrap_or_default();
        if !body.is_empty() && matches!(policy.status, 204 | 205 | 304) {
            return Err(format!("an answer of status {status} has no body"));
        }
        let mut changes = Changes::default();
        changes.extend(&HeaderChanges {
            set: policy.headers.clone(),
            ..HeaderChanges::default()
        })?;
        let mut headers = HeaderMap::new();
        changes.apply(&mut headers);
        Ok(Self {
            status,
            headers,
            body: body.into(),
            redirect: policy
                .redirect
                .as_ref()
                .map(|redirect| Redirect::compile(redirect, operation))
                .transpose()?,
        })
    }
}
