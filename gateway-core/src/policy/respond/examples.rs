//! Answers that are examples of the definition: which of them a caller gets.

use bytes::Bytes;
use gatehouse_schemas::policy::ExpandedExample;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::proxy::problem::Problem;

/// With which a caller asks for another example (RFC 7240), as mock servers have it: `code=404`, `example=NAME`.
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// One answer.
#[derive(Debug)]
pub(crate) struct Example {
    pub(crate) status: StatusCode,
    /// With its parameters, as it is written.
    pub(crate) content_type: Option<HeaderValue>,
    media_type: String,
    name: Option<String>,
    pub(crate) body: Bytes,
}

impl Example {
    pub(super) fn compile(example: &ExpandedExample) -> Result<Self, String> {
        let status = StatusCode::from_u16(example.status).map_err(|error| error.to_string())?;
        let written = example.content_type.as_deref();
        let content_type = written.map(HeaderValue::try_from).transpose();
        let has_body = !matches!(example.status, 204 | 205 | 304);
        Ok(Self {
            status,
            content_type: content_type.map_err(|_| "an example has no media type".to_owned())?,
            media_type: media_type(written.unwrap_or_default()),
            name: example.name.clone(),
            body: example
                .body
                .clone()
                .filter(|_| has_body)
                .unwrap_or_default()
                .into(),
        })
    }
}

/// The example for a request: of the status and name that it prefers, and the type that it likes best; else the first one.
pub(super) fn pick<'a>(examples: &'a [Example], headers: &HeaderMap) -> Result<&'a Example, Problem> {
    let preferred = Preferred::of(headers);
    let first = examples
        .first()
        .ok_or_else(|| Problem::bad_request("There are no examples."))?;
    let status = match preferred.code {
        Some(code) => code,
        None => match &preferred.name {
            // A name may be that of an example of another status.
            Some(name) => examples
                .iter()
                .find(|example| example.name.as_ref() == Some(name))
                .map_or(first.status, |example| example.status),
            None => first.status,
        },
    };
    let fits = |example: &&Example| {
        let named = preferred
            .name
            .as_ref()
            .is_none_or(|name| example.name.as_ref() == Some(name));
        example.status == status && named
    };
    let mut best: Option<(&Example, u16)> = None;
    for example in examples.iter().filter(fits) {
        let liking = liking(headers, &example.media_type);
        if best.is_none_or(|(_, other)| liking > other) {
            best = Some((example, liking));
        }
    }
    best.map(|(example, _)| example).ok_or_else(|| {
        Problem::bad_request(
            "The definition has no example as `Prefer` asks for; leave that header out for the usual one.",
        )
    })
}

#[derive(Default)]
struct Preferred {
    code: Option<StatusCode>,
    name: Option<String>,
}

impl Preferred {
    fn of(headers: &HeaderMap) -> Self {
        let mut preferred = Self::default();
        let values = headers.get_all(PREFER).iter();
        for value in values.filter_map(|value| value.to_str().ok()) {
            for part in value.split([',', ';']) {
                let Some((name, value)) = part.split_once('=') else {
                    continue;
                };
                let value = value.trim().trim_matches('"');
                match name.trim().to_ascii_lowercase().as_str() {
                    "code" => preferred.code = StatusCode::from_bytes(value.as_bytes()).ok(),
                    "example" => preferred.name = Some(value.to_owned()),
                    _ => {}
                }
            }
        }
        preferred
    }
}

/// How well a caller likes a type, from 0 to 1000 (RFC 9110, section 12.5.1): what the narrowest range says.
fn liking(headers: &HeaderMap, media_type: &str) -> u16 {
    let mut narrowest: Option<(u8, u16)> = None;
    let values = headers.get_all(header::ACCEPT).iter();
    for range in values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
    {
        let named = self::media_type(range);
        let width = match named.as_str() {
            name if name == media_type => 2,
            "*/*" => 0,
            name => match name.strip_suffix('*') {
                Some(kind) if kind.ends_with('/') && media_type.starts_with(kind) => 1,
                _ => continue,
            },
        };
        if narrowest.is_none_or(|(other, _)| width > other) {
            narrowest = Some((width, quality(range)));
        }
    }
    match narrowest {
        Some((_, quality)) => quality,
        None if headers.contains_key(header::ACCEPT) => 0,
        None => 1000,
    }
}

fn quality(range: &str) -> u16 {
    let mut parameters = range.split(';').skip(1).map(str::trim);
    let written = parameters.find_map(|parameter| parameter.strip_prefix("q="));
    let number = written.and_then(|text| text.parse::<f32>().ok()).unwrap_or(1.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 1000"
    )]
    let thousandths = (number.clamp(0.0, 1.0) * 1000.0) as u16;
    thousandths
}

fn media_type(written: &str) -> String {
    let plain = written.split(';').next().unwrap_or_default();
    plain.trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn examples() -> Vec<Example> {
        let written: Vec<ExpandedExample> = serde_json::from_value(json!([
            {"status": 200, "contentType": "application/json", "name": "one", "body": "1"},
            {"status": 200, "contentType": "application/json", "name": "two", "body": "2"},
            {"status": 200, "contentType": "text/csv; header=absent", "body": "3"},
            {"status": 404, "contentType": "application/json", "name": "gone", "body": "4"},
            {"status": 204},
        ]))
        .expect("examples");
        written
            .iter()
            .map(Example::compile)
            .collect::<Result<_, _>>()
            .expect("they compile")
    }

    #[test]
    fn the_caller_says_which_example_it_gets() {
        let examples = examples();
        let picked = |pairs: Value| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs.as_object().expect("headers") {
                let name = HeaderName::try_from(name.as_str()).expect("a name");
                headers.insert(name, value.as_str().expect("a text").parse().expect("a value"));
            }
            pick(&examples, &headers)
                .map(|example| String::from_utf8_lossy(&example.body).into_owned())
                .map_err(|problem| problem.status.as_u16())
        };
        for (headers, expected) in [
            (json!({}), "1"),
            (json!({"prefer": "respond-async, example=two"}), "2"),
            (json!({"prefer": "code=404"}), "4"),
            (json!({"prefer": "example=\"gone\""}), "4"),
            (json!({"prefer": "code=204"}), ""),
            (json!({"accept": "text/csv"}), "3"),
            (json!({"accept": "text/*;q=0.5, application/json;q=0.4"}), "3"),
            (json!({"accept": "*/*"}), "1"),
            (json!({"accept": "*/*, application/json;q=0"}), "3"),
            (json!({"accept": "image/png"}), "1"),
        ] {
            assert_eq!(picked(headers.clone()), Ok(expected.to_owned()), "{headers}");
        }
        assert_eq!(picked(json!({"prefer": "code=418"})), Err(400));
        assert_eq!(picked(json!({"prefer": "example=three"})), Err(400));
    }
}
