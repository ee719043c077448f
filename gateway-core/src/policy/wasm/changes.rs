//! What modules say of headers, held to what headers may be.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::bindings::requests::gatehouse::policy::types::{Header, HeaderChanges};
use crate::{policy::headers::frames_messages, proxy::head::is_hop_by_hop};

/// How many headers a module may change at once, or put into an answer.
const MAX_HEADERS: usize = 256;

/// Changes of one head.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Names that go away, those that get other values among them.
    pub(crate) remove: Vec<HeaderName>,
    /// What comes in addition after that.
    pub(crate) add: Vec<(HeaderName, HeaderValue)>,
}

impl Changes {
    /// Reads what a module says. An error says what is wrong with it.
    pub(super) fn read(changes: HeaderChanges) -> Result<Self, String> {
        let count = changes.remove.len() + changes.set.len() + changes.add.len();
        if count > MAX_HEADERS {
            return Err(format!("it changes {count} headers, more than {MAX_HEADERS}"));
        }
        let mut remove = Vec::with_capacity(changes.remove.len() + changes.set.len());
        for written in &changes.remove {
            remove.push(name(written)?);
        }
        let mut add = pairs(changes.set)?;
        remove.extend(add.iter().map(|(name, _)| name.clone()));
        add.extend(pairs(changes.add)?);
        Ok(Self { remove, add })
    }

    /// Makes the changes.
    pub(super) fn apply(self, headers: &mut HeaderMap) {
        for name in self.remove {
            headers.remove(name);
        }
        for (name, value) in self.add {
            headers.append(name, value);
        }
    }
}

/// Headers with their values.
pub(super) fn pairs(headers: Vec<Header>) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    if headers.len() > MAX_HEADERS {
        return Err(format!("{} headers are more than {MAX_HEADERS}", headers.len()));
    }
    let pair = |header: Header| {
        let value = HeaderValue::from_maybe_shared(bytes::Bytes::from(header.value));
        let value = value.map_err(|_| format!("the value of `{}` is not a header value", header.name))?;
        Ok((name(&header.name)?, value))
    };
    headers.into_iter().map(pair).collect()
}

fn name(written: &str) -> Result<HeaderName, String> {
    let name = HeaderName::try_from(written).map_err(|_| format!("{written:?} is not a header name"))?;
    let of_connection = frames_messages(&name) || is_hop_by_hop(name.as_str());
    match name == header::HOST || name == header::EXPECT || of_connection {
        true => Err(format!(
            "`{name}` belongs to the connection and cannot be changed"
        )),
        false => Ok(name),
    }
}

/// Headers as modules see them; without `Host`, which they are told apart.
pub(super) fn shown(headers: &HeaderMap) -> Vec<Header> {
    let shown = headers.iter().filter(|(name, _)| *name != header::HOST);
    shown
        .map(|(name, value)| Header {
            name: name.as_str().to_owned(),
            value: value.as_bytes().to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &[u8]) -> Header {
        Header {
            name: name.to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn some_go_away_then_some_are_set_then_some_are_added() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("a", "1"), ("b", "1"), ("b", "2"), ("c", "1")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let changes = HeaderChanges {
            remove: vec!["A".to_owned(), "not-there".to_owned()],
            set: vec![header("B", b"3")],
            add: vec![header("c", b"\xff"), header("a", b"2")],
        };
        Changes::read(changes).expect("they are good").apply(&mut headers);
        let seen: Vec<(&str, &[u8])> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        let mut sorted = seen.clone();
        sorted.sort_unstable();
        assert_eq!(
            sorted,
            [("a", &b"2"[..]), ("b", b"3"), ("c", b"1"), ("c", b"\xff")]
        );
    }

    #[test]
    fn what_frames_messages_or_is_no_header_is_refused() {
        for (name, value) in [
            ("content-length", &b"1"[..]),
            ("Transfer-Encoding", b"chunked"),
            ("host", b"a"),
            ("a b", b""),
            ("x", b"a\r\nb: c"),
            (":path", b"/"),
            ("Proxy-Connection", b"close"),
            ("http2-settings", b""),
            ("", b""),
        ] {
            pairs(vec![header(name, value)]).expect_err(name);
        }
        let many = |count: usize| (0..count).map(|number| header(&format!("x-{number}"), b"1"));
        assert_eq!(pairs(many(256).collect()).map(|pairs| pairs.len()), Ok(256));
        pairs(many(257).collect()).expect_err("too many");
        let changes = HeaderChanges {
            remove: vec!["x".to_owned()],
            set: many(128).collect(),
            add: many(128).collect(),
        };
        Changes::read(changes).expect_err("too many together");
        for name in ["connection", "Host", "a\nb"] {
            let changes = HeaderChanges {
                remove: vec![name.to_owned()],
                set: vec![],
                add: vec![],
            };
            Changes::read(changes).expect_err(name);
        }
    }
}
