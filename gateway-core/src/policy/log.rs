//! `log`: which requests of a route are written to the access log, and which of their headers.
//!
//! A route with this policy follows it whether or not the gateway logs every request; other routes follow the
//! gateway. Values of headers that carry credentials are never written.

use std::sync::Arc;

use gatehouse_schemas::policy::LogPolicy;
use http::{HeaderMap, HeaderName, header};
use serde_json::{Map, Value};

/// Headers whose values are credentials, whatever the API.
static CREDENTIALS: [HeaderName; 6] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::PROXY_AUTHORIZATION,
    header::SET_COOKIE,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-amz-security-token"),
];

/// A compiled policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Log {
    percent: u8,
    request: Vec<HeaderName>,
    response: Vec<HeaderName>,
}

impl Log {
    /// Compiles the policy; a header that carries a credential is an error.
    pub(crate) fn compile(policy: &LogPolicy) -> Result<Self, String> {
        if policy.percent > 100 {
            return Err(format!(
                "of a hundred requests, {} cannot be written",
                policy.percent
            ));
        }
        Ok(Self {
            percent: policy.percent,
            request: names(&policy.request_headers)?,
            response: names(&policy.response_headers)?,
        })
    }

    /// The same without headers that carry a credential of this API.
    pub(crate) fn without(&self, credentials: &[HeaderName]) -> Self {
        let shown = |names: &[HeaderName]| {
            let shown = names.iter().filter(|name| !credentials.contains(name));
            shown.cloned().collect()
        };
        Self {
            percent: self.percent,
            request: shown(&self.request),
            response: shown(&self.response),
        }
    }

    /// Whether this request is one of those that are written: so many in a hundred, picked at random.
    pub(crate) fn picks(&self) -> bool {
        match self.percent {
            0 => false,
            100 => true,
            percent => fastrand::u8(0..100) < percent,
        }
    }

    /// The headers of a request that are written.
    pub(crate) fn of_request(self: &Arc<Self>, headers: &HeaderMap) -> Logged {
        Logged {
            request: written(&self.request, headers),
            response: None,
            log: Arc::clone(self),
        }
    }
}

/// What is written of one request's headers: JSON objects, as text.
#[derive(Debug)]
pub(crate) struct Logged {
    log: Arc<Log>,
    pub(crate) request: Option<String>,
    pub(crate) response: Option<String>,
}

impl Logged {
    /// Takes in the headers of the response as the caller gets it.
    pub(crate) fn answered(&mut self, headers: &HeaderMap) {
        self.response = written(&self.log.response, headers);
    }
}

fn names(written: &[String]) -> Result<Vec<HeaderName>, String> {
    let name = |text: &String| {
        let name =
            HeaderName::try_from(text.as_str()).map_err(|_| format!("`{text}` is not a header name"))?;
        match CREDENTIALS.contains(&name) {
            true => Err(format!(
                "`{name}` carries credentials, which are never written to a log; remove it"
            )),
            false => Ok(name),
        }
    };
    written.iter().map(name).collect()
}

/// A JSON object of those headers that are there; none if no header is asked for.
fn written(names: &[HeaderName], headers: &HeaderMap) -> Option<String> {
    if names.is_empty() {
        return None;
    }
    let mut object = Map::new();
    for name in names {
        let values = headers.get_all(name).iter();
        let values: Vec<_> = values
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        if !values.is_empty() {
            object.insert(name.to_string(), Value::String(values.join(", ")));
        }
    }
    Some(Value::Object(object).to_string())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;

    use super::*;

    fn compiled(policy: Value) -> Result<Log, String> {
        Log::compile(&serde_json::from_value(policy).expect("a policy"))
    }

    #[test]
    fn only_named_headers_are_written_all_values_of_each() {
        let log = Arc::new(compiled(json!({"requestHeaders": ["X-Tenant", "accept", "x-missing"]})).unwrap());
        let mut headers = HeaderMap::new();
        headers.append("x-tenant", HeaderValue::from_static("a\"b"));
        headers.append("accept", HeaderValue::from_static("text/html"));
        headers.append("accept", HeaderValue::from_static("*/*"));
        headers.append("x-other", HeaderValue::from_static("c"));
        let mut logged = log.of_request(&headers);
        logged.answered(&headers);
        let request: Value = serde_json::from_str(&logged.request.unwrap()).unwrap();
        assert_eq!(request, json!({"x-tenant": "a\"b", "accept": "text/html, */*"}));
        assert_eq!(logged.response, None);
    }

    #[test]
    fn headers_that_carry_credentials_are_refused_or_left_out() {
        for name in [
            "Authorization",
            "cookie",
            "Set-Cookie",
            "Proxy-Authorization",
            "X-Api-Key",
        ] {
            let refused = compiled(json!({"responseHeaders": [name]})).expect_err(name);
            assert!(refused.contains("never written"), "{refused}");
        }
        let log = compiled(json!({"requestHeaders": ["x-partner-key", "accept"]})).unwrap();
        let shown = log.without(&[HeaderName::from_static("x-partner-key")]);
        assert_eq!(shown, compiled(json!({"requestHeaders": ["accept"]})).unwrap());
    }

    #[test]
    fn about_so_many_in_a_hundred_are_picked() {
        let picked = |percent| {
            let log = compiled(json!({"percent": percent})).unwrap();
            (0..10_000).filter(|_| log.picks()).count()
        };
        assert_eq!((picked(0), picked(100)), (0, 10_000));
        // Ten standard deviations to either side.
        assert!((2_067..=2_933).contains(&picked(25)));
    }
}
