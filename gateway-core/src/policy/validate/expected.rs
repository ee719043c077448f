//! What the definition says of an operation's requests.

use std::{collections::BTreeMap, sync::Arc};

use gatehouse_schemas::{
    api::OperationMatch,
    policy::{ExpandedBody, ExpandedRequests},
};
use http::{HeaderMap, header};
use jsonschema::Validator;
use serde_json::Value;

use super::{
    MAX_VIOLATIONS, Validators, media_type,
    parameters::{self, Given, Parameter},
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
    content: Vec<(Range, Option<Arc<Validator>>)>,
    /// The types, for people.
    types: String,
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
        validators: &mut Validators,
    ) -> Result<Self, String> {
        let said = expanded.and_then(|expanded| Some((expanded.of(operation)?, &expanded.schemas)));
        let Some((request, schemas)) = said else {
            return Err(format!(
                "what the definition says of `{} {}` is not in this revision; apply the API again",
                operation.method, operation.path
            ));
        };
        let parameters = request.parameters.iter();
        let parameters: Vec<Parameter> = parameters
            .map(|parameter| Parameter::compile(parameter, schemas, validators))
            .collect::<Result<_, _>>()?;
        let in_path = parameters.iter().any(Parameter::is_in_path);
        let body = request
            .body
            .as_ref()
            .map(|body| Body::compile(body, schemas, validators));
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
            Some(body) if has_body => body.schema(headers).map(drop),
            Some(body) if body.required => Err(super::refusal(
                "The request is",
                vec![Violation::in_body(String::new(), "it is required")],
            )),
            _ => Ok(()),
        }
    }

    /// What the body of a request has to satisfy; none if it is not looked into.
    pub(super) fn schema(&self, headers: &HeaderMap) -> Option<&Validator> {
        self.body.as_ref()?.schema(headers).ok()?
    }
}

impl Body {
    fn compile(
        body: &ExpandedBody,
        schemas: &BTreeMap<String, Value>,
        validators: &mut Validators,
    ) -> Result<Self, String> {
        let mut content = Vec::new();
        for (written, schema) in &body.content {
            let range = match written.strip_suffix('*') {
                Some("*/") => Range::All,
                Some(kind) => Range::Kind(kind.to_owned()),
                None => Range::One(written.clone()),
            };
            let schema = validators
                .get(schema, schemas)
                .map_err(|error| format!("the definition's body of type `{written}`: {error}"))?;
            content.push((range, schema));
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
    fn schema(&self, headers: &HeaderMap) -> Result<Option<&Validator>, Problem> {
        let given = media_type(headers);
        let matches = |range: &Range| match (range, &given) {
            (Range::All, _) => true,
            (Range::Kind(kind), Some(given)) => given.starts_with(kind.as_str()),
            (Range::One(one), Some(given)) => one == given,
            _ => false,
        };
        let Some((range, schema)) = self.content.iter().find(|(range, _)| matches(range)) else {
            return Err(Problem::unsupported_type(format!(
                "The request's body must be of type {}.",
                self.types
            )));
        };
        let schema = match range {
            Range::One(_) => schema.as_deref(),
            // Of several types, some are no JSON.
            _ => schema.as_deref().filter(|_| given.as_deref().is_none_or(is_json)),
        };
        if schema.is_some() && headers.contains_key(header::CONTENT_ENCODING) {
            return Err(super::compressed());
        }
        Ok(schema)
    }
}

fn is_json(media_type: &str) -> bool {
    let subtype = media_type.split_once('/').map_or("", |(_, subtype)| subtype);
    subtype == "json" || subtype.ends_with("+json")
}

#[cfg(test)]
mod tests;
