//! The body of an operation's requests.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Reading, Written, is_json, is_true, media_type};
use crate::{openapi::references, pointer, policy::ExpandedBody};

/// How forms come that Swagger 2.0 names no type for.
const FORMS: [&str; 2] = ["application/x-www-form-urlencoded", "multipart/form-data"];

impl Reading<'_> {
    /// What is said of the body; only of its type, unless it is to be looked into.
    pub(super) fn body(&mut self, written: &Written<'_>, looks_into: bool) -> Option<ExpandedBody> {
        let mut body = match self.is_swagger() {
            true => self.body_parameter(written, looks_into)?,
            false => self.request_body(written, looks_into)?,
        };
        body.required &= looks_into;
        Some(body)
    }

    fn request_body(&mut self, written: &Written<'_>, looks_into: bool) -> Option<ExpandedBody> {
        let place = pointer::join(&written.at, "requestBody");
        let (body, at) = self.resolve(written.field("requestBody")?, place)?;
        let at = pointer::join(&at, "content");
        let mut content = BTreeMap::new();
        let written = body.get("content").and_then(Value::as_object);
        for (kind, medium) in written.into_iter().flatten() {
            let plain = media_type(kind);
            let schema = medium.get("schema").filter(|_| looks_into && is_json(&plain));
            let schema = schema.filter(|schema| !(plain.ends_with('*') && self.is_of_bytes(schema)));
            let schema = schema.map_or(Value::Bool(true), |schema| {
                let place = pointer::join(&pointer::join(&at, kind), "schema");
                self.schemas.convert(schema, &place)
            });
            content.insert(plain, schema);
        }
        Some(ExpandedBody {
            required: is_true(body, "required"),
            content: some_type(content),
        })
    }

    /// Swagger 2.0's: one parameter that is the body, or several that are fields of a form.
    fn body_parameter(&mut self, written: &Written<'_>, looks_into: bool) -> Option<ExpandedBody> {
        let mut kinds = self.consumes(written);
        let (mut is_form, mut required) = (false, false);
        let mut schema = None;
        for (list, at) in written.parameters() {
            for (index, parameter) in list.iter().enumerate() {
                let Some((parameter, place)) = self.resolve(parameter, format!("{at}/{index}")) else {
                    continue;
                };
                match parameter.get("in").and_then(Value::as_str) {
                    Some("body") => {
                        required = is_true(parameter, "required");
                        let written = parameter.get("schema").unwrap_or(&Value::Bool(true));
                        schema = Some(self.schemas.convert(written, &pointer::join(&place, "schema")));
                    }
                    Some("formData") => {
                        is_form = true;
                        required |= is_true(parameter, "required");
                    }
                    _ => {}
                }
            }
        }
        if is_form {
            kinds.retain(|kind| FORMS.contains(&kind.as_str()));
            if kinds.is_empty() {
                kinds = FORMS.map(str::to_owned).to_vec();
            }
        } else if schema.is_none() {
            return None;
        }
        let of_kind = |kind: String| {
            let schema = schema.clone().filter(|_| looks_into && is_json(&kind));
            (kind, schema.unwrap_or(Value::Bool(true)))
        };
        if kinds.is_empty() {
            kinds.push("*/*".to_owned());
        }
        Some(ExpandedBody {
            required,
            content: kinds.into_iter().map(of_kind).collect(),
        })
    }

    /// Whether a schema says that the body is bytes of any kind, and so says nothing of what is in them.
    fn is_of_bytes(&self, schema: &Value) -> bool {
        let schema = references::resolve(self.document, schema);
        schema.is_some_and(|schema| schema.get("format").and_then(Value::as_str) == Some("binary"))
    }

    fn consumes(&self, written: &Written<'_>) -> Vec<String> {
        let own = written.field("consumes");
        let kinds = own.or_else(|| self.document.get("consumes"));
        let kinds = kinds.and_then(Value::as_array).into_iter().flatten();
        kinds.filter_map(Value::as_str).map(media_type).collect()
    }
}

/// A body of which no type is named may have any.
fn some_type(mut content: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    if content.is_empty() {
        content.insert("*/*".to_owned(), Value::Bool(true));
    }
    content
}
