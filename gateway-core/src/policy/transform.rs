//! `transform`: another body than was sent.
//!
//! Pure: bytes in, bytes out, or why not. Nothing is ever changed by half.

mod edit;
mod template;
mod xml;

use gatehouse_schemas::policy::{BodyFormat, BodyTransform, TransformPolicy};
use http::{HeaderMap, HeaderValue, header};
use serde_json::Value;

/// The largest body that a change may make, in bytes.
const MAX_WRITTEN: usize = 4 * 1024 * 1024;

/// The policy, ready to be used.
#[derive(Debug)]
pub(crate) struct Transform {
    pub(crate) request: Option<Change>,
    pub(crate) response: Option<Change>,
}

/// What becomes of a body.
#[derive(Debug)]
pub(crate) struct Change {
    from: BodyFormat,
    to: BodyFormat,
    remove: Vec<String>,
    set: Vec<(String, Value)>,
    template: Option<Value>,
    root: String,
}

impl Transform {
    /// Compiles the policy.
    pub(crate) fn compile(policy: &TransformPolicy) -> Result<Self, String> {
        let change = |change: &Option<BodyTransform>| change.as_ref().map(Change::compile).transpose();
        Ok(Self {
            request: change(&policy.request)?,
            response: change(&policy.response)?,
        })
    }
}

impl Change {
    fn compile(change: &BodyTransform) -> Result<Self, String> {
        let root = change.root.clone().unwrap_or_else(|| "root".to_owned());
        if !xml::is_name(&root) {
            return Err(format!("`{root}` is not the name of an XML element"));
        }
        Ok(Self {
            from: change.from,
            to: change.to,
            remove: change.remove.clone(),
            set: change
                .set
                .iter()
                .map(|(place, value)| (place.clone(), value.clone()))
                .collect(),
            template: change.template.clone(),
            root,
        })
    }

    /// Whether a body is of the type that is read; none if it says no type.
    pub(crate) fn reads(&self, headers: &HeaderMap) -> Option<bool> {
        let given = headers.get(header::CONTENT_TYPE)?;
        let text = given.to_str().ok().and_then(|text| text.split(';').next());
        let media_type = text.unwrap_or_default().trim().to_ascii_lowercase();
        let (_, subtype) = media_type.split_once('/').unwrap_or_default();
        let (name, suffix) = match self.from {
            BodyFormat::Json => ("json", "+json"),
            BodyFormat::Xml => ("xml", "+xml"),
        };
        Some(subtype == name || subtype.ends_with(suffix))
    }

    /// What is read, for people.
    pub(crate) fn reads_what(&self) -> &'static str {
        match self.from {
            BodyFormat::Json => "JSON",
            BodyFormat::Xml => "XML",
        }
    }

    /// The type of what is made, if it is another one than what is read.
    pub(crate) fn media_type(&self) -> Option<HeaderValue> {
        (self.from != self.to).then_some(match self.to {
            BodyFormat::Json => HeaderValue::from_static("application/json"),
            BodyFormat::Xml => HeaderValue::from_static("application/xml"),
        })
    }

    /// The changed body, or a sentence about what is wrong with this one.
    pub(crate) fn apply(&self, body: &[u8]) -> Result<Vec<u8>, String> {
        let mut value = match self.from {
            BodyFormat::Json => {
                let value = super::json::read(body)?;
                if super::json::has_too_large_integer(body) {
                    return Err(
                        "it has a whole number of more than 64 bits, which would be rounded".to_owned(),
                    );
                }
                value
            }
            BodyFormat::Xml => xml::read(body)?,
        };
        for place in &self.remove {
            edit::remove(&mut value, place);
        }
        for (place, new) in &self.set {
            edit::set(&mut value, place, new.clone())?;
        }
        if let Some(template) = &self.template {
            value = template::fill(template, &value, MAX_WRITTEN)?;
        }
        let written = match self.to {
            BodyFormat::Json => serde_json::to_vec(&value).map_err(|error| error.to_string())?,
            BodyFormat::Xml => xml::write(&value, &self.root, MAX_WRITTEN)?,
        };
        match written.len() <= MAX_WRITTEN {
            true => Ok(written),
            false => Err(too_large()),
        }
    }
}

fn too_large() -> String {
    format!("it would become larger than {MAX_WRITTEN} bytes")
}

#[cfg(test)]
mod tests;
