//! `headers`: changes of request and response headers, prepared so that a request only copies them in.

use gatehouse_schemas::policy::HeaderChanges;
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Headers that say how messages are framed. Changing them would break messages or hide others in them.
const FRAMING: [HeaderName; 7] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// Changes in the order in which they are made.
#[derive(Debug, Default)]
pub(crate) struct Changes(Vec<Change>);

#[derive(Debug, Clone)]
enum Change {
    Remove(HeaderName),
    Set(HeaderName, HeaderValue),
    Add(HeaderName, HeaderValue),
}

impl Changes {
    /// Adds the changes of one policy after those that are already there.
    pub(crate) fn extend(&mut self, changes: &HeaderChanges) -> Result<(), String> {
        for written in &changes.remove {
            let name = name(written)?;
            if name == header::HOST {
                return Err("`host` cannot be taken away, only set".to_owned());
            }
            self.0.push(Change::Remove(name));
        }
        for (written, text) in &changes.set {
            self.0.push(Change::Set(name(written)?, value(written, text)?));
        }
        for (written, text) in &changes.add {
            self.0.push(Change::Add(name(written)?, value(written, text)?));
        }
        Ok(())
    }

    /// Makes the changes.
    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        for change in &self.0 {
            match change {
                Change::Remove(name) => drop(headers.remove(name)),
                Change::Set(name, value) => drop(headers.insert(name, value.clone())),
                Change::Add(name, value) => drop(headers.append(name, value.clone())),
            }
        }
    }
}

/// Whether a header says how the message is framed.
pub(crate) fn frames_messages(name: &HeaderName) -> bool {
    FRAMING.contains(name)
}

fn name(written: &str) -> Result<HeaderName, String> {
    let name = HeaderName::try_from(written).map_err(|_| format!("`{written}` is not a header name"))?;
    match frames_messages(&name) {
        true => Err(format!("`{written}` frames the message and cannot be changed")),
        false => Ok(name),
    }
}

fn value(name: &str, text: &str) -> Result<HeaderValue, String> {
    HeaderValue::try_from(text).map_err(|_| format!("the value of `{name}` is not a header value"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn changes(policies: &[Value]) -> Result<Changes, String> {
        let mut changes = Changes::default();
        for policy in policies {
            changes.extend(&serde_json::from_value(policy.clone()).expect("changes"))?;
        }
        Ok(changes)
    }

    #[test]
    fn each_policy_removes_then_sets_then_adds_in_order() {
        let first = json!({"remove": ["a"], "set": {"b": "1"}, "add": {"c": "1"}});
        let second = json!({"set": {"c": "2"}, "add": {"b": "2"}});
        let mut headers = HeaderMap::new();
        headers.insert("a", HeaderValue::from_static("0"));
        changes(&[first, second]).expect("compiles").apply(&mut headers);
        assert!(!headers.contains_key("a"));
        assert_eq!(headers.get_all("b").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(headers.get_all("c").iter().collect::<Vec<_>>(), ["2"]);
    }

    #[test]
    fn framing_headers_cannot_be_changed() {
        for refused in ["content-length", "Transfer-Encoding", "connection", "bad name"] {
            changes(&[json!({"set": {refused: "1"}})]).expect_err(refused);
            changes(&[json!({"remove": [refused]})]).expect_err(refused);
        }
        changes(&[json!({"set": {"x": "a\r\nb: c"}})]).expect_err("a second header");
        changes(&[json!({"remove": ["host"]})]).expect_err("no host");
    }
}
