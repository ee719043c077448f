//! The canonical form of a value, and its fingerprint.
//!
//! Two values that mean the same have the same canonical form: object keys sorted by code point, no
//! insignificant white space, integers without a fraction (`1.0` is `1`).

use std::fmt;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// The hash of a canonical form: `sha256:` and 64 hexadecimal digits, those of the SHA-256 of its text in
/// UTF-8. Equal means equal.
///
/// The canonical form of a JSON value is its text without white space between tokens, with the keys of objects
/// sorted by code point and arrays as they are. In strings, `"`, `\` and control characters are escaped (as
/// `\b`, `\t`, `\n`, `\f`, `\r` where there is such a short form, else as `\u001f`), and nothing else is. A
/// number without a fraction whose absolute value is below 2^53 is an integer (`1.0` is `1`). Fields that are
/// absent stay absent, and those that hold a default stay: a value that was received is hashed as it came.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, example = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
pub struct Fingerprint(pub String);

impl Fingerprint {
    /// The fingerprint of bytes as they are.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let hash = digest::digest(&digest::SHA256, bytes);
        Self(format!("sha256:{}", hexadecimal(hash.as_ref())))
    }

    /// The fingerprint of a value's canonical form.
    pub fn of_value(value: &Value) -> Self {
        Self::of_bytes(canonical_json(value).as_bytes())
    }

    /// The fingerprint of anything that serialises to JSON without failing, as all our types do.
    pub fn of<T: Serialize>(value: &T) -> Result<Self, serde_json::Error> {
        Ok(Self::of_value(&serde_json::to_value(value)?))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Bytes as lowercase hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// The canonical text of a value.
pub fn canonical_json(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    text
}

fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort_unstable();
            text.push('{');
            for (position, key) in keys.into_iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                text.push_str(&Value::String(key.clone()).to_string());
                text.push(':');
                write_canonical(&fields[key], text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                write_canonical(item, text);
            }
            text.push(']');
        }
        Value::Number(number) => match whole(number) {
            Some(integer) => text.push_str(&integer.to_string()),
            None => text.push_str(&number.to_string()),
        },
        other => text.push_str(&other.to_string()),
    }
}

/// A value in canonical form, as a value.
pub fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut sorted: Vec<(&String, &Value)> = fields.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            let fields = sorted
                .into_iter()
                .map(|(key, value)| (key.clone(), canonical(value)));
            Value::Object(fields.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(canonical).collect()),
        Value::Number(number) => whole(number).map_or_else(|| value.clone(), Value::from),
        other => other.clone(),
    }
}

/// The integer a float stands for, where it stands for one exactly.
fn whole(number: &serde_json::Number) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53: beyond it, a float no longer names one integer
    let float = number.as_f64().filter(|_| number.is_f64())?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked to be whole and within 2^53"
    )]
    (float.fract() == 0.0 && float.abs() < EXACT).then_some(float as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::diff::tests::any_value;

    #[test]
    fn whole_numbers_have_one_spelling() {
        let value = json!({"b": 1.0, "a": [1.5, -0.0, 9_007_199_254_740_993_i64, 1e300]});
        let text = canonical_json(&value);
        assert_eq!(text, r#"{"a":[1.5,0,9007199254740993,1e+300],"b":1}"#);
        assert_eq!(canonical_json(&canonical(&value)), text);
    }

    #[test]
    fn fingerprints_are_sha256_of_the_canonical_text() {
        // printf '{}' | sha256sum
        assert_eq!(
            Fingerprint::of_value(&json!({})).to_string(),
            "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
    }

    proptest! {
        #[test]
        fn canonicalising_twice_is_canonicalising_once(value in any_value()) {
            let once = canonical(&value);
            prop_assert_eq!(canonical(&once), once.clone());
            prop_assert_eq!(canonical_json(&once), canonical_json(&value));
        }

        #[test]
        fn the_canonical_text_reads_back_as_the_canonical_value(value in any_value()) {
            let read: Value = serde_json::from_str(&canonical_json(&value)).expect("canonical text is JSON");
            prop_assert_eq!(read, canonical(&value));
        }

        #[test]
        fn the_order_of_keys_makes_no_difference(
            fields in prop::collection::btree_map("[a-e]{1,3}", any_value(), 0..6)
        ) {
            let written = |pairs: Vec<(&String, &Value)>| {
                let pairs = pairs.into_iter().map(|(key, value)| format!("{}:{value}", json!(key)));
                format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
            };
            let forwards = written(fields.iter().collect());
            let backwards = written(fields.iter().rev().collect());
            let fingerprint = |text: &str| Fingerprint::of_value(&serde_json::from_str(text).expect("JSON"));
            prop_assert_eq!(fingerprint(&forwards), fingerprint(&backwards));
        }
    }
}
