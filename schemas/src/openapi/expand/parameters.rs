//! The parameters of an operation.

use serde_json::{Map, Value, json};

use super::{Named, Reading, Written, is_json, is_true};
use crate::{
    pointer,
    policy::{ExpandedParameter, ParameterLocation, ParameterStyle},
};

/// Headers of which a definition's parameters say nothing (OpenAPI 3.1, section 4.8.12.2).
const NOT_HEADERS: [&str; 3] = ["accept", "content-type", "authorization"];

impl Reading<'_> {
    /// Those of the path, and over them those of the operation; without those that anything is right for.
    pub(super) fn parameters(&mut self, written: &Written<'_>, path: &str) -> Vec<ExpandedParameter> {
        let mut found: Named<ExpandedParameter> = Named::new();
        for (list, at) in written.parameters() {
            for (index, parameter) in list.iter().enumerate() {
                let Some((parameter, place)) = self.resolve(parameter, format!("{at}/{index}")) else {
                    continue;
                };
                if let Some(read) = self.parameter(parameter, &place) {
                    found.insert(format!("{} {}", read.r#in.as_str(), read.name), read);
                }
            }
        }
        let names = renamed(written.template, path);
        let mut parameters: Vec<ExpandedParameter> = Vec::new();
        for mut parameter in found.into_values() {
            if parameter.r#in == ParameterLocation::Path {
                let Some((_, name)) = names.iter().find(|(name, _)| *name == parameter.name) else {
                    continue;
                };
                parameter.name.clone_from(name);
            }
            if refuses_something(&parameter) {
                parameters.push(parameter);
            }
        }
        parameters
    }

    fn parameter(&mut self, parameter: &Value, at: &str) -> Option<ExpandedParameter> {
        let text = |field: &str| parameter.get(field).and_then(Value::as_str);
        let name = text("name")?.to_owned();
        let location = match text("in")? {
            "path" => ParameterLocation::Path,
            "query" => ParameterLocation::Query,
            "header" if NOT_HEADERS.iter().any(|other| name.eq_ignore_ascii_case(other)) => return None,
            "header" => ParameterLocation::Header,
            "cookie" => ParameterLocation::Cookie,
            // Swagger 2.0 has bodies among parameters.
            _ => return None,
        };
        let (style, explode) = match self.is_swagger() {
            true => self.collection(parameter, at)?,
            false => self.style(parameter, location, at)?,
        };
        let schema = match style {
            ParameterStyle::Json => self.content_schema(parameter, at),
            _ => self.schema_of(parameter, at),
        };
        Some(ExpandedParameter {
            name,
            r#in: location,
            required: location == ParameterLocation::Path || is_true(parameter, "required"),
            allow_empty: is_true(parameter, "allowEmptyValue"),
            style,
            explode,
            schema,
        })
    }

    fn style(
        &mut self,
        parameter: &Value,
        location: ParameterLocation,
        at: &str,
    ) -> Option<(ParameterStyle, bool)> {
        if let Some(content) = parameter.get("content").and_then(Value::as_object) {
            let style = match content.keys().any(|kind| is_json(&super::media_type(kind))) {
                true => ParameterStyle::Json,
                false => ParameterStyle::Simple,
            };
            return Some((style, false));
        }
        let style = match parameter.get("style").and_then(Value::as_str) {
            None => match location {
                ParameterLocation::Path | ParameterLocation::Header => ParameterStyle::Simple,
                ParameterLocation::Query | ParameterLocation::Cookie => ParameterStyle::Form,
            },
            Some("simple") => ParameterStyle::Simple,
            Some("form") => ParameterStyle::Form,
            Some("label") if location == ParameterLocation::Path => ParameterStyle::Label,
            Some("spaceDelimited") => ParameterStyle::SpaceDelimited,
            Some("pipeDelimited") => ParameterStyle::PipeDelimited,
            Some("deepObject") => ParameterStyle::DeepObject,
            Some(other) => {
                let why = match other {
                    // Some upstreams leave out what follows a `;`, so requests with one are refused where that matters.
                    "matrix" => ", because not all upstreams read a `;` in a path alike",
                    _ => "",
                };
                let detail = format!(
                    "a parameter of style `{other}` cannot be checked in the {}{why}; known styles: simple, form, label \
                     (path), spaceDelimited, pipeDelimited, deepObject",
                    location.as_str()
                );
                self.schemas.issue(&pointer::join(at, "style"), detail);
                return None;
            }
        };
        let explode = parameter.get("explode").and_then(Value::as_bool);
        Some((style, explode.unwrap_or(style == ParameterStyle::Form)))
    }

    /// Swagger 2.0's word for how lists are written.
    fn collection(&mut self, parameter: &Value, at: &str) -> Option<(ParameterStyle, bool)> {
        Some(match parameter.get("collectionFormat").and_then(Value::as_str) {
            None | Some("csv") if parameter.get("in").and_then(Value::as_str) == Some("query") => {
                (ParameterStyle::Form, false)
            }
            None | Some("csv") => (ParameterStyle::Simple, false),
            Some("ssv") => (ParameterStyle::SpaceDelimited, false),
            Some("tsv") => (ParameterStyle::TabDelimited, false),
            Some("pipes") => (ParameterStyle::PipeDelimited, false),
            Some("multi") => (ParameterStyle::Form, true),
            Some(other) => {
                let detail = format!("`{other}` is not a collection format: csv, ssv, tsv, pipes or multi");
                self.schemas.issue(&pointer::join(at, "collectionFormat"), detail);
                return None;
            }
        })
    }

    /// Swagger 2.0 has the words of the schema in the parameter itself.
    fn schema_of(&mut self, parameter: &Value, at: &str) -> Value {
        match parameter.get("schema") {
            Some(schema) => self.schemas.convert(schema, &pointer::join(at, "schema")),
            None if self.is_swagger() => self.schemas.convert(parameter, at),
            None => Value::Bool(true),
        }
    }

    fn content_schema(&mut self, parameter: &Value, at: &str) -> Value {
        let content = parameter.get("content").and_then(Value::as_object);
        let medium = content
            .into_iter()
            .flatten()
            .find_map(|(kind, medium)| Some((kind, medium.get("schema")?)));
        medium.map_or(Value::Bool(true), |(kind, schema)| {
            let place = pointer::join(&pointer::join(at, "content"), kind);
            self.schemas.convert(schema, &pointer::join(&place, "schema"))
        })
    }
}

/// Whether there is a request that it refuses. Everything is a text.
fn refuses_something(parameter: &ExpandedParameter) -> bool {
    let must_come = parameter.required && parameter.r#in != ParameterLocation::Path;
    let any = parameter.schema == Value::Bool(true) || parameter.schema == Value::Object(Map::new());
    must_come || !(any || parameter.schema == json!({"type": "string"}))
}

/// The names of parameters in a path as the document writes them, each with the one that the revision's path has.
fn renamed(template: &str, path: &str) -> Vec<(String, String)> {
    let operators: &[char] = &['+', '*', '.', ';', '#', '/'];
    let written = names(template);
    let written = written
        .iter()
        .filter(|name| !name.starts_with(['?', '&']))
        .map(|name| name.trim_matches(operators).to_owned());
    let ours = names(path);
    let ours = ours.iter().map(|name| name.trim_end_matches('.').to_owned());
    written.zip(ours).collect()
}

fn names(template: &str) -> Vec<&str> {
    let opened = template.split('{').skip(1);
    opened
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name)
        .collect()
}
