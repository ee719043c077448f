//! Parameter mapping of HTTP APIs: `overwrite:path`, `append:header.x`, `remove:querystring.y`.

use axum::http::{HeaderName, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::answer::set;
use super::exchange::Exchange;
use super::mapping;
use super::upstream::Asked;
use crate::place::{Entity, object};

/// The value of one selection: `$request.header.x`, `$request.path.id`, `$context.requestId`, `$stageVariables.host`.
pub(crate) fn selected(exchange: &Exchange, stage: &Entity, selection: &str) -> Option<String> {
    let selection = selection.strip_prefix('$')?;
    if selection == "request.path" {
        return Some(exchange.path.clone());
    }
    match selection.split_once('.')? {
        ("request", place) => mapping::value(exchange, stage, &format!("method.request.{place}")),
        _ => mapping::value(exchange, stage, selection),
    }
}

/// A value, which is one selection, or text with selections in braces: `${request.header.x}`.
fn value(exchange: &Exchange, stage: &Entity, said: &str) -> String {
    if said.starts_with('$') && !said.starts_with("${") {
        return selected(exchange, stage, said).unwrap_or_default();
    }
    let mut parts = said.split("${");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (selection, rest) = part.split_once('}').unwrap_or((part, ""));
        whole.push_str(&selected(exchange, stage, &format!("${selection}")).unwrap_or_default());
        whole.push_str(rest);
    }
    whole
}

/// Changes what the upstream is asked by the mappings of an integration.
pub(crate) fn apply(
    exchange: &Exchange,
    stage: &Entity,
    integration: &Entity,
    asked: &mut Asked,
) -> Option<()> {
    let (base, own_query) = split(&asked.url);
    let (mut base, mut query) = (base, own_query);
    query.extend(
        exchange
            .query
            .iter()
            .flat_map(|query| query.split('&').map(str::to_owned)),
    );
    query.retain(|pair| !pair.is_empty());
    for (to, said) in object(integration, "requestParameters").into_iter().flatten() {
        let (action, target) = to.split_once(':')?;
        let value = value(exchange, stage, said.as_str().unwrap_or_default());
        match target.split_once('.') {
            None if target == "path" => base = with_path(&base, &value),
            Some(("header", name)) => header(asked, action, name, &value),
            Some(("querystring", name)) => parameter(&mut query, action, name, &value),
            _ => return None,
        }
    }
    asked.url = if query.is_empty() {
        base
    } else {
        format!("{base}?{}", query.join("&"))
    };
    (!asked.url.contains(['{', '}'])).then_some(())
}

fn split(url: &str) -> (String, Vec<String>) {
    match url.split_once('?') {
        Some((base, query)) => (base.to_owned(), query.split('&').map(str::to_owned).collect()),
        None => (url.to_owned(), Vec::new()),
    }
}

fn with_path(url: &str, path: &str) -> String {
    let authority = url.find("://").map_or(0, |at| at + 3);
    let end = url[authority..].find('/').map_or(url.len(), |at| authority + at);
    format!("{}/{}", &url[..end], path.trim_start_matches('/'))
}

fn header(asked: &mut Asked, action: &str, name: &str, value: &str) {
    match action {
        "remove" => {
            asked.headers.remove(name);
        }
        "append" => {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
                asked.headers.append(name, value);
            }
        }
        _ => set(&mut asked.headers, name, value),
    }
}

fn parameter(query: &mut Vec<String>, action: &str, name: &str, value: &str) {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    if action != "append" {
        query.retain(|pair| pair.split('=').next() != Some(name));
    }
    if action != "remove" {
        query.push(format!("{}={}", encoded(name), encoded(value)));
    }
}

#[cfg(test)]
mod tests {
    use super::with_path;

    #[test]
    fn a_path_takes_the_place_of_the_whole_path() {
        assert_eq!(with_path("http://a:80/b/c", "/d"), "http://a:80/d");
        assert_eq!(with_path("https://a", "d/e"), "https://a/d/e");
    }
}
