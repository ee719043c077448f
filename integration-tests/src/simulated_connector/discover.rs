//! Discovering: a page of the listing, and of it only what is not known yet is read one by one.

use futures_util::{StreamExt, stream};
use gatehouse_connector_sdk::{
    connector::{DiscoveryPage, PageRequest},
    error::{Error, ErrorKind, Result},
};
use gatehouse_schemas::{environment::DiscoveryFilter, identity::ExternalRef, observed::DiscoveredItem};
use reqwest::Method;
use serde_json::Value;

use super::{
    client::{Client, Listed, Page, Request},
    observe,
};

/// So many APIs are read at the same time.
const AT_ONCE: usize = 8;
/// The most that the vendor lists at once.
pub(super) const LARGEST_PAGE: u16 = 500;

/// Lists one page.
pub(super) async fn discover(client: &Client<'_>, request: &PageRequest) -> Result<DiscoveryPage> {
    let filter = Filter::new(&request.filter)?;
    let mut path = format!("/apis?limit={}", request.limit.clamp(1, LARGEST_PAGE.into()));
    if let Some(position) = &request.position {
        path.push_str("&position=");
        path.extend(percent_encoding::utf8_percent_encode(
            position,
            percent_encoding::NON_ALPHANUMERIC,
        ));
    }
    let page: Page = client
        .read(Request::new(
            "GetApis",
            Method::GET,
            path,
            "the APIs of the account",
        ))
        .await?;
    let wanted = page
        .items
        .into_iter()
        .filter(|listed| filter.lets_through(listed));
    let items = stream::iter(wanted)
        .map(|listed| item(client, request, listed))
        .buffered(AT_ONCE)
        .collect()
        .await;
    Ok(DiscoveryPage {
        items,
        next: page.position,
    })
}

async fn item(client: &Client<'_>, request: &PageRequest, listed: Listed) -> DiscoveredItem {
    let external_ref = ExternalRef(listed.id.clone());
    if request.known.get(&external_ref) == Some(&listed.etag) {
        return DiscoveredItem::Unchanged {
            external_ref,
            name: listed.name,
        };
    }
    match client.export(&listed.id, false).await {
        Ok(export) => DiscoveredItem::Api(Box::new(observe::observed(
            &export,
            &client.context.environment.endpoints,
        ))),
        // Not even "not found" says that it is gone: the listing has just said that it is there.
        Err(error) => DiscoveredItem::Unreadable {
            external_ref,
            name: listed.name,
            reason: error.message().to_owned(),
        },
    }
}

/// What of a listing is wanted; decided by the listing alone, so that what is not wanted costs nothing.
struct Filter<'a> {
    filter: &'a DiscoveryFilter,
    stage: Option<&'a str>,
}

impl<'a> Filter<'a> {
    fn new(filter: &'a DiscoveryFilter) -> Result<Self> {
        let mut stage = None;
        for (name, value) in &filter.selector {
            match (name.as_str(), value) {
                ("stage", Value::String(text)) => stage = Some(text.as_str()),
                ("stage", _) => {
                    return Err(invalid(
                        "the selector `stage` must be a text, the name of a stage",
                    ));
                }
                _ => {
                    return Err(invalid(&format!(
                        "the selector `{name}` is not known; there is `stage`, the name of a stage"
                    )));
                }
            }
        }
        Ok(Self { filter, stage })
    }

    fn lets_through(&self, listed: &Listed) -> bool {
        let tagged = |wanted: &String| {
            let (name, value) = wanted.split_once('=').unwrap_or((wanted, ""));
            listed
                .tags
                .get(name)
                .is_some_and(|found| value.is_empty() || found == value)
        };
        let named = |pattern: &String| matches(pattern.as_bytes(), listed.name.as_bytes());
        let staged = |stage: &str| listed.stages.iter().any(|it| it == stage);
        (self.filter.tags.is_empty() || self.filter.tags.iter().any(tagged))
            && (self.filter.names.is_empty() || self.filter.names.iter().any(named))
            && self.stage.is_none_or(staged)
    }
}

fn invalid(what: &str) -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!("{what}; correct the discovery's filter"),
    )
}

/// Whether a text matches a pattern in which `*` stands for any text and `?` for any character.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut in_text) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while in_text < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, in_text));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[in_text] => {
                at += 1;
                in_text += 1;
            }
            _ => match star {
                Some((star_at, taken)) => {
                    star = Some((star_at, taken + 1));
                    at = star_at + 1;
                    in_text = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    #[test]
    fn patterns_match_whole_names() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("orders", "orders", true),
            ("orders", "orders2", false),
            ("ord*", "orders", true),
            ("*ers", "orders", true),
            ("o?d*s", "orders", true),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbX", false),
            ("?", "", false),
        ] {
            let found = super::matches(pattern.as_bytes(), text.as_bytes());
            assert_eq!(found, expected, "{pattern} {text}");
        }
    }
}
