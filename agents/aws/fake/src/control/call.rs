//! What a handler is given, and what it gives back.

use std::time::Duration;

use axum::body::Bytes;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Answer, AwsError, ControlRequest};
use crate::place::{Entity, HttpApi, Place, RestApi, text};

/// The variable parts of a path.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// A call of an operation.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) request: &'a ControlRequest,
    pub(crate) labels: Labels,
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    pub(crate) now: Duration,
    pub(crate) resources_per_rest_api: usize,
    pub(crate) routes_per_http_api: usize,
}

impl Call<'_> {
    /// A variable part of the path.
    pub(crate) fn label(&self, name: &str) -> &str {
        let found = self.labels.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// The time as version 1 writes it.
    pub(crate) fn seconds(&self) -> Value {
        Value::from(self.now.as_secs())
    }

    /// The time as version 2 writes it.
    pub(crate) fn iso(&self) -> Value {
        let seconds = i64::try_from(self.now.as_secs()).unwrap_or_default();
        let time = OffsetDateTime::from_unix_timestamp(seconds).ok();
        let text = time.and_then(|time| time.format(&Rfc3339).ok());
        Value::from(text.unwrap_or_default())
    }

    /// The HTTP API that the path names.
    pub(crate) fn http_api<'p>(&self, place: &'p mut Place) -> Result<&'p mut HttpApi, AwsError> {
        let id = self.label("apiId");
        let found = place.http_apis.get_mut(id);
        found.ok_or_else(|| AwsError::no_api(self.account, id))
    }

    /// The members of the body. Members that are null are as if they were not there.
    pub(crate) fn members(&self) -> Result<Entity, AwsError> {
        let mut members = self.request.members()?;
        members.retain(|_, value| !value.is_null());
        Ok(members)
    }

    /// The members of the body that are named, and no others.
    pub(crate) fn only(&self, names: &[&str]) -> Result<Entity, AwsError> {
        let mut members = self.members()?;
        members.retain(|name, _| names.contains(&name.as_str()));
        Ok(members)
    }

    /// The REST API that the path names.
    pub(crate) fn rest_api<'p>(&self, place: &'p mut Place) -> Result<&'p mut RestApi, AwsError> {
        let id = self.label("restapi_id");
        let found = place.rest_apis.get_mut(id);
        found.ok_or_else(|| AwsError::no_api(self.account, id))
    }
}

/// Refuses a body without a member that has to be there.
pub(crate) fn required<'a>(members: &'a Entity, name: &str) -> Result<&'a str, AwsError> {
    match text(members, name) {
        "" => Err(AwsError::bad_request(format!("{name} is a required parameter"))),
        value => Ok(value),
    }
}

/// What an operation gives back; its status is the operation's own.
#[derive(Debug)]
pub(crate) enum Reply {
    Json(Value),
    Empty,
    /// An exported API: the type of its content, the name of its file, and the content.
    Export(&'static str, String, Bytes),
}

impl Reply {
    pub(crate) fn of(entity: Entity) -> Self {
        Self::Json(Value::Object(entity))
    }

    pub(crate) fn into_answer(self, status: u16) -> Answer {
        match self {
            Self::Json(body) => Answer::json(status, &body),
            Self::Empty => Answer::empty(status),
            Self::Export(kind, name, body) => Answer::of_type(status, kind, body)
                .with("content-disposition", &format!("attachment; filename=\"{name}\"")),
        }
    }
}
