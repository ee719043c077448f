//! JSON in which every field is there once: of two, an upstream might take the one that was not looked at.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// Reads a document.
pub(crate) fn read(text: &[u8]) -> Result<Value, String> {
    let read: Result<Strict, _> = serde_json::from_slice(text);
    read.map(|Strict(value)| value).map_err(|error| error.to_string())
}

/// Whether a document that was read has a whole number that is larger than was kept of it, such as a long identifier.
pub(crate) fn has_too_large_integer(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(at) = rest
        .iter()
        .position(|byte| matches!(byte, b'"' | b'-' | b'0'..=b'9'))
    {
        rest = &rest[at..];
        let length = match rest[0] {
            b'"' => string(rest),
            _ => {
                let is_part = |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                let number = &rest[..rest.iter().take_while(|byte| is_part(byte)).count()];
                if !fits(number) {
                    return true;
                }
                number.len()
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    false
}

/// How long the string is that a text begins with, quotes included.
fn string(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

fn fits(number: &[u8]) -> bool {
    // Shorter ones always do.
    number.len() < 19
        || number.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'))
        || serde_json::from_slice::<u64>(number).is_ok()
        || serde_json::from_slice::<i64>(number).is_ok()
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!("field `{name}` is there twice")));
            }
            let Strict(value) = fields.next_value()?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_of_value_is_read() {
        let text = br#"{"a": [null, true, -1, 1.5, 18446744073709551615, "x"], "b": {"a": {}}}"#;
        let expected = json!({"a": [null, true, -1, 1.5, u64::MAX, "x"], "b": {"a": {}}});
        assert_eq!(read(text), Ok(expected));
    }

    #[test]
    fn whole_numbers_that_are_too_large_are_found() {
        for (text, expected) in [
            (
                r#"{"a": [18446744073709551615, -9223372036854775808, 1e300, 0.12345678901234567890123]}"#,
                false,
            ),
            (
                r#"["18446744073709551616", "\\", "\"123456789012345678901234", 1]"#,
                false,
            ),
            (r#"{"a": 18446744073709551616}"#, true),
            (r#"["\"", -9223372036854775809]"#, true),
            ("123456789012345678901234567890", true),
        ] {
            read(text.as_bytes()).expect("JSON");
            assert_eq!(has_too_large_integer(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn fields_that_are_there_twice_are_refused_at_any_depth() {
        for text in [&br#"{"a": 1, "a": 1}"#[..], br#"[{"b": {"a": 1, "\u0061": 2}}]"#] {
            assert!(
                read(text)
                    .expect_err("twice")
                    .contains("field `a` is there twice")
            );
        }
        read(b"{} {}").expect_err("two documents");
    }
}
