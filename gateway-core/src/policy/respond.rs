//! `respond`: an answer that is the same for everybody, but for where callers are sent.

mod examples;

use bytes::Bytes;
use gatehouse_schemas::{
    api::OperationMatch,
    policy::{HeaderChanges, RespondPolicy},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use self::examples::Example;
use super::{headers::Changes, redirect::Redirect};
use crate::proxy::problem::Problem;

/// The answer, ready to be given.
#[derive(Debug)]
pub(crate) struct Respond {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    pub(crate) redirect: Option<Redirect>,
    /// Answers of which each caller gets the one that it prefers, in place of the one here.
    examples: Vec<Example>,
}

/// An answer for one caller.
pub(crate) struct Given {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
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
            examples: Vec::new(),
        })
    }

    /// Compiles a policy that answers with the definition's examples of an operation; it is an error if there are none.
    pub(crate) fn of_examples(
        policy: &RespondPolicy,
        operation: Option<&OperationMatch>,
    ) -> Result<Self, String> {
        let expanded = policy.expanded.as_ref();
        let said = operation.and_then(|operation| expanded?.of(operation));
        let said = said.filter(|said| !said.examples.is_empty());
        let said = said.ok_or("the definition's examples are not in this revision; apply the API again")?;
        let mut respond = Self::compile(policy, None)?;
        let examples = said.examples.iter().map(Example::compile);
        respond.examples = examples.collect::<Result<_, _>>()?;
        Ok(respond)
    }

    /// The answer for a request with these headers.
    pub(crate) fn give(&self, asked: &HeaderMap) -> Result<Given, Problem> {
        let mut headers = self.headers.clone();
        if self.examples.is_empty() {
            return Ok(Given {
                status: self.status,
                headers,
                body: self.body.clone(),
            });
        }
        let example = examples::pick(&self.examples, asked)?;
        if let Some(content_type) = &example.content_type {
            headers.insert(header::CONTENT_TYPE, content_type.clone());
        }
        headers.append(header::VARY, HeaderValue::from_static("accept, prefer"));
        Ok(Given {
            status: example.status,
            headers,
            body: example.body.clone(),
        })
    }
}
