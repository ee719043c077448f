//! Text to values: YAML with any number of documents, or JSON.
//!
//! Input is not trusted: depth, size and the growth of YAML aliases are bounded.

use serde_json::Value;

/// Text that is neither YAML nor JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct SyntaxError {
    /// The line, from 1; 0 when it is not known.
    pub line: usize,
    /// The column, from 1; 0 when it is not known.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

/// Objects and lists may be nested this deep, as serde_json holds for JSON.
const DEPTH_MAX: usize = 128;
/// A definition of 10 MB has around half a million nodes.
const NODES_MAX: usize = 5_000_000;
/// Above this, text that looks like JSON is not tried as YAML a second time.
const FLOW_YAML_BYTES_MAX: usize = 1024 * 1024;

/// Reads the documents of a text: YAML (many documents) or JSON. Empty documents are left out.
pub fn documents(text: &str) -> Result<Vec<Value>, SyntaxError> {
    if !looks_like_json(text) {
        return yaml(text);
    }
    let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
    values.or_else(|error| flow_yaml(text).ok_or_else(|| json_error(&error)))
}

/// Reads a text that is one document.
pub(crate) fn one(text: &str) -> Result<Value, SyntaxError> {
    if looks_like_json(text) {
        return serde_json::from_str(text).or_else(|error| {
            let single = flow_yaml(text).filter(|values| values.len() == 1);
            single
                .and_then(|mut values| values.pop())
                .ok_or_else(|| json_error(&error))
        });
    }
    let mut values = yaml(text)?;
    match (values.pop(), values.len()) {
        (Some(value), 0) => Ok(value),
        (None, _) => Err(whole("the text is empty")),
        (Some(_), more) => Err(whole(&format!(
            "the text holds {} documents; one is expected",
            more + 1
        ))),
    }
}

fn looks_like_json(text: &str) -> bool {
    text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n'])
        .starts_with(['{', '['])
}

/// YAML may start with a brace, too: `{kind: Api}`. Where the first name is in quotes, people mean JSON,
/// and broken JSON may well be valid YAML with another meaning.
fn flow_yaml(text: &str) -> Option<Vec<Value>> {
    let opening = |character: char| character.is_whitespace() || "\u{feff}{[".contains(character);
    let quoted = text.trim_start_matches(opening).starts_with('"');
    (!quoted && text.len() <= FLOW_YAML_BYTES_MAX)
        .then(|| yaml(text).ok())
        .flatten()
}

fn yaml(text: &str) -> Result<Vec<Value>, SyntaxError> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            flow_nesting_limit: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_events: NODES_MAX * 4,
        },
        // `no` and `on` are words, as in YAML 1.2.
        strict_booleans: true,
        // A snippet would put secret values into messages.
        with_snippet: false,
    };
    let values: Vec<Value> =
        serde_saphyr::from_multiple_with_options(text, options).map_err(|error| yaml_error(&error))?;
    Ok(values.into_iter().filter(|value| !value.is_null()).collect())
}

fn json_error(error: &serde_json::Error) -> SyntaxError {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    SyntaxError {
        line: error.line(),
        column: error.column(),
        message: text.strip_suffix(&place).unwrap_or(&text).to_owned(),
    }
}

fn yaml_error(error: &serde_saphyr::Error) -> SyntaxError {
    let (line, column) = error.location().map_or((0, 0), |at| (at.line(), at.column()));
    SyntaxError {
        line: usize::try_from(line).unwrap_or(usize::MAX),
        column: usize::try_from(column).unwrap_or(usize::MAX),
        message: plain(
            &error.without_snippet().to_string(),
            &format!(" at line {line}, column {column}"),
        ),
    }
}

/// The message without its place, which goes before it, and without advice to programmers.
fn plain(message: &str, place: &str) -> String {
    let message = message.strip_suffix(place).unwrap_or(message);
    message.replace(", set DuplicateKeyPolicy in Options if acceptable", "")
}

fn whole(message: &str) -> SyntaxError {
    SyntaxError {
        line: 0,
        column: 0,
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests;
