//! The configuration of a plugin, and whether it says more than a policy does.

use serde_json::{Map, Value};

use crate::entities::Entity;

/// A plugin's configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Config<'p>(Option<&'p Map<String, Value>>);

impl<'p> Config<'p> {
    pub(super) fn of(plugin: &'p Entity) -> Self {
        Self(plugin.config())
    }

    /// What a path of fields leads to: `add.headers`.
    fn get(self, path: &str) -> Option<&'p Value> {
        let mut fields = path.split('.');
        let first = self.0?.get(fields.next()?)?;
        fields.try_fold(first, |value, field| value.get(field))
    }

    pub(super) fn text(self, path: &str) -> Option<&'p str> {
        self.get(path)?.as_str()
    }

    pub(super) fn number(self, path: &str) -> Option<u64> {
        let value = self.get(path)?;
        value.as_u64().or_else(|| whole(value.as_f64()?))
    }

    pub(super) fn flag(self, path: &str, default: bool) -> bool {
        self.get(path).and_then(Value::as_bool).unwrap_or(default)
    }

    /// The texts of a list.
    pub(super) fn list(self, path: &str) -> Vec<&'p str> {
        let values = self.get(path).and_then(Value::as_array).into_iter().flatten();
        values.filter_map(Value::as_str).collect()
    }

    /// The names of its fields.
    pub(super) fn fields(self) -> impl Iterator<Item = &'p str> {
        self.0.into_iter().flatten().map(|(field, _)| field.as_str())
    }

    /// Refuses a configuration that says more than the fields `said`: every other field must be empty or as in
    /// `defaults`.
    pub(super) fn says_only(self, said: &[&str], defaults: &Value) -> Result<(), String> {
        let fields = self.0.into_iter().flatten();
        fields
            .into_iter()
            .try_for_each(|(field, value)| usual(value, field, said, defaults.get(field)))
    }
}

fn usual(value: &Value, path: &str, said: &[&str], default: Option<&Value>) -> Result<(), String> {
    if said.contains(&path)
        || value.is_null()
        || is_empty(value) && default != Some(&Value::Bool(true))
        || default == Some(value)
    {
        return Ok(());
    }
    match value {
        Value::Object(fields) => fields.iter().try_for_each(|(field, value)| {
            let default = default.and_then(|default| default.get(field));
            usual(value, &format!("{path}.{field}"), said, default)
        }),
        _ => Err(format!("`{path}` is not as usual")),
    }
}

/// Nothing, or what is as good as nothing.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn whole(float: f64) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be whole and in range"
    )]
    (float.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&float)).then_some(float as u64)
}
