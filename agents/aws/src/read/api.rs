//! What is said of an API and its stage as a whole.

mod kept;
mod policies;

use std::collections::{BTreeMap, BTreeSet};

use gatehouse_connector_sdk::schemas::{
    api::{ApiType, Direction, Upstream},
    observed::resource_name,
    revision::RevisionContent,
};

pub(super) use self::policies::policies;
use super::snapshot::{Mapping, Snapshot};

/// How our tags begin.
const MARK: &str = "gatehouse:";
/// The content without operations and policies.
pub(super) fn content(
    snapshot: &Snapshot,
    recorded: Option<&RevisionContent>,
    upstreams: BTreeMap<String, Upstream>,
    notes: &mut Vec<String>,
) -> RevisionContent {
    let (hostnames, base_path) = match recorded {
        Some(content) => (content.hostnames.clone(), content.base_path.clone()),
        None => reached_below(snapshot, notes),
    };
    let version = snapshot
        .version
        .clone()
        .filter(|version| !version.trim().is_empty());
    RevisionContent {
        display_name: recorded.map_or_else(|| named(snapshot), |content| content.display_name.clone()),
        version: version
            .or_else(|| recorded.map(|content| content.version.clone()))
            .unwrap_or_else(|| "v1".to_owned()),
        r#type: recorded.map_or(ApiType::Rest, |content| content.r#type),
        direction: recorded.map_or(Direction::Ingress, |content| content.direction),
        definition: None,
        hostnames,
        base_path,
        upstreams,
        policies: Vec::new(),
        operations: Vec::new(),
    }
}

fn named(snapshot: &Snapshot) -> String {
    let name = Some(snapshot.name.clone()).filter(|name| !name.trim().is_empty());
    name.unwrap_or_else(|| snapshot.id.clone())
}

/// Host names and base path: those of its custom domain names, or else a base path after its name, since AWS has none.
fn reached_below(snapshot: &Snapshot, notes: &mut Vec<String>) -> (Vec<String>, String) {
    let valid = |mapping: &&Mapping| is_host(&mapping.domain) && is_path(&mapping.base_path);
    let mut mappings = snapshot.mappings.iter().filter(valid);
    let Some(first) = mappings.next() else {
        let name = resource_name(&snapshot.name).or_else(|| resource_name(&snapshot.id));
        return (
            Vec::new(),
            name.map_or_else(|| "/".to_owned(), |name| format!("/{name}")),
        );
    };
    let (same, others): (Vec<&Mapping>, Vec<&Mapping>) =
        mappings.partition(|it| it.base_path == first.base_path);
    for other in others {
        notes.push(format!(
            "it is also reached at `{}/{}`",
            other.domain, other.base_path
        ));
    }
    let hosts: BTreeSet<String> = same
        .into_iter()
        .chain([first])
        .map(|it| it.domain.to_ascii_lowercase())
        .collect();
    (hosts.into_iter().collect(), format!("/{}", first.base_path))
}

fn is_host(domain: &str) -> bool {
    let name = domain.strip_prefix("*.").unwrap_or(domain);
    let label = |label: &str| {
        let inner = label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (1..=63).contains(&label.len()) && inner && !label.starts_with('-') && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

fn is_path(base_path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte);
    let segment =
        |segment: &str| !segment.is_empty() && !matches!(segment, "." | "..") && segment.bytes().all(plain);
    base_path.is_empty() || base_path.split('/').all(segment)
}

/// Its tags but for our mark.
pub(super) fn tags(snapshot: &Snapshot) -> Vec<String> {
    let foreign = snapshot
        .tags
        .iter()
        .filter(|(name, _)| !name.starts_with(MARK) && !name.starts_with("aws:"));
    foreign
        .map(|(name, value)| {
            if value.is_empty() {
                name.clone()
            } else {
                format!("{name}={value}")
            }
        })
        .collect()
}

/// Where consumers reach it: at its domain names, and at the place that AWS gives it unless that is switched off.
pub(super) fn endpoint_urls(snapshot: &Snapshot) -> Vec<String> {
    let at = |mapping: &Mapping| {
        format!("https://{}/{}", mapping.domain, mapping.base_path)
            .trim_end_matches('/')
            .to_owned()
    };
    let mut urls: Vec<String> = snapshot
        .mappings
        .iter()
        .filter(|it| !it.domain.starts_with('*'))
        .map(at)
        .collect();
    if !snapshot.disable_execute_api_endpoint {
        match snapshot.private_urls.is_empty() {
            true => urls.push(snapshot.own_url.clone()),
            false => urls.extend(snapshot.private_urls.iter().cloned()),
        }
    }
    urls
}
