//! `request.validate`: what requests must have, what a JSON body must satisfy, and what the API's definition says.

mod expected;
mod parameters;
mod schemas;
mod values;
mod written;

use std::sync::Arc;

use gatehouse_schemas::{
    api::OperationMatch,
    policy::{Policy, RequestValidatePolicy},
    revision::RevisionContent,
};
use http::{HeaderMap, HeaderName, header};
use serde_json::Value;

pub(crate) use self::schemas::Schemas;
use self::{
    expected::{Expected, Wanted},
    schemas::Schema,
};
use crate::{
    proxy::problem::{Problem, Violation},
    router::{
        path::NormalPath,
        rule::{decoded_equals, parameters},
    },
};

/// The most things that are told to be wrong with one request.
const MAX_VIOLATIONS: usize = 20;

/// The policy, ready to be asked.
#[derive(Debug)]
pub(crate) struct Validation {
    headers: Vec<HeaderName>,
    parameters: Vec<String>,
    content_types: Vec<String>,
    schema: Option<Arc<Schema>>,
    expected: Option<Expected>,
}

impl Validation {
    /// Compiles the policy for an operation; a schema that is none, or that refers to other documents, is an error,
    /// and so is a definition that says nothing of the operation.
    pub(crate) fn compile(
        policy: &RequestValidatePolicy,
        operation: Option<&OperationMatch>,
        schemas: &mut Schemas,
    ) -> Result<Self, String> {
        let name = |text: &String| {
            HeaderName::try_from(text.as_str()).map_err(|_| format!("`{text}` is not a header name"))
        };
        let schema = policy.body_schema.clone().map(Value::Object);
        let schema = schema.map(|schema| {
            Schema::compile(schema, Arc::default())
                .map(Arc::new)
                .map_err(|error| format!("`bodySchema`: {error}"))
        });
        let expected = match (policy.definition.is_empty(), operation) {
            (true, _) => None,
            (false, Some(operation)) => {
                let expanded = policy.expanded.as_deref();
                Some(Expected::compile(expanded, operation, schemas)?)
            }
            (false, None) => return Err("`definition` needs an API with operations".to_owned()),
        };
        Ok(Self {
            headers: policy
                .required_headers
                .iter()
                .map(name)
                .collect::<Result<_, _>>()?,
            parameters: policy.required_query.clone(),
            content_types: policy.content_types.clone(),
            schema: schema.transpose()?,
            expected,
        })
    }

    /// Looks at everything but the body. The path goes with the number of its segments that are the API's base path.
    pub(crate) fn check(
        &self,
        headers: &HeaderMap,
        query: Option<&str>,
        path: (&NormalPath<'_>, usize),
        has_body: bool,
    ) -> Result<(), Problem> {
        self.check_listed(headers, query, has_body)?;
        match &self.expected {
            Some(expected) => expected.check(headers, query, path, has_body),
            None => Ok(()),
        }
    }

    fn check_listed(&self, headers: &HeaderMap, query: Option<&str>, has_body: bool) -> Result<(), Problem> {
        if let Some(missing) = self.headers.iter().find(|name| !headers.contains_key(*name)) {
            let detail = format!("The request needs the header `{missing}`.");
            return Err(Problem::bad_request(detail));
        }
        let given = |wanted: &str| {
            parameters(query.unwrap_or_default()).any(|(name, _)| decoded_equals(name, wanted))
        };
        if let Some(missing) = self.parameters.iter().find(|name| !given(name)) {
            let detail = format!("The request needs the query parameter `{missing}`.");
            return Err(Problem::bad_request(detail));
        }
        match has_body {
            true => self.check_type(headers),
            false if self.schema.is_some() => Err(Problem::bad_request("The request needs a JSON body.")),
            false => Ok(()),
        }
    }

    fn check_type(&self, headers: &HeaderMap) -> Result<(), Problem> {
        if self.schema.is_some() && headers.contains_key(header::CONTENT_ENCODING) {
            return Err(compressed());
        }
        if self.content_types.is_empty() {
            return Ok(());
        }
        match media_type(headers).is_some_and(|found| {
            self.content_types
                .iter()
                .any(|known| known.eq_ignore_ascii_case(&found))
        }) {
            true => Ok(()),
            false => Err(Problem::unsupported_type(format!(
                "The request's body must be of type {}.",
                self.content_types.join(", ")
            ))),
        }
    }

    /// Whether the body of a request must be looked at, too.
    pub(crate) fn needs_body(&self, headers: &HeaderMap) -> bool {
        self.wanted(headers).next().is_some()
    }

    /// What a request's body has to satisfy.
    fn wanted(&self, headers: &HeaderMap) -> impl Iterator<Item = Wanted<'_>> {
        let own = self.schema.as_deref().map(|schema| Wanted {
            schema,
            only_json: true,
        });
        let expected = self.expected.as_ref();
        own.into_iter()
            .chain(expected.and_then(|expected| expected.wanted(headers)))
    }

    /// Looks at the body. Its values are not repeated in the answer.
    pub(crate) fn check_body(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Problem> {
        let mut only_json = None;
        for wanted in self.wanted(headers) {
            only_json = Some(wanted.only_json || only_json.unwrap_or_default());
        }
        let Some(only_json) = only_json else {
            return Ok(());
        };
        // First: in another encoding, JSON does not begin as it does in this one.
        if !is_readable(headers) {
            return Err(Problem::unsupported_type("The request's body must be in UTF-8."));
        }
        if !only_json && !begins_as_json(body) {
            return Ok(());
        }
        let value = super::json::read(body).map_err(|reason| {
            Problem::bad_request(format!("The request's body cannot be taken as JSON: {reason}."))
        })?;
        // Most bodies are right; what is wrong with one is looked for only then.
        let mut wanted = self.wanted(headers);
        let Some(Wanted { schema, .. }) = wanted.find(|wanted| !wanted.schema.is_valid(&value)) else {
            return Ok(());
        };
        let errors = schema.errors(&value, MAX_VIOLATIONS);
        let violations = errors
            .into_iter()
            .map(|error| Violation::in_body(error.place, error.detail));
        Err(refusal("The request's body is", violations.collect()))
    }
}

/// Whether a body is an object or a list, if it is JSON: after white space, marks of the byte order and the zeros of
/// UTF-16 and UTF-32, by which some parsers find out what they read.
fn begins_as_json(body: &[u8]) -> bool {
    let before = |byte: &u8| *byte <= b' ' || matches!(byte, 0xef | 0xbb | 0xbf | 0xfe | 0xff);
    let first = body.iter().find(|byte| !before(byte));
    matches!(first, Some(b'{' | b'['))
}

/// Whether a body says that it is written in UTF-8, or in something in which every ASCII character is itself. In others,
/// upstreams would read other texts than are looked at here.
fn is_readable(headers: &HeaderMap) -> bool {
    const CHARSETS: [&str; 5] = ["utf-8", "utf8", "us-ascii", "ascii", "latin1"];
    const FAMILIES: [&str; 3] = ["iso-8859-", "windows-125", "koi8-"];
    let values = headers.get_all(header::CONTENT_TYPE).iter();
    values.map(|value| value.to_str()).all(|text| {
        let Ok(text) = text else { return false };
        let parameters = text.split([';', ',']).filter_map(|part| part.split_once('='));
        let mut charsets = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
        charsets.all(|(_, charset)| {
            let charset = charset.trim().trim_matches(['"', '\'']).to_ascii_lowercase();
            CHARSETS.contains(&&*charset) || FAMILIES.iter().any(|family| charset.starts_with(family))
        })
    })
}

/// Why the gateway would not take an API: a schema of a `request.validate` that no validator takes, such as one with an
/// expression that is none. None if it would.
pub fn unusable_schema(content: &RevisionContent) -> Option<String> {
    let compiled = |policy: &Policy, operations: &[&OperationMatch]| {
        let Policy::RequestValidate(validate) = policy else {
            return Ok(());
        };
        let mut schemas = Schemas::default();
        if validate.definition.is_empty() {
            return Validation::compile(validate, None, &mut schemas).map(drop);
        }
        let mut operations = operations.iter();
        operations
            .try_for_each(|operation| Validation::compile(validate, Some(operation), &mut schemas).map(drop))
    };
    let all: Vec<&OperationMatch> = content.operations.iter().map(|it| &it.r#match).collect();
    let of_api = content
        .policies
        .iter()
        .try_for_each(|policy| compiled(policy, &all));
    let of_operations = || {
        content.operations.iter().try_for_each(|operation| {
            let mut policies = operation.policies.iter();
            policies.try_for_each(|policy| compiled(policy, &[&operation.r#match]))
        })
    };
    of_api.and_then(|()| of_operations()).err()
}

/// The one media type of a body, in lower case and without parameters.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let mut given = headers.get_all(header::CONTENT_TYPE).iter();
    let only = given.next().filter(|_| given.next().is_none());
    only.and_then(|value| value.to_str().ok())
        .and_then(|text| text.split(';').next())
        .map(|text| text.trim().to_ascii_lowercase())
}

fn compressed() -> Problem {
    Problem::unsupported_type("The request's body must not be compressed.")
}

/// The sentence is about the first thing that is wrong, the list about all.
fn refusal(what: &str, violations: Vec<Violation>) -> Problem {
    let first = violations.first().map(|violation| match violation.place() {
        "" => format!(", at the body: {}", violation.detail),
        place => format!(", at `{place}`: {}", violation.detail),
    });
    let detail = first.unwrap_or_default();
    Problem::bad_request(format!("{what} not as this API takes it{detail}.")).listing(violations)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;

    use super::*;

    fn compiled(policy: Value) -> Result<Validation, String> {
        Validation::compile(
            &serde_json::from_value(policy).expect("a policy"),
            None,
            &mut Schemas::default(),
        )
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn what_is_required_must_be_there() {
        let policy =
            compiled(json!({"requiredHeaders": ["X-A"], "requiredQuery": ["q"]})).expect("it compiles");
        let with = headers(&[("x-a", "")]);
        policy
            .check_listed(&with, Some("a=1&%71="), false)
            .expect("all there");
        assert_eq!(
            policy
                .check_listed(&with, Some("a=q"), false)
                .expect_err("no q")
                .status,
            400
        );
        assert_eq!(
            policy
                .check_listed(&HeaderMap::new(), Some("q=1"), false)
                .expect_err("no x-a")
                .status,
            400
        );
    }

    #[test]
    fn a_body_has_one_of_the_types() {
        let policy = compiled(json!({"contentTypes": ["application/json"]})).expect("it compiles");
        for (given, status) in [
            (
                headers(&[("content-type", "Application/JSON; charset=utf-8")]),
                None,
            ),
            (headers(&[("content-type", "text/plain")]), Some(415)),
            (
                headers(&[
                    ("content-type", "application/json"),
                    ("content-type", "text/plain"),
                ]),
                Some(415),
            ),
            (HeaderMap::new(), Some(415)),
        ] {
            let found = policy
                .check_listed(&given, None, true)
                .err()
                .map(|problem| problem.status.as_u16());
            assert_eq!(found, status, "{given:?}");
        }
        policy
            .check_listed(&HeaderMap::new(), None, false)
            .expect("no body has no type");
    }

    #[test]
    fn a_body_satisfies_the_schema_and_is_not_repeated() {
        let schema = json!({"type": "object", "required": ["n"], "properties": {"n": {"$ref": "#/$defs/n"}},
            "$defs": {"n": {"type": "integer", "maximum": 5}}});
        let policy = compiled(json!({"bodySchema": schema})).expect("it compiles");
        policy
            .check_body(&HeaderMap::new(), br#"{"n": 5}"#)
            .expect("as wanted");
        for (body, words) in [
            (
                &br#"{"n": 98765}"#[..],
                "at `/n`: it is greater than the maximum of 5.",
            ),
            (br#"{}"#, "at the body: \"n\" is a required property."),
            (br#"{"n": 1, "n": 98765}"#, "field `n` is there twice"),
            (b"{", "cannot be taken as JSON"),
        ] {
            let problem = policy.check_body(&HeaderMap::new(), body).expect_err("refused");
            let text = String::from_utf8(problem.body("1").to_vec()).expect("text");
            let detail: Value = serde_json::from_str(&text).expect("a document");
            let detail = detail["detail"].as_str().expect("a detail");
            assert!(detail.contains(words), "{detail}");
            assert!(!detail.contains("98765"), "{detail}");
        }
        assert_eq!(
            policy
                .check_listed(&HeaderMap::new(), None, false)
                .expect_err("no body")
                .status,
            400
        );
        let body = policy
            .check_body(&HeaderMap::new(), br#"{"n": "98765", "m": 1}"#)
            .expect_err("refused")
            .body("1");
        let document: Value = serde_json::from_slice(&body).expect("a document");
        assert_eq!(
            document["errors"],
            json!([{"pointer": "#/n", "location": "/body/n", "detail": "it is not of type \"integer\""}])
        );
        let compressed = headers(&[("content-encoding", "gzip")]);
        assert_eq!(
            policy
                .check_listed(&compressed, None, true)
                .expect_err("compressed")
                .status,
            415
        );
    }

    #[test]
    fn a_schema_that_is_none_or_is_elsewhere_does_not_compile() {
        compiled(json!({"bodySchema": {"type": "thing"}})).expect_err("no such type");
        compiled(json!({"bodySchema": {"$ref": "https://example.com/a"}})).expect_err("elsewhere");
    }
}
