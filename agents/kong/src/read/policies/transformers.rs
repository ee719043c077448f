//! Changes of headers and of the query.
//!
//! Kong carries its changes out in this order: remove, rename, replace (what is there), add (what is not there),
//! append. What canonical words set is what Kong removes or replaces, and adds.

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_connector_sdk::schemas::policy::{
    HeaderChanges, HeadersPolicy, Policy, QueryChanges, RewritePolicy,
};
use serde_json::json;

use super::{callers::carries_credential, config::Config};
use crate::entities::Entity;

/// Changes of requests.
pub(super) fn request(plugin: &Entity, path_is_said: bool) -> Result<Vec<Policy>, String> {
    let config = Config::of(plugin);
    let mut said = fields(&["headers", "querystring"]);
    if path_is_said {
        said.push("replace.uri".to_owned());
    }
    says_only(config, &said)?;
    let request = headers(config)?;
    let query = changes(config, "querystring", false)?;
    if !query.add.is_empty() {
        return Err("it adds query parameters beside those that are there".to_owned());
    }
    let query = QueryChanges {
        remove: query.remove,
        set: query.set,
    };
    let headers = (!request.is_empty()).then(|| {
        Policy::Headers(HeadersPolicy {
            request,
            response: HeaderChanges::default(),
        })
    });
    let rewrite = (!query.is_empty()).then_some(Policy::Rewrite(RewritePolicy {
        query,
        ..RewritePolicy::default()
    }));
    Ok(headers.into_iter().chain(rewrite).collect())
}

/// Changes of answers.
pub(super) fn response(plugin: &Entity) -> Result<Vec<Policy>, String> {
    let config = Config::of(plugin);
    says_only(config, &fields(&["headers"]))?;
    let response = headers(config)?;
    let headers = (!response.is_empty()).then(|| {
        Policy::Headers(HeadersPolicy {
            request: HeaderChanges::default(),
            response,
        })
    });
    Ok(headers.into_iter().collect())
}

fn fields(of: &[&str]) -> Vec<String> {
    let steps = ["remove", "replace", "add", "append"];
    steps
        .iter()
        .flat_map(|step| of.iter().map(move |field| format!("{step}.{field}")))
        .collect()
}

fn says_only(config: Config<'_>, said: &[String]) -> Result<(), String> {
    let said: Vec<&str> = said.iter().map(String::as_str).collect();
    config.says_only(&said, &json!({}))
}

fn headers(config: Config<'_>) -> Result<HeaderChanges, String> {
    let changes = changes(config, "headers", true)?;
    let names = changes
        .remove
        .iter()
        .chain(changes.set.keys())
        .chain(changes.add.keys());
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    for name in names {
        if !HeaderChanges::may_change(name) || !name.bytes().all(token) {
            return Err(format!("it changes header `{name}`, which no policy may"));
        }
    }
    Ok(changes)
}

/// The changes of one kind of fields; header names are the same in any case.
fn changes(config: Config<'_>, of: &str, any_case: bool) -> Result<HeaderChanges, String> {
    let spelled = |name: &str| {
        if any_case {
            name.to_ascii_lowercase()
        } else {
            name.to_owned()
        }
    };
    let pairs = |step: &str| pairs(&config.list(&format!("{step}.{of}")), &spelled);
    let (replace, added, add) = (pairs("replace")?, pairs("add")?, pairs("append")?);
    let removed = config.list(&format!("remove.{of}")).into_iter().map(spelled);
    let mut remove: BTreeSet<String> = removed.collect();
    if remove.contains("") {
        return Err("it removes what has no name".to_owned());
    }
    let mut set = BTreeMap::new();
    for (name, value) in added {
        if !remove.remove(&name) && replace.get(&name) != Some(&value) {
            return Err(format!("it adds `{name}` only where it is not there yet"));
        }
        set.insert(name, value);
    }
    if let Some(name) = replace.keys().find(|name| !set.contains_key(*name)) {
        return Err(format!("it replaces `{name}` only where it is there"));
    }
    Ok(HeaderChanges {
        remove: remove.into_iter().collect(),
        set,
        add,
    })
}

/// `name:value`, each name once, each value plain text.
fn pairs(written: &[&str], spelled: &impl Fn(&str) -> String) -> Result<BTreeMap<String, String>, String> {
    let mut pairs = BTreeMap::new();
    for text in written {
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        if carries_credential(name) {
            return Err(format!("`{name}` carries a credential"));
        }
        let plain = !value.contains("$(") && !value.is_empty() && !value.chars().any(char::is_control);
        if name.is_empty() || !plain {
            return Err(format!("what it writes as `{name}` is more than a text"));
        }
        if pairs.insert(spelled(name), value.to_owned()).is_some() {
            return Err(format!("it writes `{name}` twice"));
        }
    }
    Ok(pairs)
}
