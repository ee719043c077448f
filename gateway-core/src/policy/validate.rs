//! `request.validate`: what requests must have, and what a JSON body must satisfy.

use gatehouse_schemas::policy::RequestValidatePolicy;
use http::{HeaderMap, HeaderName, header};
use jsonschema::Validator;
use serde_json::Value;

use crate::{
    proxy::problem::{Problem, Violation},
    router::rule::{decoded_equals, parameters},
};

/// The most things that are told to be wrong with one body.
const MAX_VIOLATIONS: usize = 20;

/// The policy, ready to be asked.
#[derive(Debug)]
pub(crate) struct Validation {
    headers: Vec<HeaderName>,
    parameters: Vec<String>,
    content_types: Vec<String>,
    schema: Option<Validator>,
}

impl Validation {
    /// Compiles the policy; a schema that is none, or that refers to other documents, is an error.
    pub(crate) fn compile(policy: &RequestValidatePolicy) -> Result<Self, String> {
        let name = |text: &String| {
            HeaderName::try_from(text.as_str()).map_err(|_| format!("`{text}` is not a header name"))
        };
        let schema = policy.body_schema.clone().map(Value::Object);
        let schema = schema.as_ref().map(|schema| {
            let built = jsonschema::draft202012::new(schema);
            built.map_err(|error| format!("`bodySchema` is not a JSON Schema: {error}"))
        });
        Ok(Self {
            headers: policy
                .required_headers
                .iter()
                .map(name)
                .collect::<Result<_, _>>()?,
            parameters: policy.required_query.clone(),
            content_types: policy.content_types.clone(),
            schema: schema.transpose()?,
        })
    }

    /// Looks at everything but the body.
    pub(crate) fn check(
        &self,
        headers: &HeaderMap,
        query: Option<&str>,
        has_body: bool,
    ) -> Result<(), Problem> {
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
            return Err(Problem::unsupported_type(
                "The request's body must not be compressed.",
            ));
        }
        if self.content_types.is_empty() {
            return Ok(());
        }
        let mut given = headers.get_all(header::CONTENT_TYPE).iter();
        let only = given.next().filter(|_| given.next().is_none());
        let media_type = only
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.split(';').next())
            .map(|text| text.trim().to_ascii_lowercase());
        match media_type.is_some_and(|found| {
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

    /// Whether the body must be looked at, too.
    pub(crate) fn needs_body(&self) -> bool {
        self.schema.is_some()
    }

    /// Looks at the body. Its values are not repeated in the answer.
    pub(crate) fn check_body(&self, body: &[u8]) -> Result<(), Problem> {
        let Some(schema) = &self.schema else {
            return Ok(());
        };
        let value = super::json::read(body).map_err(|reason| {
            Problem::bad_request(format!("The request's body cannot be taken as JSON: {reason}."))
        })?;
        // Most bodies are right; what is wrong with one is looked for only then.
        if schema.is_valid(&value) {
            return Ok(());
        }
        let errors = schema.iter_errors(&value).take(MAX_VIOLATIONS);
        let violations = errors.map(|error| Violation {
            pointer: error.instance_path().to_string(),
            detail: error.masked_with("it").to_string(),
        });
        Err(refusal(violations.collect()))
    }
}

/// The sentence is about the first thing that is wrong, the list about all.
fn refusal(violations: Vec<Violation>) -> Problem {
    let first = violations
        .first()
        .map(|Violation { pointer, detail }| match pointer.is_empty() {
            true => format!(", at the body: {detail}"),
            false => format!(", at `{pointer}`: {detail}"),
        });
    let detail = first.unwrap_or_default();
    Problem::bad_request(format!("The request's body is not as this API takes it{detail}."))
        .listing(violations)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;

    use super::*;

    fn compiled(policy: Value) -> Result<Validation, String> {
        Validation::compile(&serde_json::from_value(policy).expect("a policy"))
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
        policy.check(&with, Some("a=1&%71="), false).expect("all there");
        assert_eq!(
            policy.check(&with, Some("a=q"), false).expect_err("no q").status,
            400
        );
        assert_eq!(
            policy
                .check(&HeaderMap::new(), Some("q=1"), false)
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
                .check(&given, None, true)
                .err()
                .map(|problem| problem.status.as_u16());
            assert_eq!(found, status, "{given:?}");
        }
        policy
            .check(&HeaderMap::new(), None, false)
            .expect("no body has no type");
    }

    #[test]
    fn a_body_satisfies_the_schema_and_is_not_repeated() {
        let schema = json!({"type": "object", "required": ["n"], "properties": {"n": {"$ref": "#/$defs/n"}},
            "$defs": {"n": {"type": "integer", "maximum": 5}}});
        let policy = compiled(json!({"bodySchema": schema})).expect("it compiles");
        policy.check_body(br#"{"n": 5}"#).expect("as wanted");
        for (body, words) in [
            (
                &br#"{"n": 98765}"#[..],
                "at `/n`: it is greater than the maximum of 5.",
            ),
            (br#"{}"#, "at the body: \"n\" is a required property."),
            (br#"{"n": 1, "n": 98765}"#, "field `n` is there twice"),
            (b"{", "cannot be taken as JSON"),
        ] {
            let problem = policy.check_body(body).expect_err("refused");
            let text = String::from_utf8(problem.body("1").to_vec()).expect("text");
            let detail: Value = serde_json::from_str(&text).expect("a document");
            let detail = detail["detail"].as_str().expect("a detail");
            assert!(detail.contains(words), "{detail}");
            assert!(!detail.contains("98765"), "{detail}");
        }
        assert_eq!(
            policy
                .check(&HeaderMap::new(), None, false)
                .expect_err("no body")
                .status,
            400
        );
        let body = policy
            .check_body(br#"{"n": "98765", "m": 1}"#)
            .expect_err("refused")
            .body("1");
        let document: Value = serde_json::from_slice(&body).expect("a document");
        assert_eq!(
            document["errors"],
            json!([{"pointer": "#/n", "detail": "it is not of type \"integer\""}])
        );
        let compressed = headers(&[("content-encoding", "gzip")]);
        assert_eq!(
            policy
                .check(&compressed, None, true)
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
