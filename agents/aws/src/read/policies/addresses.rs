//! Resource policies that let in by address, and nothing else but the interface endpoints that a private API has.

use gatehouse_connector_sdk::schemas::policy::{IpFilterPolicy, Network, Policy};
use serde_json::Value;

/// The document of a resource policy. AWS gives it as JSON in a text, in some answers with its quotes escaped once more.
pub(in crate::read) fn document(text: &str) -> Option<Value> {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
    parsed(text).or_else(|| parsed(&serde_json::from_str::<String>(&format!("\"{text}\"")).ok()?))
}

/// What a document says of addresses, all of which must hold: nothing if it lets in everybody, or why canonical words do not say it.
/// That a private API lets in who comes by its own endpoints is no filter.
pub(in crate::read) fn filters(document: &Value, endpoints: &[String]) -> Result<Vec<Policy>, String> {
    let statements = match document.get("Statement") {
        Some(Value::Array(statements)) => statements.iter().collect(),
        Some(statement @ Value::Object(_)) => vec![statement],
        _ => Vec::new(),
    };
    let mut said = Said::default();
    for statement in statements {
        about_everything(statement)?;
        let allows = statement.get("Effect").and_then(Value::as_str) == Some("Allow");
        match (allows, condition(statement, endpoints)?) {
            (true, None | Some((Operator::Through, _))) => said.lets_in = true,
            (false, Some((Operator::Through, _))) => {}
            (true, Some((Operator::Within, networks))) => said.allowed.extend(networks),
            (false, Some((Operator::Outside, networks))) => said.not_outside.push(networks),
            (false, Some((Operator::Within, networks))) => said.denied.extend(networks),
            _ => return Err("it says more than which addresses may call".to_owned()),
        }
    }
    let filters = said.together()?;
    Ok(filters
        .into_iter()
        .map(|filter| Policy::IpFilter(filter).canonical())
        .collect())
}

/// What statements say, before it is put together.
#[derive(Debug, Default)]
struct Said {
    lets_in: bool,
    allowed: Vec<String>,
    /// Networks outside of which nobody may call; each such list narrows the others down.
    not_outside: Vec<Vec<String>>,
    denied: Vec<String>,
}

impl Said {
    fn together(mut self) -> Result<Vec<IpFilterPolicy>, String> {
        match (self.lets_in, self.allowed.is_empty()) {
            (true, _) => {}
            (false, true) => return Err("it lets nobody in".to_owned()),
            (false, false) => self.not_outside.push(self.allowed),
        }
        let deny = self.denied;
        let mut filters: Vec<IpFilterPolicy> = self
            .not_outside
            .into_iter()
            .map(|allow| IpFilterPolicy {
                allow,
                deny: Vec::new(),
            })
            .collect();
        match filters.first_mut() {
            Some(first) => first.deny = deny,
            None if deny.is_empty() => {}
            None => filters.push(IpFilterPolicy {
                allow: Vec::new(),
                deny,
            }),
        }
        Ok(filters)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Within,
    Outside,
    /// By the API's own endpoints, or by no other ones.
    Through,
}

/// Whether a statement is for every caller and every method of the API.
fn about_everything(statement: &Value) -> Result<(), String> {
    let fields = statement.as_object().ok_or("a statement is no object")?;
    let known = ["Sid", "Effect", "Principal", "Action", "Resource", "Condition"];
    if let Some(other) = fields.keys().find(|field| !known.contains(&field.as_str())) {
        return Err(format!("a statement says `{other}`"));
    }
    let everybody = match fields.get("Principal") {
        Some(Value::String(text)) => text == "*",
        Some(Value::Object(by_kind)) => {
            by_kind.len() == 1 && by_kind.get("AWS").is_some_and(|it| one(it) == Some("*"))
        }
        _ => false,
    };
    let action = fields.get("Action").and_then(one);
    let invokes = action.is_some_and(|action| matches!(action, "execute-api:Invoke" | "execute-api:*" | "*"));
    let all = fields.get("Resource").and_then(one).is_some_and(is_whole);
    match everybody && invokes && all {
        true => Ok(()),
        false => Err("a statement is for some callers or some methods alone".to_owned()),
    }
}

/// A text, or a list of one.
fn one(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Array(items) if items.len() == 1 => items[0].as_str(),
        _ => None,
    }
}

/// `execute-api:/*`, `execute-api:/*/*/*`, `arn:aws:execute-api:eu-west-1:123456789012:abc123/*`.
fn is_whole(resource: &str) -> bool {
    let rest = match resource.strip_prefix("execute-api:") {
        Some(rest) => rest,
        None if resource == "*" => return true,
        None => match resource.splitn(6, ':').collect::<Vec<_>>()[..] {
            ["arn", _, "execute-api", _, _, rest] => rest.find('/').map_or("", |at| &rest[at..]),
            _ => return false,
        },
    };
    !rest.is_empty() && rest.split('/').skip(1).all(|part| part == "*")
}

/// Whether a statement lets in by exactly the API's own endpoints, or keeps out everybody else.
fn is_through(statement: &Value, condition: &serde_json::Map<String, Value>, endpoints: &[String]) -> bool {
    let operator = match statement.get("Effect").and_then(Value::as_str) {
        Some("Allow") => "StringEquals",
        _ => "StringNotEquals",
    };
    let keys = condition.get(operator).and_then(Value::as_object);
    let named = keys
        .filter(|keys| keys.len() == 1 && condition.len() == 1)
        .into_iter()
        .flatten();
    let mut named = named.filter(|(key, _)| key.eq_ignore_ascii_case("aws:SourceVpce"));
    let listed = named.next().map(|(_, value)| match value {
        Value::String(text) => vec![text.as_str()],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    });
    listed.is_some_and(|mut listed| {
        listed.sort_unstable();
        !endpoints.is_empty() && listed == endpoints
    })
}

/// The one condition on addresses of a statement, if it has a condition.
fn condition(statement: &Value, endpoints: &[String]) -> Result<Option<(Operator, Vec<String>)>, String> {
    let Some(condition) = statement
        .get("Condition")
        .and_then(Value::as_object)
        .filter(|it| !it.is_empty())
    else {
        return Ok(None);
    };
    if is_through(statement, condition, endpoints) {
        return Ok(Some((Operator::Through, Vec::new())));
    }
    let source = match endpoints.is_empty() {
        true => "aws:SourceIp",
        false => "aws:VpcSourceIp",
    };
    let beyond = || "a statement has another condition than one on `aws:SourceIp`".to_owned();
    let (operator, keys) = condition
        .iter()
        .next()
        .filter(|_| condition.len() == 1)
        .ok_or_else(beyond)?;
    let operator = match operator.as_str() {
        "IpAddress" => Operator::Within,
        "NotIpAddress" => Operator::Outside,
        _ => return Err(beyond()),
    };
    let keys = keys
        .as_object()
        .filter(|keys| keys.len() == 1)
        .ok_or_else(beyond)?;
    let listed = keys
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(source))
        .ok_or_else(beyond)?
        .1;
    let texts: Vec<&str> = match listed {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let networks = texts
        .into_iter()
        .map(|text| text.parse::<Network>().map(|network| network.to_string()));
    let networks: Vec<String> = networks.collect::<Result<_, _>>()?;
    (!networks.is_empty())
        .then_some(Some((operator, networks)))
        .ok_or_else(beyond)
}
