//! From rows to values and back: the few shapes columns have.

use gatehouse_schemas::time::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Row as _, any::AnyRow};
use std::str::FromStr;

use crate::error::{Result, StoreError};

/// Typed access to the columns of a row.
pub(crate) trait Columns {
    fn text(&self, column: &str) -> Result<String>;
    fn optional_text(&self, column: &str) -> Result<Option<String>>;
    fn integer(&self, column: &str) -> Result<i64>;
    fn optional_integer(&self, column: &str) -> Result<Option<i64>>;
    fn bytes(&self, column: &str) -> Result<Vec<u8>>;
    fn optional_bytes(&self, column: &str) -> Result<Option<Vec<u8>>>;

    /// A number that is never negative.
    fn count(&self, column: &str) -> Result<u64> {
        let value = self.integer(column)?;
        u64::try_from(value).map_err(|error| StoreError::corrupt(format!("column `{column}`"), error))
    }

    fn optional_count(&self, column: &str) -> Result<Option<u64>> {
        let value = self.optional_integer(column)?;
        value
            .map(u64::try_from)
            .transpose()
            .map_err(|error| StoreError::corrupt(format!("column `{column}`"), error))
    }

    /// A number that is never negative and small.
    fn number(&self, column: &str) -> Result<u32> {
        let value = self.integer(column)?;
        u32::try_from(value).map_err(|error| StoreError::corrupt(format!("column `{column}`"), error))
    }

    fn flag(&self, column: &str) -> Result<bool> {
        Ok(self.integer(column)? != 0)
    }

    fn time(&self, column: &str) -> Result<Timestamp> {
        self.integer(column).map(Timestamp)
    }

    fn optional_time(&self, column: &str) -> Result<Option<Timestamp>> {
        Ok(self.optional_integer(column)?.map(Timestamp))
    }

    /// Anything with a textual form: identifiers and names.
    fn parsed<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(&self, column: &str) -> Result<T> {
        let text = self.text(column)?;
        text.parse()
            .map_err(|error| StoreError::corrupt(format!("column `{column}`"), error))
    }

    fn optional_parsed<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
        &self,
        column: &str,
    ) -> Result<Option<T>> {
        let text = self.optional_text(column)?;
        text.map(|text| text.parse())
            .transpose()
            .map_err(|error| StoreError::corrupt(format!("column `{column}`"), error))
    }

    fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T> {
        from_json(&self.text(column)?, column)
    }

    fn optional_json<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>> {
        let text = self.optional_text(column)?;
        text.map(|text| from_json(&text, column)).transpose()
    }

    /// A variant of an enumeration, stored as its bare name.
    fn word<T: DeserializeOwned>(&self, column: &str) -> Result<T> {
        serde_json::from_value(serde_json::Value::String(self.text(column)?))
            .map_err(|error| StoreError::corrupt(format!("column `{column}`"), error))
    }
}

impl Columns for AnyRow {
    fn text(&self, column: &str) -> Result<String> {
        Ok(self.try_get(column)?)
    }

    fn optional_text(&self, column: &str) -> Result<Option<String>> {
        Ok(self.try_get(column)?)
    }

    fn integer(&self, column: &str) -> Result<i64> {
        Ok(self.try_get(column)?)
    }

    fn optional_integer(&self, column: &str) -> Result<Option<i64>> {
        Ok(self.try_get(column)?)
    }

    fn bytes(&self, column: &str) -> Result<Vec<u8>> {
        Ok(self.try_get(column)?)
    }

    fn optional_bytes(&self, column: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.try_get(column)?)
    }
}

fn from_json<T: DeserializeOwned>(text: &str, column: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| StoreError::corrupt(format!("column `{column}`"), error))
}

/// A value as JSON text.
pub(crate) fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::corrupt("a value to be stored", error))
}

/// A value as JSON text, if there is one.
pub(crate) fn optional_json<T: Serialize>(value: Option<&T>) -> Result<Option<String>> {
    value.map(to_json).transpose()
}

/// A variant of an enumeration as its bare name.
pub(crate) fn to_word<T: Serialize>(value: &T) -> Result<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        Ok(_) => Err(StoreError::corrupt("a value to be stored", "it is not one word")),
        Err(error) => Err(StoreError::corrupt("a value to be stored", error)),
    }
}

/// Free text as both engines can hold it: PostgreSQL has no NUL character in text.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A count or counter as a column holds it. Counters never come near the limit.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// `$FIRST, …` for this many parameters.
pub(crate) fn placeholders(first: usize, count: usize) -> String {
    let names: Vec<String> = (first..first + count)
        .map(|number| format!("${number}"))
        .collect();
    names.join(", ")
}

/// A page's limit as a parameter: one more than its size, to know whether there is another.
pub(crate) fn limit(size: usize) -> i64 {
    i64::try_from(size + 1).unwrap_or(i64::MAX)
}

/// The rows of every type that is made from one.
pub(crate) fn each<T>(rows: Vec<AnyRow>, make: impl Fn(&AnyRow) -> Result<T>) -> Result<Vec<T>> {
    rows.iter().map(make).collect()
}
