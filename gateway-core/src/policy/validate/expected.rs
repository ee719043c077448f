//! What the definition says of an operation's requests.

use std::sync::Arc;

use gatehouse_schemas::{
    api::OperationMatch,
    policy::{ExpandedBody, ExpandedRequests},
};
use http::{HeaderMap, header};

use super::{
    MAX_VIOLATIONS, media_type,
    parameters::{self, Given, Parameter},
    schemas::{Schema, Schemas},
    values::Shape,
};
use crate::{
    policy::template::Template,
    proxy::problem::{Problem, Violation},
    router::path::NormalPath,
};

/// What the requests of one operation are held against.
#[derive(Debug)]
pub(crate) struct Expected {
    parameters: Vec<Parameter>,
    /// The operation's path, if parameters of it are looked at.
    template: Option<Template>,
    body: Option<Body>,
}

#[derive(Debug)]
struct Body {
    required: bool,
    /// The narrowest first.
    content: Vec<(Range, Option<Content>)>,
    /// The types, for people.
    types: String,
}

#[derive(Debug)]
struct Content {
    schema: Arc<Schema>,
    /// Whether it may be a text, which is not looked into even if it looks like JSON. Only of use where the type is not named.
    takes_text: bool,
}

/// What a body has to satisfy.
pub(super) struct Wanted<'a> {
    pub(super) schema: &'a Schema,
    /// Whether a body has to be JSON. One of a type that is not named may be something else, but JSON under another
    /// name is still JSON: many upstreams do not look at the type.
    pub(super) only_json: bool,
}

/// A media type or several.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Range {
    One(String),
    /// All with this before the slash, which is part of it.
    Kind(String),
    All,
}

impl Expected {
    /// Compiles what is said of an operation; it is an error if nothing is.
    pub(super) fn compile(
        expanded: Option<&ExpandedRequests>,
        operation: &OperationMatch,
        schemas: &mut Schemas,
    ) -> Result<Self, String> {
        let said = expanded.and_then(|expanded| Some((expanded.of(operation)?, expanded)));
        let Some((request, definition)) = said else {
            return Err(format!(
                "what the definition says of `{} {}` is not in this revision; apply the API again",
                operation.method, operation.path
            ));
        };
        let parameters = request.parameters.iter();
        let parameters: Vec<Parameter> = parameters
            .map(|parameter| Parameter::compile(parameter, definition, schemas))
            .collect::<Result<_, _>>()?;
        let in_path = parameters.iter().any(Parameter::is_in_path);
        let body = request
            .body
            .as_ref()
            .map(|body| Body::compile(body, definition, schemas));
        Ok(Self {
            template: in_path.then(|| Template::parse(&operation.path)).transpose()?,
            parameters,
            body: body.transpose()?,
        })
    }

    /// Looks at everything but what is in the body.
    pub(super) fn check(
        &self,
        headers: &HeaderMap,
        query: Option<&str>,
        (path, base_segments): (&NormalPath<'_>, usize),
        has_body: bool,
    ) -> Result<(), Problem> {
        if !self.parameters.is_empty() {
            let template = self.template.as_ref();
            let given = Given {
                headers,
                query: parameters::of_query(query),
                path: template.map_or_else(Vec::new, |template| template.find(&path.key, base_segments)),
            };
            let mut violations = Vec::new();
            for parameter in &self.parameters {
                if violations.len() >= MAX_VIOLATIONS {
                    break;
                }
                parameter.check(&given, MAX_VIOLATIONS - violations.len(), &mut violations);
            }
            if !violations.is_empty() {
                return Err(super::refusal("The request is", violations));
            }
        }
        match &self.body {
            Some(body) if has_body => body.wanted(headers).map(drop),
            Some(body) if body.required => Err(super::refusal(
                "The request is",
                vec![Violation::in_body(String::new(), "it is required")],
            )),
            _ => Ok(()),
        }
    }

    /// What the body of a request has to satisfy; none if it is not looked into.
    pub(super) fn wanted(&self, headers: &HeaderMap) -> Option<Wanted<'_>> {
        self.body.as_ref()?.wanted(headers).ok()?
    }
}

impl Body {
    fn compile(
        body: &ExpandedBody,
        definition: &ExpandedRequests,
        schemas: &mut Schemas,
    ) -> Result<Self, String> {
        let mut content = Vec::new();
        for (written, schema) in &body.content {
            let range = match written.strip_suffix('*') {
                Some("*/") => Range::All,
                Some(kind) => Range::Kind(kind.to_owned()),
                None => Range::One(written.clone()),
            };
            let is_named = matches!(range, Range::One(_));
            let takes_text = !is_named && Shape::speaks_of_texts(schema, &definition.schemas);
            let schema = schemas
                .get(schema, definition)
                .map_err(|error| format!("the definition's body of type `{written}`: {error}"))?;
            let of_type = schema.map(|schema| Content { schema, takes_text });
            content.push((range, of_type));
        }
        content.sort_by(|(one, _), (other, _)| one.cmp(other));
        let types: Vec<&str> = body.content.keys().map(String::as_str).collect();
        Ok(Self {
            required: body.required,
            content,
            types: types.join(", "),
        })
    }

    /// What a body has to satisfy by its type; an error if it has none of the types there are.
    fn wanted(&self, headers: &HeaderMap) -> Result<Option<Wanted<'_>>, Problem> {
        let given = media_type(headers);
        let matches = |range: &Range| match (range, &given) {
            (Range::All, _) => true,
            (Range::Kind(kind), Some(given)) => given.starts_with(kind.as_str()),
            (Range::One(one), Some(given)) => one == given,
            _ => false,
        };
        let Some((range, content)) = self.content.iter().find(|(range, _)| matches(range)) else {
            return Err(Problem::unsupported_type(format!(
                "The request's body must be of type {}.",
                self.types
            )));
        };
        let only_json = matches!(range, Range::One(_)) || given.as_deref().is_none_or(is_json);
        let content = content
            .as_ref()
            .filter(|content| only_json || !content.takes_text);
        if content.is_some() && headers.contains_key(header::CONTENT_ENCODING) {
            return Err(super::compressed());
        }
        Ok(content.map(|content| Wanted {
            schema: &content.schema,
            only_json,
        }))
    }
}

fn is_json(media_type: &str) -> bool {
    let subtype = media_type.split_once('/').map_or("", |(_, subtype)| subtype);
    subtype == "json" || subtype.ends_with("+json")
}

#[cfg(test)]
mod tests;
