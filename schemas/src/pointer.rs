//! JSON Pointers (RFC 6901): how places in a value are named.

use serde_json::Value;

/// The pointer to a field or element below another place.
pub fn join(parent: &str, key: &str) -> String {
    let mut pointer = String::with_capacity(parent.len() + 1 + key.len());
    pointer.push_str(parent);
    push(&mut pointer, key);
    pointer
}

/// Appends a step to a pointer.
pub fn push(pointer: &mut String, key: &str) {
    pointer.push('/');
    for character in key.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

/// A pointer's parent and last step, unescaped; none for the pointer to the whole.
pub fn split_last(pointer: &str) -> Option<(&str, String)> {
    let (parent, last) = pointer.rsplit_once('/')?;
    Some((parent, last.replace("~1", "/").replace("~0", "~")))
}

/// Reads a step as an array index: digits without leading zeros.
pub fn index(step: &str) -> Option<usize> {
    let canonical = step == "0" || !step.starts_with('0');
    let digits = step.bytes().all(|byte| byte.is_ascii_digit());
    (canonical && digits).then(|| step.parse().ok()).flatten()
}

/// Whether every `~` in a pointer begins one of its two escapes.
pub(crate) fn is_escaped(pointer: &str) -> bool {
    pointer
        .split('~')
        .skip(1)
        .all(|rest| rest.starts_with(['0', '1']))
}

/// Takes a field out of the object it is in; whether it was there.
pub(crate) fn take(value: &mut Value, pointer: &str) -> Option<Value> {
    let (parent, key) = split_last(pointer)?;
    value.pointer_mut(parent)?.as_object_mut()?.remove(&key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_the_two_special_characters() {
        assert_eq!(join("/paths", "/a~b/{id}"), "/paths/~1a~0b~1{id}");
        assert_eq!(
            split_last("/paths/~1a~0b~1{id}"),
            Some(("/paths", "/a~b/{id}".to_owned()))
        );
        assert_eq!(split_last(""), None);
    }

    #[test]
    fn an_index_has_one_spelling() {
        assert_eq!(index("0"), Some(0));
        assert_eq!(index("12"), Some(12));
        for wrong in ["", "-", "01", "+1", "a"] {
            assert_eq!(index(wrong), None, "{wrong}");
        }
    }
}
