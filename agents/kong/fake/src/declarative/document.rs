//! The declarative configuration as it comes in: a JSON object, or YAML or JSON as a text.

use aws_lc_rs::digest;
use serde_json::{Map, Value};

use crate::errors::AdminError;
use crate::http::AdminRequest;
use crate::http::pairs;
use crate::store::hex;

/// A declarative configuration that was sent.
pub(super) struct Document {
    pub(super) content: Map<String, Value>,
    /// It was sent as a text; only then Kong looks whether it has it already.
    pub(super) from_text: bool,
    pub(super) hash: String,
}

impl Document {
    pub(super) fn read(request: &AdminRequest) -> Result<Self, AdminError> {
        let kind = request.header("content-type").unwrap_or_default();
        let text = || String::from_utf8_lossy(&request.body).into_owned();
        match kind.split(';').next().unwrap_or_default().trim() {
            "application/json" => Self::of_json(&request.body),
            "text/yaml" | "application/yaml" | "application/x-yaml" => Self::of_text(&text()),
            "application/x-www-form-urlencoded" => {
                let form = pairs(&text());
                let config = form.into_iter().find(|(name, _)| name == "config");
                config.map_or_else(|| Err(missing()), |(_, config)| Self::of_text(&config))
            }
            "" => Err(missing()),
            _ => Err(AdminError::UnsupportedMedia),
        }
    }

    fn of_json(body: &[u8]) -> Result<Self, AdminError> {
        let Ok(Value::Object(content)) = serde_json::from_slice(body) else {
            return Err(AdminError::bad_request("Cannot parse JSON body"));
        };
        match content.get("config") {
            Some(Value::String(text)) => Self::of_text(text),
            _ => Ok(Self {
                hash: hash(body),
                content,
                from_text: false,
            }),
        }
    }

    fn of_text(text: &str) -> Result<Self, AdminError> {
        // A name may be `y` or `on`, which older YAML takes for a truth value and Kong does not.
        let options = serde_saphyr::options! { strict_booleans: true };
        let content = match serde_saphyr::from_str_with_options::<Value>(text, options) {
            Ok(Value::Object(content)) => content,
            Ok(_) => return Err(unreadable("expected an object")),
            Err(error) => return Err(unreadable(&place_and_reason(text, &error.to_string()))),
        };
        Ok(Self {
            content,
            from_text: true,
            hash: hash(text.as_bytes()),
        })
    }
}

fn missing() -> AdminError {
    AdminError::bad_request("expected a declarative configuration")
}

fn unreadable(why: &str) -> AdminError {
    let said = format!("failed parsing declarative configuration: {why}");
    AdminError::Declarative {
        errors: serde_json::json!({ "error": said }),
        flattened: None,
    }
}

/// Kong's reader of YAML says where it stopped and what it missed.
fn place_and_reason(text: &str, error: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let place = format!(
        "{}:{}",
        lines.len().max(1),
        lines.last().map_or(0, |line| line.chars().count())
    );
    let opened = |open: char, close: char| text.matches(open).count() > text.matches(close).count();
    if opened('[', ']') {
        format!("{place}: did not find expected ',' or ']'")
    } else if opened('{', '}') {
        format!("{place}: did not find expected ',' or '}}'")
    } else {
        error.lines().next().unwrap_or_default().to_owned()
    }
}

/// 32 letters that stand for a content.
fn hash(content: &[u8]) -> String {
    let whole = hex(digest::digest(&digest::SHA256, content).as_ref());
    whole.chars().take(32).collect()
}
