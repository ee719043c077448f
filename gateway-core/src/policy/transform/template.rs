//! Values with places that are filled from another one. What is filled in stays data: no text becomes structure.

use gatehouse_schemas::policy::placeholders;
use serde_json::Value;

/// The template with its places filled, as long as what is filled in has no more than so many bytes.
pub(super) fn fill(template: &Value, from: &Value, max: usize) -> Result<Value, String> {
    let mut filling = Filling { from, left: max };
    filling.value(template)
}

struct Filling<'a> {
    from: &'a Value,
    left: usize,
}

impl Filling<'_> {
    fn value(&mut self, template: &Value) -> Result<Value, String> {
        Ok(match template {
            Value::String(text) => self.text(text)?,
            Value::Array(items) => {
                let items = items.iter().map(|item| self.value(item));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            Value::Object(fields) => {
                let fields = fields
                    .iter()
                    .map(|(name, field)| Ok((name.clone(), self.value(field)?)));
                Value::Object(fields.collect::<Result<_, String>>()?)
            }
            other => other.clone(),
        })
    }

    fn text(&mut self, text: &str) -> Result<Value, String> {
        let mut filled = String::new();
        let mut from = 0;
        for (begin, end, place) in placeholders(text) {
            let found = self
                .from
                .pointer(place)
                .ok_or_else(|| format!("there is nothing at `{place}`"))?;
            self.left = self
                .left
                .checked_sub(weight(found))
                .ok_or_else(super::too_large)?;
            if (begin, end) == (0, text.len()) {
                return Ok(found.clone());
            }
            filled.push_str(&text[from..begin]);
            match found {
                Value::String(found) => filled.push_str(found),
                found => filled.push_str(&found.to_string()),
            }
            from = end;
        }
        filled.push_str(&text[from..]);
        Ok(Value::String(filled))
    }
}

/// About how many bytes of JSON a value has.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => 2 + items.iter().map(|item| weight(item) + 1).sum::<usize>(),
        Value::Object(fields) => {
            let fields = fields.iter();
            2 + fields
                .map(|(name, field)| name.len() + 4 + weight(field))
                .sum::<usize>()
        }
        _ => 8,
    }
}
