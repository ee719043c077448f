//! Accounts, their keys, and what each key may do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{answer::Answer, operations::Operation};

/// A key of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Key {
    /// The account it belongs to.
    pub(super) account: String,
    /// What it may do: names of operations, `read`, `write` or `*`.
    #[serde(default = "everything")]
    pub(super) allow: Vec<String>,
}

fn everything() -> Vec<String> {
    vec!["*".to_owned()]
}

impl Key {
    pub(super) fn allows(&self, operation: Operation) -> bool {
        self.allow.iter().any(|allowed| operation.is_meant_by(allowed))
    }
}

/// All keys, by their text.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) keys: BTreeMap<String, Key>,
}

impl Keys {
    /// The key that a call carries, if it is known and may do this.
    pub(super) fn admit(&self, authorization: Option<&str>, operation: Operation) -> Result<Key, Answer> {
        let text = authorization.and_then(|value| value.strip_prefix("Bearer "));
        let key = text.and_then(|text| self.keys.get(text));
        let Some(key) = key else {
            return Err(Answer::error(
                401,
                "Unauthorized",
                "the key is missing or not known",
            ));
        };
        if key.allows(operation) {
            return Ok(key.clone());
        }
        Err(Answer::error(
            403,
            "AccessDenied",
            format!(
                "the key of account `{}` may not {}",
                key.account,
                operation.name()
            ),
        ))
    }
}
