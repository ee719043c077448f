//! Changes in version 1: `patchOperations` with a path and a text each.

use serde_json::{Number, Value};

use crate::control::{AwsError, Call};
use crate::place::Entity;

/// One change.
#[derive(Debug, Clone)]
pub(crate) struct Patch {
    pub(crate) op: String,
    /// As it was sent.
    pub(crate) path: String,
    pub(crate) value: Option<String>,
}

/// The changes that a call asks for.
pub(crate) fn patches(call: &Call<'_>) -> Result<Vec<Patch>, AwsError> {
    let members = call.members()?;
    let list = members.get("patchOperations").and_then(Value::as_array);
    let patches: Option<Vec<Patch>> = list.into_iter().flatten().map(Patch::read).collect();
    patches.ok_or_else(|| AwsError::bad_request("Invalid patch operation specified"))
}

impl Patch {
    fn read(sent: &Value) -> Option<Self> {
        let word = |name: &str| sent.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            op: word("op").filter(|op| ["add", "remove", "replace", "copy"].contains(&op.as_str()))?,
            path: word("path").filter(|path| path.starts_with('/'))?,
            value: word("value"),
        })
    }

    /// The parts of the path, as they were sent: `~1` stands for a slash in them.
    pub(crate) fn parts(&self) -> Vec<&str> {
        self.path.split('/').skip(1).collect()
    }

    pub(crate) fn removes(&self) -> bool {
        self.op == "remove"
    }

    /// The value, without which nothing can be added or replaced.
    pub(crate) fn text(&self) -> Result<&str, AwsError> {
        let missing = || AwsError::bad_request(format!("Invalid null value for path '{}'", self.path));
        self.value.as_deref().ok_or_else(missing)
    }

    /// A path that cannot be changed, or not in this way.
    pub(crate) fn invalid(&self, supported: &[&str]) -> AwsError {
        AwsError::bad_request(format!(
            "Invalid patch path  '{}' specified for op '{}'. Must be one of: [{}]",
            self.path,
            self.op,
            supported.join(", ")
        ))
    }

    /// Sets or removes a text.
    pub(crate) fn set_text(&self, entity: &mut Entity, member: &str) -> Result<(), AwsError> {
        self.set(entity, member, |text| Some(Value::from(text)))
    }

    /// Sets or removes a truth value.
    pub(crate) fn set_bool(&self, entity: &mut Entity, member: &str) -> Result<(), AwsError> {
        self.set(entity, member, |text| text.parse::<bool>().ok().map(Value::from))
    }

    /// Sets or removes a whole number.
    pub(crate) fn set_integer(&self, entity: &mut Entity, member: &str) -> Result<(), AwsError> {
        self.set(entity, member, |text| text.parse::<i64>().ok().map(Value::from))
    }

    /// Sets or removes a number.
    pub(crate) fn set_number(&self, entity: &mut Entity, member: &str) -> Result<(), AwsError> {
        self.set(entity, member, |text| {
            let number = text.parse::<f64>().ok()?;
            Number::from_f64(number).map(Value::Number)
        })
    }

    fn set(
        &self,
        entity: &mut Entity,
        member: &str,
        read: impl Fn(&str) -> Option<Value>,
    ) -> Result<(), AwsError> {
        if self.removes() {
            entity.remove(member);
            return Ok(());
        }
        let text = self.text()?;
        let invalid = || AwsError::bad_request(format!("Invalid value '{text}' for path '{}'", self.path));
        entity.insert(member.to_owned(), read(text).ok_or_else(invalid)?);
        Ok(())
    }
}

/// A part of a path as it is meant: `~1` stands for a slash, `~0` for a tilde.
pub(crate) fn unescaped(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}
