//! Query strings: taken apart, changed and put together again without touching what was not meant.

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// A key and its value; a key without `=` has none.
pub(crate) type Pair = (String, Option<String>);

/// The decoded pairs of a query string.
pub(crate) fn pairs(query: &str) -> Vec<Pair> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| match part.split_once('=') {
            Some((key, value)) => (decoded(key), Some(decoded(value))),
            None => (decoded(part), None),
        })
        .collect()
}

/// The first value of a key; a key without a value counts as absent.
pub(crate) fn value(query: &str, name: &str) -> Option<String> {
    pairs(query)
        .into_iter()
        .find_map(|(key, value)| (key == name).then_some(value).flatten())
}

/// The query string of pairs.
pub(crate) fn written(pairs: &[Pair]) -> String {
    let parts = pairs.iter().map(|(key, value)| match value {
        Some(value) => format!("{}={}", encoded(key), encoded(value)),
        None => encoded(key),
    });
    parts.collect::<Vec<_>>().join("&")
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " "))
        .decode_utf8_lossy()
        .into_owned()
}

fn encoded(text: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    utf8_percent_encode(text, KEPT).to_string()
}
