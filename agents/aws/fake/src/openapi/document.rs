//! A document as it was sent: JSON or YAML, OpenAPI 3.0 or Swagger 2.

use serde_json::Value;

use crate::control::AwsError;
use crate::place::Entity;

/// The most bytes that a document may have.
const LARGEST: usize = 6 << 20;

/// An OpenAPI document.
#[derive(Debug)]
pub(crate) struct Document {
    root: Value,
    is_swagger: bool,
}

impl Document {
    /// Reads a document; it has at least a version and paths.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, AwsError> {
        let invalid = || AwsError::bad_request("Invalid OpenAPI input.");
        if bytes.len() > LARGEST {
            return Err(AwsError::bad_request("The OpenAPI input is larger than 6 MB"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| invalid())?;
        let root: Value = serde_json::from_str(text)
            .ok()
            .or_else(|| serde_saphyr::from_str(text).ok())
            .ok_or_else(invalid)?;
        let version = |name: &str| root.get(name).and_then(Value::as_str).unwrap_or_default();
        let is_swagger = version("swagger") == "2.0";
        let has_title = root.pointer("/info/title").is_some_and(Value::is_string);
        if !(is_swagger || version("openapi").starts_with("3.0")) || !has_title || !root["paths"].is_object()
        {
            return Err(invalid());
        }
        Ok(Self { root, is_swagger })
    }

    /// A member of the root.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.root.get(name)
    }

    /// An object among the root's members; an empty one if there is none.
    pub(crate) fn members(&self, name: &str) -> impl Iterator<Item = (&String, &Value)> {
        self.get(name).and_then(Value::as_object).into_iter().flatten()
    }

    /// A text of `info`.
    pub(crate) fn info(&self, name: &str) -> Option<&str> {
        self.root["info"].get(name).and_then(Value::as_str)
    }

    /// The security schemes by their names.
    pub(crate) fn security_schemes(&self) -> Entity {
        let schemes = if self.is_swagger {
            self.get("securityDefinitions")
        } else {
            self.root.pointer("/components/securitySchemes")
        };
        schemes.and_then(Value::as_object).cloned().unwrap_or_default()
    }

    /// The schemas by their names.
    pub(crate) fn schemas(&self) -> Entity {
        let schemas = if self.is_swagger {
            self.get("definitions")
        } else {
            self.root.pointer("/components/schemas")
        };
        schemas.and_then(Value::as_object).cloned().unwrap_or_default()
    }

    /// What a value says, or what it refers to within the document.
    pub(crate) fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        let mut value = value;
        // A chain of references that goes round in circles ends here.
        for _ in 0..8 {
            let reference = value.get("$ref").and_then(Value::as_str);
            let target = reference.and_then(|reference| self.root.pointer(reference.strip_prefix('#')?));
            match target {
                Some(target) => value = target,
                None => return value,
            }
        }
        value
    }

    /// The resources and methods that a path item has: `ANY` for all that are not named.
    pub(crate) fn methods<'a>(&self, item: &'a Value) -> impl Iterator<Item = (&'static str, &'a Value)> {
        const NAMES: [(&str, &str); 8] = [
            ("get", "GET"),
            ("put", "PUT"),
            ("post", "POST"),
            ("delete", "DELETE"),
            ("options", "OPTIONS"),
            ("head", "HEAD"),
            ("patch", "PATCH"),
            ("x-amazon-apigateway-any-method", "ANY"),
        ];
        NAMES
            .into_iter()
            .filter_map(|(name, method)| Some((method, item.get(name)?)))
    }
}
