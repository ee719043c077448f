//! How each kind of object looks in a table, and what it is called on one line.

mod activity;
mod gateways;
mod resources;

use gatehouse_schemas::{
    condition::{Condition, ConditionStatus, ConditionType},
    time::Timestamp,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::table::table;

/// An object that stands in lists.
pub(crate) trait Listed: Serialize + DeserializeOwned {
    /// The headings of its columns.
    const HEADINGS: &'static [&'static str];

    /// What it is called: `KIND/NAME`.
    fn reference(&self) -> String;

    /// Its cells, one under each heading.
    fn cells(&self, now: Timestamp) -> Vec<String>;
}

/// The table of a list.
pub(crate) fn table_of<T: Listed>(items: &[T], now: Timestamp) -> String {
    let rows: Vec<Vec<String>> = items.iter().map(|item| item.cells(now)).collect();
    table(T::HEADINGS, &rows)
}

/// The names of a list.
pub(crate) fn references<T: Listed>(items: &[T]) -> Vec<String> {
    items.iter().map(T::reference).collect()
}

/// A value that is written as one word.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

/// What a condition comes down to in one word: `True`, or why not.
pub(crate) fn condition_word(conditions: &[Condition], wanted: ConditionType) -> String {
    let found = conditions.iter().find(|condition| condition.r#type == wanted);
    match found {
        Some(condition) if condition.status == ConditionStatus::True => "yes".to_owned(),
        Some(condition) => condition.reason.clone(),
        None => "unknown".to_owned(),
    }
}
