//! Answers of the vendor, and how they reach the caller or do not.

use bytes::Bytes;
use serde::Serialize;
use serde_json::json;

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
    /// The connection ends without it.
    pub(super) lost: bool,
}

impl Answer {
    pub(super) fn json(status: u16, body: &impl Serialize) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json".to_owned())],
            body: serde_json::to_vec(body)
                .expect("what the vendor holds is JSON")
                .into(),
            lost: false,
        }
    }

    pub(super) fn nothing(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
            lost: false,
        }
    }

    pub(super) fn lost() -> Self {
        Self {
            lost: true,
            ..Self::nothing(0)
        }
    }

    pub(super) fn error(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self::json(status, &json!({"code": code, "message": message.into()}))
    }

    #[must_use]
    pub(super) fn with(mut self, header: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((header, value.into()));
        self
    }

    /// With the second half of its body missing.
    #[must_use]
    pub(super) fn cut(mut self) -> Self {
        self.body.truncate(self.body.len() / 2);
        self
    }
}

/// An effect, or why there is none.
pub(super) type Outcome = Result<Answer, Answer>;

pub(super) fn bad_request(message: impl Into<String>) -> Answer {
    Answer::error(400, "BadRequest", message)
}

pub(super) fn not_found(what: &str, id: &str) -> Answer {
    Answer::error(404, "NotFound", format!("there is no {what} `{id}`"))
}
