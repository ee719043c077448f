//! Answers that API Gateway gives itself: fixed ones, and kept ones.

use std::collections::BTreeMap;

use gatehouse_connector_sdk::schemas::policy::{CachePolicy, Policy, RespondPolicy};
use serde_json::{Map, Value};

use super::limits;
use crate::read::{
    integration::kind,
    methods::{Method, texts},
    snapshot::Snapshot,
};

/// A fixed answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    status: u16,
    /// Header names in lower case.
    pub(super) headers: BTreeMap<String, String>,
    body: Option<String>,
}

/// The fixed answer of a MOCK integration, or why it is none.
pub(super) fn fixed(method: &Method<'_>) -> Result<Answer, String> {
    let fields = method
        .integration()
        .filter(|fields| kind(fields) == "mock")
        .ok_or("something answers")?;
    let wanted = requested_status(fields)?;
    let responses = fields
        .get("responses")
        .and_then(Value::as_object)
        .ok_or("it says no answer")?;
    let status = |answer: &Value| match answer.get("statusCode") {
        Some(Value::String(text)) => text.parse::<u16>().ok(),
        Some(Value::Number(number)) => number.as_u64().and_then(|number| u16::try_from(number).ok()),
        _ => None,
    };
    let mut matching = responses.values().filter(|answer| status(answer) == Some(wanted));
    let answer = matching
        .next()
        .ok_or("it says no answer of the status that it asks for")?;
    if responses.len() > 1 || !(200..=599).contains(&wanted) {
        return Err("it has several answers".to_owned());
    }
    Ok(Answer {
        status: wanted,
        headers: headers(answer)?,
        body: None,
    })
    .and_then(|it| with_body(it, answer))
}

/// `{"statusCode": 200}` for every type of request.
fn requested_status(fields: &Map<String, Value>) -> Result<u16, String> {
    let templates = fields
        .get("requestTemplates")
        .and_then(Value::as_object)
        .ok_or("it has no template")?;
    let mut statuses = templates.values().map(|template| {
        let text = template.as_str().unwrap_or_default();
        let asked: Option<Value> = serde_json::from_str(text).ok();
        let fields = asked
            .as_ref()
            .and_then(Value::as_object)
            .filter(|fields| fields.len() == 1)?;
        u16::try_from(fields.get("statusCode")?.as_u64()?).ok()
    });
    let first = statuses
        .next()
        .flatten()
        .ok_or("its template says more than a status")?;
    let same = statuses.all(|status| status == Some(first));
    same.then_some(first)
        .ok_or_else(|| "its templates ask for several answers".to_owned())
}

fn headers(answer: &Value) -> Result<BTreeMap<String, String>, String> {
    let parameters = answer.get("responseParameters").and_then(Value::as_object);
    let mut headers = BTreeMap::new();
    for (name, value) in parameters.into_iter().flatten() {
        let name = name
            .strip_prefix("method.response.header.")
            .ok_or("it fills more than headers")?;
        let value = value
            .as_str()
            .and_then(|it| it.strip_prefix('\'')?.strip_suffix('\''));
        let value = value.filter(|value| !value.chars().any(char::is_control));
        headers.insert(
            name.to_ascii_lowercase(),
            value.ok_or("a header is more than a text")?.to_owned(),
        );
    }
    Ok(headers)
}

/// A body of one type, without anything that the template fills in.
fn with_body(mut answer: Answer, said: &Value) -> Result<Answer, String> {
    let templates = said.get("responseTemplates").and_then(Value::as_object);
    let mut written = templates
        .into_iter()
        .flatten()
        .filter(|(_, text)| text.as_str().is_some_and(|it| !it.trim().is_empty()));
    let Some((media_type, text)) = written.next() else {
        return Ok(answer);
    };
    let text = text.as_str().unwrap_or_default();
    if text.contains(['$', '#']) || written.next().is_some() {
        return Err("its body is made by a template".to_owned());
    }
    answer
        .headers
        .entry("content-type".to_owned())
        .or_insert_with(|| media_type.clone());
    answer.body = Some(text.to_owned());
    Ok(answer)
}

/// A fixed answer as a policy.
pub(in crate::read) fn respond(method: &Method<'_>) -> Result<Policy, String> {
    let answer = fixed(method)?;
    let unchangeable = [
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let named =
        |name: &String| !name.is_empty() && !unchangeable.contains(&name.as_str()) && name.bytes().all(token);
    if !answer.headers.keys().all(named) {
        return Err("it has a header that no policy may write".to_owned());
    }
    let bodiless = matches!(answer.status, 204 | 205 | 304);
    Ok(Policy::Respond(RespondPolicy {
        status: answer.status,
        headers: answer.headers,
        body: answer.body.filter(|_| !bodiless),
        redirect: None,
        example: None,
        expanded: None,
    }))
}

/// Kept answers to GET, where the stage has a cache and keeps those of the method.
pub(super) fn cached(snapshot: &Snapshot, method: &Method<'_>, notes: &mut Vec<String>) -> Option<Policy> {
    let (own, all) = (limits::settings(snapshot, method), limits::everywhere(snapshot));
    let settings = [own, all];
    let enabled = settings.iter().flatten().find_map(|it| it.caching_enabled)?;
    if !snapshot.stage.cache_cluster_enabled || !enabled || method.method != "GET" {
        return None;
    }
    let ttl = settings
        .iter()
        .flatten()
        .find_map(|it| it.cache_ttl_in_seconds)
        .unwrap_or(300);
    let ttl_seconds = u32::try_from(ttl).ok().filter(|ttl| (1..=3_600).contains(ttl))?;
    notes.push(
        "answers are kept also where they say they must not be; elsewhere than on AWS, those are not"
            .to_owned(),
    );
    let keys = method
        .integration()
        .and_then(|fields| fields.get("cacheKeyParameters"))
        .map(texts)
        .unwrap_or_default();
    let named = |place: &str| {
        keys.iter()
            .filter_map(|key| key.strip_prefix(place))
            .map(str::to_owned)
            .collect()
    };
    Some(Policy::Cache(CachePolicy {
        ttl_seconds,
        vary_query: Some(named("method.request.querystring.")),
        vary_headers: named("method.request.header."),
        per_consumer: false,
    }))
}
