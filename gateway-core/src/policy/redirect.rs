//! `respond` with a `redirect`: where callers are sent.

use gatehouse_schemas::policy::{Redirect as Described, RedirectScheme};
use http::{HeaderValue, uri::Authority};

use super::rewrite::Path;
use crate::{proxy::problem::Problem, router::path::NormalPath};

/// The parts of the URL that change.
#[derive(Debug)]
pub(crate) struct Redirect {
    scheme: Option<RedirectScheme>,
    host: Option<String>,
    port: Option<u16>,
    path: Option<Path>,
}

/// What a caller asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) secure: bool,
    /// Host and port as the caller wrote them.
    pub(crate) host: &'a str,
    pub(crate) path: &'a NormalPath<'a>,
    pub(crate) base_segments: usize,
    pub(crate) query: Option<&'a str>,
}

impl Redirect {
    /// Compiles a redirect for an operation, by the template of its path.
    pub(crate) fn compile(redirect: &Described, operation: Option<&str>) -> Result<Self, String> {
        let path = redirect.path.as_deref();
        Ok(Self {
            scheme: redirect.scheme,
            host: redirect.host.clone(),
            port: redirect.port,
            path: path.map(|path| Path::compile(path, operation)).transpose()?,
        })
    }

    /// The whole URL for `Location`. Without a host to name, it begins with the path.
    pub(crate) fn location(&self, asked: &Asked<'_>) -> Result<HeaderValue, Problem> {
        let path = match &self.path {
            Some(path) => path.fill(asked.path, asked.base_segments)?,
            None => asked.path.forward.clone().into_owned(),
        };
        let query = asked.query.map(|query| format!("?{query}")).unwrap_or_default();
        let location = format!("{}{path}{query}", self.origin(asked));
        HeaderValue::try_from(location)
            .map_err(|_| Problem::bad_request("The request's URL cannot be redirected."))
    }

    fn origin(&self, asked: &Asked<'_>) -> String {
        let authority = asked.host.parse::<Authority>().ok();
        let host = self.host.as_deref().or(authority.as_ref().map(Authority::host));
        let Some(host) = host else {
            return String::new();
        };
        let secure = self
            .scheme
            .map_or(asked.secure, |scheme| scheme == RedirectScheme::Https);
        // Another scheme is served at its usual port, unless another one is said.
        let same = authority.as_ref().and_then(Authority::port_u16);
        let port = self.port.or(same.filter(|_| self.scheme.is_none()));
        let (scheme, usual) = if secure { ("https", 443) } else { ("http", 80) };
        match port.filter(|port| *port != usual) {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn location(redirect: Value, operation: Option<&str>, secure: bool, host: &str, target: &str) -> String {
        let described = serde_json::from_value(redirect).expect("a redirect");
        let redirect = Redirect::compile(&described, operation).expect("it compiles");
        let (path, query) = target
            .split_once('?')
            .map_or((target, None), |(path, query)| (path, Some(query)));
        let path = NormalPath::parse(path).expect("a path");
        let asked = Asked {
            secure,
            host,
            path: &path,
            base_segments: 1,
            query,
        };
        let location = redirect.location(&asked).expect("it is redirected");
        location.to_str().expect("text").to_owned()
    }

    #[test]
    fn what_is_not_said_stays_as_the_caller_asked() {
        let check = |redirect, host, expected| {
            assert_eq!(location(redirect, None, false, host, "/a/b?c=1"), expected);
        };
        check(json!({"host": "b.test"}), "a.test", "http://b.test/a/b?c=1");
        check(
            json!({"host": "b.test"}),
            "a.test:8080",
            "http://b.test:8080/a/b?c=1",
        );
        check(
            json!({"scheme": "https"}),
            "a.test:8080",
            "https://a.test/a/b?c=1",
        );
        check(json!({"port": 443}), "a.test", "http://a.test:443/a/b?c=1");
        check(json!({"port": 80}), "a.test:8080", "http://a.test/a/b?c=1");
        check(
            json!({"scheme": "https", "port": 8443}),
            "[::1]:80",
            "https://[::1]:8443/a/b?c=1",
        );
        check(json!({"port": 81}), "", "/a/b?c=1");
        assert_eq!(
            location(json!({"path": "/c"}), None, true, "a.test:443", "/a"),
            "https://a.test/c"
        );
    }

    #[test]
    fn the_rest_of_a_path_is_put_behind_another_prefix() {
        for (path, asked, expected) in [
            ("/new/{rest}", "/a/old/one", "/new/one"),
            ("/new/{rest}", "/a/old/one/", "/new/one/"),
            ("/new/{rest}", "/a/old", "/new"),
            ("/new/{rest}", "/a/old/", "/new/"),
            ("/{rest}", "/a/old", "/"),
            ("/{rest}", "/a/old/one", "/one"),
        ] {
            let operation = Some("/old/{rest...}");
            let location = location(json!({"path": path}), operation, false, "b", asked);
            assert_eq!(location, format!("http://b{expected}"), "{path} {asked}");
        }
    }
}
