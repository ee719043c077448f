//! URLs and host names.

use http::Uri;

/// An upstream URL in canonical form: scheme and host in lower case, no default port, no slash at the end.
pub(crate) fn upstream_url(text: &str) -> Result<String, String> {
    let uri = http_url(text)?;
    if uri.query().is_some() {
        return Err(format!(
            "`{}` has a query; leave it out, the request's own is sent",
            without_query(text)
        ));
    }
    let path = uri.path().trim_end_matches('/');
    Ok(format!("{}{path}", origin_of(&uri)))
}

/// Scheme, host and port in canonical form.
pub(super) fn origin_of(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or("http").to_ascii_lowercase();
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    let default_port = if scheme == "https" { 443 } else { 80 };
    match uri.port_u16().filter(|port| *port != default_port) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    }
}

/// An endpoint: scheme, host, optional port, nothing else.
pub(super) fn origin(text: &str) -> Result<String, String> {
    let uri = http_url(text)?;
    if uri.query().is_some() || !matches!(uri.path(), "" | "/") {
        return Err("expected scheme, host and port only, for example `https://api.example.com`".to_owned());
    }
    Ok(origin_of(&uri))
}

/// Where keys are fetched: `https`, or `http` on this machine.
pub(super) fn key_url(text: &str) -> Result<(), String> {
    protected(text, "keys fetched over `http` can be replaced on the way")
}

/// Where secrets are sent: `https`, or `http` on this machine.
pub(super) fn secret_url(text: &str) -> Result<(), String> {
    protected(text, "tokens and secrets sent over `http` can be read on the way")
}

fn protected(text: &str, otherwise: &str) -> Result<(), String> {
    let uri = http_url(text)?;
    let loopback = matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if uri.scheme_str() == Some("https") || loopback {
        return Ok(());
    }
    Err(format!(
        "{otherwise}; use `https` (`http` is possible for localhost only)"
    ))
}

/// An absolute `http` or `https` URL without credentials.
pub(super) fn http_url(text: &str) -> Result<Uri, String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(
            "expected a URL with scheme and host, for example `https://orders.internal:8443`".to_owned(),
        );
    };
    if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
        let shown: String = scheme.chars().take(20).collect();
        return Err(format!(
            "scheme `{shown}` is not supported; use `http` or `https`"
        ));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(
            "a URL must not carry a user name or password; put credentials into a `Secret`".to_owned(),
        );
    }
    if text.contains('#') {
        return Err("a fragment (`#…`) means nothing here; leave it out".to_owned());
    }
    let uri: Uri = text
        .parse()
        .map_err(|error| format!("not a valid URL: {error}"))?;
    let host = uri.host().unwrap_or_default();
    let port_text = authority.rsplit_once(':').filter(|_| !authority.ends_with(']'));
    if host.is_empty() {
        return Err("the URL names no host".to_owned());
    }
    if port_text.is_some_and(|(_, port)| port.parse::<u16>().ok().is_none_or(|port| port == 0)) {
        return Err("the port must be a number from 1 to 65535".to_owned());
    }
    Ok(uri)
}

fn without_query(text: &str) -> &str {
    text.split('?').next().unwrap_or_default()
}

/// A host name in canonical form: exact or `*.` and a domain; in lower case.
pub(crate) fn hostname(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    let name = lower.strip_prefix("*.").unwrap_or(&lower);
    if lower == "*" {
        return Err("`*` alone is not a host name; leave `hostnames` out to answer to any".to_owned());
    }
    if name.contains(':') {
        return Err(format!("`{text}` is not a host name: leave the port out"));
    }
    let label = |label: &str| {
        let edges = label.starts_with('-') || label.ends_with('-');
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !label.is_empty() && label.len() <= 63 && !edges && label.bytes().all(allowed)
    };
    if name.len() > 253 || !name.split('.').all(label) {
        return Err(format!(
            "`{text}` is not a host name: use letters, digits, `-` and `.`, with `*.` only at the start"
        ));
    }
    Ok(lower)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(results: impl IntoIterator<Item = Result<String, String>>, expected: Expect) {
        let lines: Vec<String> = results
            .into_iter()
            .map(|result| result.unwrap_or_else(|error| format!("refused: {error}")))
            .collect();
        expected.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn upstream_urls_have_one_spelling() {
        let urls = [
            "HTTPS://Orders.Internal:443/",
            "http://10.0.0.1:8080/v1/",
            "http://[::1]:9000",
            "http://h:80",
        ];
        check(
            urls.map(upstream_url),
            expect![[r#"
            https://orders.internal
            http://10.0.0.1:8080/v1
            http://[::1]:9000
            http://h"#]],
        );
    }

    #[test]
    fn upstream_urls_that_cannot_work_are_refused() {
        let urls = [
            "orders.internal",
            "ftp://a",
            "unix:///run/x",
            "http://user:pass@a",
            "http://a?x=1",
            "http://a#x",
            "http://",
            "http://a:0",
            "http://a:99999",
            "http://a b",
            "http://:80",
            "",
        ];
        check(
            urls.map(upstream_url),
            expect![[r#"
            refused: expected a URL with scheme and host, for example `https://orders.internal:8443`
            refused: scheme `ftp` is not supported; use `http` or `https`
            refused: scheme `unix` is not supported; use `http` or `https`
            refused: a URL must not carry a user name or password; put credentials into a `Secret`
            refused: `http://a` has a query; leave it out, the request's own is sent
            refused: a fragment (`#…`) means nothing here; leave it out
            refused: not a valid URL: empty string
            refused: the port must be a number from 1 to 65535
            refused: the port must be a number from 1 to 65535
            refused: not a valid URL: invalid uri character
            refused: the URL names no host
            refused: expected a URL with scheme and host, for example `https://orders.internal:8443`"#]],
        );
    }

    #[test]
    fn host_names_are_exact_or_start_with_a_star() {
        let names = [
            "API.example.com",
            "*.example.com",
            "*",
            "a.*.b",
            "a:80",
            "-a.b",
            "",
            "a..b",
            "exa mple",
        ];
        check(
            names.map(hostname),
            expect![[r#"
            api.example.com
            *.example.com
            refused: `*` alone is not a host name; leave `hostnames` out to answer to any
            refused: `a.*.b` is not a host name: use letters, digits, `-` and `.`, with `*.` only at the start
            refused: `a:80` is not a host name: leave the port out
            refused: `-a.b` is not a host name: use letters, digits, `-` and `.`, with `*.` only at the start
            refused: `` is not a host name: use letters, digits, `-` and `.`, with `*.` only at the start
            refused: `a..b` is not a host name: use letters, digits, `-` and `.`, with `*.` only at the start
            refused: `exa mple` is not a host name: use letters, digits, `-` and `.`, with `*.` only at the start"#]],
        );
    }
}
