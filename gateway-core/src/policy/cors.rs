//! `cors`: which origins' scripts may call and read (Fetch standard).

use gatehouse_schemas::policy::CorsPolicy;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

/// What the upstream may not say when the gateway does.
const ANSWERS: [HeaderName; 6] = [
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
];

/// A compiled policy.
#[derive(Debug)]
pub(crate) struct Cors {
    origins: Vec<OriginPattern>,
    /// Empty: those that are served.
    methods: Vec<Method>,
    /// None: those that are asked for.
    headers: Option<HeaderValue>,
    expose: Option<HeaderValue>,
    credentials: bool,
    max_age: Option<HeaderValue>,
}

#[derive(Debug, PartialEq, Eq)]
enum OriginPattern {
    Any,
    Exact(String),
    /// What stands before and after the `*`.
    Wildcard(String, String),
}

impl OriginPattern {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let lower = text.to_ascii_lowercase();
        match lower.split_once("*.") {
            None if lower.contains('*') => {
                Err(format!("origin `{text}`: write `*` or `https://*.example.com`"))
            }
            None => Ok(Self::Exact(lower)),
            Some((before, after)) if before.ends_with("://") && !after.contains('*') && !after.is_empty() => {
                Ok(Self::Wildcard(before.to_owned(), format!(".{after}")))
            }
            Some(_) => Err(format!(
                "origin `{text}`: a `*` may only stand for the first labels of the host"
            )),
        }
    }

    fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => exact == origin,
            Self::Wildcard(before, after) => origin
                .strip_prefix(before.as_str())
                .and_then(|rest| rest.strip_suffix(after.as_str()))
                .is_some_and(|labels| !labels.is_empty() && !labels.contains(['/', '@', ':'])),
        }
    }
}

impl Cors {
    /// Compiles the policy.
    pub(crate) fn compile(policy: &CorsPolicy) -> Result<Self, String> {
        let origins = policy
            .allow_origins
            .iter()
            .map(|origin| OriginPattern::parse(origin));
        let origins = origins.collect::<Result<Vec<_>, _>>()?;
        if policy.allow_credentials && origins.contains(&OriginPattern::Any) {
            return Err("credentials cannot be allowed to origin `*`; list the origins".to_owned());
        }
        let methods = policy
            .allow_methods
            .iter()
            .map(|method| Method::from_bytes(method.as_bytes()));
        Ok(Self {
            origins,
            methods: methods
                .collect::<Result<_, _>>()
                .map_err(|_| "a method is not a method".to_owned())?,
            headers: list(&policy.allow_headers)?,
            expose: list(&policy.expose_headers)?,
            credentials: policy.allow_credentials,
            max_age: policy.max_age_seconds.map(HeaderValue::from),
        })
    }

    /// The headers that answer a preflight for a method that is served.
    pub(crate) fn preflight(
        &self,
        origin: &HeaderValue,
        method: &Method,
        asked: Option<&HeaderValue>,
    ) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let vary = "origin, access-control-request-method, access-control-request-headers";
        headers.insert(header::VARY, HeaderValue::from_static(vary));
        if !self.allows(origin) || !(self.methods.is_empty() || self.methods.contains(method)) {
            return headers;
        }
        self.allow(origin, &mut headers);
        let methods = self
            .methods
            .iter()
            .map(Method::as_str)
            .collect::<Vec<_>>()
            .join(", ");
        let methods = if methods.is_empty() {
            method.as_str()
        } else {
            &methods
        };
        if let Ok(methods) = HeaderValue::from_str(methods) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
        if let Some(allowed) = self.headers.as_ref().or(asked) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed.clone());
        }
        if let Some(seconds) = &self.max_age {
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, seconds.clone());
        }
        headers
    }

    /// Says on an answer whether the origin's scripts may read it.
    pub(crate) fn mark(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        for name in ANSWERS {
            headers.remove(name);
        }
        if !self.is_the_same_for_all() {
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
        let Some(origin) = origin.filter(|origin| self.allows(origin)) else {
            return;
        };
        self.allow(origin, headers);
        if let Some(names) = &self.expose {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, names.clone());
        }
    }

    fn allow(&self, origin: &HeaderValue, headers: &mut HeaderMap) {
        let allowed = match self.is_the_same_for_all() {
            true => HeaderValue::from_static("*"),
            false => origin.clone(),
        };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        if self.credentials {
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
        }
    }

    fn is_the_same_for_all(&self) -> bool {
        self.origins.contains(&OriginPattern::Any)
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else {
            return false;
        };
        let origin = origin.to_ascii_lowercase();
        self.origins.iter().any(|pattern| pattern.matches(&origin))
    }
}

fn list(names: &[String]) -> Result<Option<HeaderValue>, String> {
    if names.is_empty() {
        return Ok(None);
    }
    let joined = names.join(", ");
    let value = HeaderValue::try_from(joined.as_str());
    value
        .map(Some)
        .map_err(|_| format!("`{joined}` is not a list of header names"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn cors(policy: Value) -> Result<Cors, String> {
        Cors::compile(&serde_json::from_value(policy).expect("a policy"))
    }

    fn allowed(policy: &Cors, origin: &'static str) -> Option<String> {
        let mut headers = HeaderMap::new();
        policy.mark(Some(&HeaderValue::from_static(origin)), &mut headers);
        let value = headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN)?;
        Some(value.to_str().expect("text").to_owned())
    }

    #[test]
    fn origins_are_exact_or_below_a_domain() {
        let policy =
            cors(json!({"allowOrigins": ["https://shop.test", "https://*.corp.test"]})).expect("compiles");
        assert_eq!(
            allowed(&policy, "https://shop.test").as_deref(),
            Some("https://shop.test")
        );
        assert_eq!(
            allowed(&policy, "https://a.b.corp.test").as_deref(),
            Some("https://a.b.corp.test")
        );
        for refused in [
            "http://shop.test",
            "https://shop.test.evil.test",
            "https://corp.test",
            "https://evilcorp.test",
            "https://evil.test/.corp.test",
            "null",
        ] {
            assert_eq!(allowed(&policy, refused), None, "{refused}");
        }
    }

    #[test]
    fn a_preflight_names_what_was_asked_unless_the_policy_lists_it() {
        let origin = HeaderValue::from_static("https://shop.test");
        let asked = HeaderValue::from_static("x-a");
        let open = cors(json!({"allowOrigins": ["*"], "maxAgeSeconds": 60})).expect("compiles");
        let headers = open.preflight(&origin, &Method::PUT, Some(&asked));
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_METHODS], "PUT");
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_HEADERS], "x-a");
        assert_eq!(headers[header::ACCESS_CONTROL_MAX_AGE], "60");
        let strict = cors(
            json!({"allowOrigins": ["https://shop.test"], "allowMethods": ["GET"], "allowHeaders": ["x-b"], "allowCredentials": true}),
        );
        let strict = strict.expect("compiles");
        let headers = strict.preflight(&origin, &Method::GET, Some(&asked));
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_HEADERS], "x-b");
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_CREDENTIALS], "true");
        let refused = strict.preflight(&origin, &Method::PUT, None);
        assert!(!refused.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    }

    #[test]
    fn what_browsers_would_refuse_does_not_compile() {
        cors(json!({"allowOrigins": ["*"], "allowCredentials": true})).expect_err("credentials for all");
        cors(json!({"allowOrigins": ["https://a*.test"]})).expect_err("a star within a label");
    }
}
