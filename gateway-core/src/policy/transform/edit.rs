//! What is taken out of a value, and put into it, by JSON Pointer (RFC 6901).

use gatehouse_schemas::pointer;
use serde_json::{Map, Value};

/// Takes away what is at a place, if it is there.
pub(super) fn remove(value: &mut Value, place: &str) {
    let Some((parent, last)) = pointer::split_last(place) else {
        return;
    };
    match value.pointer_mut(parent) {
        Some(Value::Object(fields)) => {
            fields.remove(&last);
        }
        Some(Value::Array(items)) => {
            if let Some(index) = pointer::index(&last).filter(|index| *index < items.len()) {
                items.remove(index);
            }
        }
        _ => {}
    }
}

/// Puts a value at a place. Objects that are not there on the way are made.
pub(super) fn set(value: &mut Value, place: &str, new: Value) -> Result<(), String> {
    let mut at = value;
    for step in place.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        at = below(at, &step).ok_or_else(|| format!("nothing can be put at `{place}`"))?;
    }
    *at = new;
    Ok(())
}

fn below<'a>(value: &'a mut Value, step: &str) -> Option<&'a mut Value> {
    match value {
        Value::Object(fields) => Some(fields.entry(step).or_insert_with(|| Value::Object(Map::new()))),
        Value::Array(items) => {
            if step == "-" || pointer::index(step) == Some(items.len()) {
                items.push(Value::Object(Map::new()));
                return items.last_mut();
            }
            items.get_mut(pointer::index(step)?)
        }
        _ => None,
    }
}
