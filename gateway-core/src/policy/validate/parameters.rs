//! Parameters of the definition: where they are in a request, and whether they are as it says.

use std::sync::Arc;

use gatehouse_schemas::{
    pointer,
    policy::{ExpandedParameter, ExpandedRequests, ParameterLocation, ParameterStyle},
};
use http::{HeaderMap, HeaderName, header};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{
    schemas::{Schema, Schemas},
    values::{Nested, Shape, TWICE},
};
use crate::{proxy::problem::Violation, router::rule};

/// The deepest names in brackets.
const BRACKETS_MAX: usize = 16;

/// One parameter, ready to be looked for.
#[derive(Debug)]
pub(super) struct Parameter {
    name: String,
    location: ParameterLocation,
    header: Option<HeaderName>,
    required: bool,
    allow_empty: bool,
    style: ParameterStyle,
    explode: bool,
    shape: Shape,
    schema: Option<Arc<Schema>>,
    /// Where it is, for people: `/query/limit`.
    place: String,
}

/// What a request has in place of its parameters.
pub(super) struct Given<'a> {
    pub(super) headers: &'a HeaderMap,
    /// Names decoded, values as they came.
    pub(super) query: Vec<(String, &'a str)>,
    /// Decoded.
    pub(super) path: Vec<(&'a str, Vec<u8>)>,
}

/// The query as parameters are looked for in it.
pub(super) fn of_query(query: Option<&str>) -> Vec<(String, &str)> {
    let pairs = rule::parameters(query.unwrap_or_default());
    pairs
        .map(|(name, value)| (decoded(name).unwrap_or_default(), value))
        .collect()
}

/// A parameter of a query, decoded.
fn decoded(written: &str) -> Option<String> {
    let spaced = written.replace('+', " ");
    percent_decode_str(&spaced)
        .decode_utf8()
        .ok()
        .map(|text| text.into_owned())
}

/// What is there of one parameter.
enum Found {
    Text(String),
    List(Vec<String>),
    Fields(Vec<(String, String)>),
    Nested(Vec<(Vec<String>, String)>),
}

const NOT_TEXT: &str = "it is not UTF-8";
const NOT_NESTED: &str = "its brackets do not match";

impl Parameter {
    /// Compiles what is said of a parameter, with the schemas that its own refers to.
    pub(super) fn compile(
        parameter: &ExpandedParameter,
        definition: &ExpandedRequests,
        schemas: &mut Schemas,
    ) -> Result<Self, String> {
        let location = parameter.r#in;
        let place = pointer::join(&format!("/{}", location.as_str()), &parameter.name);
        let header = match location {
            ParameterLocation::Header => {
                let name = HeaderName::try_from(parameter.name.as_str());
                Some(name.map_err(|_| format!("`{}` is not a header name", parameter.name))?)
            }
            _ => None,
        };
        let shape = match parameter.style {
            ParameterStyle::Json => Ok(Shape::default()),
            _ => Shape::of(&parameter.schema, &definition.schemas),
        };
        Ok(Self {
            header,
            required: parameter.required,
            allow_empty: parameter.allow_empty,
            style: parameter.style,
            explode: parameter.explode,
            shape: shape.map_err(|error| format!("the definition's `{place}`: {error}"))?,
            schema: schemas
                .get(&parameter.schema, definition)
                .map_err(|error| format!("the definition's `{place}`: {error}"))?,
            name: parameter.name.clone(),
            location,
            place,
        })
    }

    /// Whether it is looked for in the path.
    pub(super) fn is_in_path(&self) -> bool {
        self.location == ParameterLocation::Path
    }

    /// Notes what is wrong with it, up to as many things as there may be.
    pub(super) fn check(&self, given: &Given<'_>, max: usize, violations: &mut Vec<Violation>) {
        let found = match self.find(given) {
            Ok(None) if self.required => Err("it is required"),
            Ok(None) => return,
            Ok(Some(Found::Text(text))) if text.is_empty() && self.allow_empty => return,
            Ok(Some(found)) => Ok(found),
            Err(wrong) => Err(wrong),
        };
        let values = match found.and_then(|found| self.values(found)) {
            Ok(values) => values,
            Err(wrong) => {
                return violations.push(Violation::at(self.place.clone(), wrong));
            }
        };
        let Some(schema) = &self.schema else { return };
        if values.iter().any(|value| schema.is_valid(value)) {
            return;
        }
        if let Some(likeliest) = values.first() {
            for error in schema.errors(likeliest, max) {
                let place = format!("{}{}", self.place, error.place);
                violations.push(Violation::at(place, error.detail));
            }
        }
    }

    /// What is found may stand for one of these.
    fn values(&self, found: Found) -> Result<Vec<Value>, &'static str> {
        Ok(match found {
            Found::Text(text) if self.style == ParameterStyle::Json => {
                vec![crate::policy::json::read(text.as_bytes()).map_err(|_| "it is not JSON")?]
            }
            Found::Text(text) => self.shape.of_text(&text),
            Found::List(texts) => self.shape.of_list(&texts),
            Found::Fields(fields) => vec![self.shape.of_fields(fields)?],
            Found::Nested(nested) => {
                let nested: Vec<Nested<'_>> =
                    nested.iter().map(|(names, text)| (&names[..], &**text)).collect();
                vec![self.shape.of_nested(&nested)?]
            }
        })
    }

    fn find(&self, given: &Given<'_>) -> Result<Option<Found>, &'static str> {
        match self.location {
            ParameterLocation::Path => {
                let Some((_, value)) = given.path.iter().find(|(name, _)| *name == self.name) else {
                    return Ok(None);
                };
                let text = String::from_utf8(value.clone()).map_err(|_| NOT_TEXT)?;
                self.in_path(&text.replace('\u{1}', "/")).map(Some)
            }
            ParameterLocation::Header => self.in_headers(given.headers),
            ParameterLocation::Cookie => self.in_cookies(given.headers),
            ParameterLocation::Query => self.in_query(&given.query),
        }
    }

    fn in_path(&self, text: &str) -> Result<Found, &'static str> {
        if self.style != ParameterStyle::Label {
            return Ok(self.split(text, ','));
        }
        let text = text.strip_prefix('.').ok_or("it does not begin with a dot")?;
        Ok(self.split(text, if self.explode { '.' } else { ',' }))
    }

    /// A text that is a list or an object, taken apart.
    fn split(&self, text: &str, delimiter: char) -> Found {
        let plain = !self.shape.list && !self.shape.object;
        if plain || self.style == ParameterStyle::Json {
            return Found::Text(text.to_owned());
        }
        let parts = || text.split(delimiter).map(|part| part.trim().to_owned());
        if self.shape.list {
            return Found::List(if text.is_empty() {
                Vec::new()
            } else {
                parts().collect()
            });
        }
        let mut fields = Vec::new();
        if self.explode {
            for part in parts() {
                let (name, value) = part.split_once('=').unwrap_or((&part, ""));
                fields.push((name.to_owned(), value.to_owned()));
            }
        } else {
            let mut parts = parts();
            while let Some(name) = parts.next() {
                fields.push((name, parts.next().unwrap_or_default()));
            }
        }
        Found::Fields(fields)
    }

    fn in_headers(&self, headers: &HeaderMap) -> Result<Option<Found>, &'static str> {
        let Some(name) = &self.header else {
            return Ok(None);
        };
        let mut texts = Vec::new();
        for value in headers.get_all(name) {
            texts.push(std::str::from_utf8(value.as_bytes()).map_err(|_| NOT_TEXT)?);
        }
        match &texts[..] {
            [] => Ok(None),
            [one] => Ok(Some(self.split(one, ','))),
            _ if self.shape.list || self.shape.object => Ok(Some(self.split(&texts.join(","), ','))),
            _ => Err(TWICE),
        }
    }

    fn in_cookies(&self, headers: &HeaderMap) -> Result<Option<Found>, &'static str> {
        let mut found = None;
        for value in headers.get_all(header::COOKIE) {
            let text = std::str::from_utf8(value.as_bytes()).map_err(|_| NOT_TEXT)?;
            let cookies = text.split(';').filter_map(|cookie| cookie.trim().split_once('='));
            for (_, value) in cookies.filter(|(name, _)| *name == self.name) {
                if found.replace(value).is_some() {
                    return Err(TWICE);
                }
            }
        }
        Ok(found.map(|value| self.split(value, ',')))
    }

    fn in_query(&self, query: &[(String, &str)]) -> Result<Option<Found>, &'static str> {
        if self.style == ParameterStyle::DeepObject {
            let nested = self.in_brackets(query)?;
            if !nested.is_empty() {
                // An upstream might take the one in place of the other.
                let is_plain_too = query.iter().any(|(name, _)| *name == self.name);
                return if is_plain_too {
                    Err(TWICE)
                } else {
                    Ok(Some(Found::Nested(nested)))
                };
            }
        }
        let is_object = self.shape.object && !self.shape.list;
        if is_object && self.explode && self.style == ParameterStyle::Form {
            let fields = query
                .iter()
                .filter(|(name, _)| self.shape.fields.contains_key(name));
            let fields = fields.map(|(name, value)| Some((name.clone(), decoded(value)?)));
            let fields: Vec<_> = fields.collect::<Option<_>>().ok_or(NOT_TEXT)?;
            return Ok((!fields.is_empty()).then_some(Found::Fields(fields)));
        }
        let values: Vec<&str> = query
            .iter()
            .filter(|(name, _)| *name == self.name)
            .map(|(_, value)| *value)
            .collect();
        match &values[..] {
            [] => Ok(None),
            _ if self.shape.list && self.explode => {
                let texts = values.iter().map(|value| decoded(value));
                Ok(Some(Found::List(texts.collect::<Option<_>>().ok_or(NOT_TEXT)?)))
            }
            [one] => self.of_one(one).map(Some),
            _ => Err(TWICE),
        }
    }

    /// A value that holds all of a list or object. A comma that separates is written plainly, one that is data escaped.
    fn of_one(&self, written: &str) -> Result<Found, &'static str> {
        let text = decoded(written).ok_or(NOT_TEXT)?;
        Ok(match self.style {
            ParameterStyle::SpaceDelimited => self.split(&text, ' '),
            ParameterStyle::PipeDelimited => self.split(&text, '|'),
            ParameterStyle::TabDelimited => self.split(&text, '\t'),
            _ if self.shape.list && !written.is_empty() => {
                let parts = written.split(',').map(decoded);
                Found::List(parts.collect::<Option<_>>().ok_or(NOT_TEXT)?)
            }
            _ => self.split(&text, ','),
        })
    }

    /// `name[a][b]=1`: names below its own, each with its text.
    fn in_brackets(&self, query: &[(String, &str)]) -> Result<Vec<(Vec<String>, String)>, &'static str> {
        let mut nested = Vec::new();
        for (name, value) in query {
            let Some(mut rest) = name
                .strip_prefix(&*self.name)
                .filter(|rest| rest.starts_with('['))
            else {
                continue;
            };
            let mut names = Vec::new();
            while let Some((inner, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
                names.push(inner.to_owned());
                rest = after;
                if names.len() > BRACKETS_MAX {
                    return Err("its names are too deep");
                }
            }
            if !rest.is_empty() {
                return Err(NOT_NESTED);
            }
            nested.push((names, decoded(value).ok_or(NOT_TEXT)?));
        }
        Ok(nested)
    }
}
