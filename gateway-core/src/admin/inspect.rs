//! What is served, for people who look: `/config`, `/routes`, `/explain`.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::Full;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::{Value, json};

use super::plain;
use crate::{
    explain::{Question, Served, explain, routes},
    router::rule::parameters,
    table::Table,
};

/// How many routes or APIs a page has, unless asked otherwise, and at most.
const PAGE: usize = 1_000;
const PAGE_MAX: usize = 10_000;

/// Headers whose values are credentials, which a policy may set.
const CREDENTIALS: [&str; 5] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-api-key",
    "x-amz-security-token",
];

/// What is served of each API. Secrets are not in it, nor are their hashes, nor values of headers that carry
/// credentials.
pub(super) fn config(table: &Table, query: &str) -> Response<Full<Bytes>> {
    let Some(page) = Page::of(query) else {
        return bad("offset and limit are whole numbers");
    };
    let apis = table.apis.values().skip(page.offset).take(page.limit);
    let shown: Vec<Value> = apis
        .map(|api| {
            let config = &api.config;
            let mut content = json!(config.content);
            mask(&mut content);
            json!({
                "externalRef": config.external_ref,
                "mark": config.mark,
                "fingerprint": config.fingerprint,
                "content": content,
            })
        })
        .collect();
    let next = page.next("/config", table.apis.size());
    answer(
        StatusCode::OK,
        &json!({"total": table.apis.size(), "apis": shown, "next": next}),
    )
}

fn mask(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let hidden = CREDENTIALS.contains(&name.to_ascii_lowercase().as_str());
                match value {
                    Value::String(text) if hidden => "***".clone_into(text),
                    value => mask(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        _ => {}
    }
}

/// All routes, by API and in its own order.
pub(super) fn all_routes(table: &Table, query: &str) -> Response<Full<Bytes>> {
    let Some(page) = Page::of(query) else {
        return bad("offset and limit are whole numbers");
    };
    let counts = table.apis.values().map(|api| api.routes.len() * api.hosts.len());
    let total = counts.sum();
    let all = served(table).flat_map(routes);
    let shown: Vec<_> = all.skip(page.offset).take(page.limit).collect();
    let next = page.next("/routes", total);
    answer(
        StatusCode::OK,
        &json!({"total": total, "routes": shown, "next": next}),
    )
}

/// What becomes of a request: `?host=&path=&method=&header=name: value`, of which `path` is needed, may hold a query,
/// and `header` may come several times.
pub(super) fn explained(table: &Table, query: &str) -> Response<Full<Bytes>> {
    match question(query) {
        Ok(question) => answer(StatusCode::OK, &explain(served(table), &question)),
        Err(reason) => bad(&reason),
    }
}

fn served(table: &Table) -> impl Iterator<Item = Served<'_>> {
    table.apis.values().map(|api| Served {
        reference: &api.config.external_ref,
        name: &api.name,
        content: &api.config.content,
    })
}

fn question(query: &str) -> Result<Question, String> {
    let mut question = Question {
        method: Method::GET,
        host: String::new(),
        path: String::new(),
        query: None,
        headers: http::HeaderMap::new(),
    };
    for (name, value) in parameters(query) {
        let value = decoded(value)?;
        match name {
            "method" => {
                let method = value.to_ascii_uppercase().parse();
                question.method = method.map_err(|_| format!("`{value}` is not a method"))?;
            }
            "host" => question.host = value,
            "path" => match value.split_once('?') {
                Some((path, query)) => {
                    question.path = path.to_owned();
                    question.query = Some(query.to_owned());
                }
                None => question.path = value,
            },
            "header" => {
                let (name, value) = header(&value)?;
                question.headers.append(name, value);
            }
            other => {
                return Err(format!(
                    "there is no parameter `{other}`; there are method, host, path and header"
                ));
            }
        }
    }
    match question.path.starts_with('/') {
        true => Ok(question),
        false => Err("`path` is needed, and begins with a slash".to_owned()),
    }
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let parsed = text
        .split_once(':')
        .and_then(|(name, value)| Some((name.trim().parse().ok()?, value.trim().parse().ok()?)));
    parsed.ok_or_else(|| format!("`{text}` is not a header; write `name: value`"))
}

fn decoded(text: &str) -> Result<String, String> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| format!("`{text}` is not UTF-8"))
}

/// A part of a list.
struct Page {
    offset: usize,
    limit: usize,
}

impl Page {
    fn of(query: &str) -> Option<Self> {
        let mut page = Self {
            offset: 0,
            limit: PAGE,
        };
        for (name, value) in parameters(query) {
            match name {
                "offset" => page.offset = value.parse().ok()?,
                "limit" => page.limit = value.parse::<usize>().ok()?.clamp(1, PAGE_MAX),
                _ => {}
            }
        }
        Some(page)
    }

    fn next(&self, path: &str, total: usize) -> Option<String> {
        let next = self.offset.saturating_add(self.limit);
        (next < total).then(|| format!("{path}?offset={next}&limit={}", self.limit))
    }
}

fn bad(reason: &str) -> Response<Full<Bytes>> {
    plain(StatusCode::BAD_REQUEST, format!("{reason}\n"))
}

fn answer(status: StatusCode, document: &impl Serialize) -> Response<Full<Bytes>> {
    let text = serde_json::to_vec(document).unwrap_or_default();
    let mut response = plain(status, text);
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
