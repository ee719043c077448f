//! Pages of lists, and what narrows them.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gatehouse_control_plane_api::{admin, problem::ProblemKind};
use gatehouse_control_plane_store::{DEFAULT_PAGE_SIZE, Page, PageRequest, StoreError};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::failure::{Answer, Failure};

/// The most objects a page has.
const LIMIT_MAX: u32 = 500;

/// Which page of a list.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// The most objects wanted.
    #[param(minimum = 1, maximum = 500, default = 100)]
    pub(crate) limit: Option<u32>,
    /// The `nextCursor` of the page before.
    pub(crate) cursor: Option<String>,
}

impl PageQuery {
    /// The page, if there can be such a page.
    pub(crate) fn request(self) -> Answer<PageRequest> {
        request(self.limit, self.cursor)
    }
}

/// The page a client asks for.
pub(crate) fn request(limit: Option<u32>, cursor: Option<String>) -> Answer<PageRequest> {
    match limit {
        Some(limit) if limit == 0 || limit > LIMIT_MAX => Err(malformed(format!(
            "`limit` is {limit}; it must be between 1 and {LIMIT_MAX}"
        ))),
        limit => Ok(PageRequest { limit, cursor }),
    }
}

/// A page as the client reads it.
pub(crate) fn page<T>(items: Vec<T>, next_cursor: Option<String>) -> admin::Page<T> {
    admin::Page { items, next_cursor }
}

/// A page of rows, each turned into what the client reads.
pub(crate) fn mapped<T, U>(rows: Page<T>, change: impl FnMut(T) -> U) -> admin::Page<U> {
    let rows = rows.map(change);
    page(rows.items, rows.next_cursor)
}

/// A page of a list that is in memory whole, sorted by the key.
pub(crate) fn slice<T>(
    list: &str,
    request: &PageRequest,
    items: Vec<T>,
    key: impl Fn(&T) -> &str,
) -> Answer<Page<T>> {
    let after = match &request.cursor {
        Some(cursor) => Some(decoded(list, cursor).ok_or(StoreError::BadCursor)?),
        None => None,
    };
    let size = request.limit.unwrap_or(DEFAULT_PAGE_SIZE) as usize;
    let begins = items.partition_point(|item| after.as_deref().is_some_and(|after| key(item) <= after));
    let more = items.len() - begins > size;
    let items: Vec<T> = items.into_iter().skip(begins).take(size).collect();
    let last = items.last().filter(|_| more);
    let next_cursor = last.map(|last| URL_SAFE_NO_PAD.encode(format!("{list}\n{}", key(last))));
    Ok(Page { items, next_cursor })
}

fn decoded(list: &str, cursor: &str) -> Option<String> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let (name, key) = text.split_once('\n')?;
    (name == list).then(|| key.to_owned())
}

/// Reads `k=v,k2=v2`.
pub(crate) fn label_selector(text: Option<&str>) -> Answer<BTreeMap<String, String>> {
    let text = text.unwrap_or_default().trim();
    if text.is_empty() {
        return Ok(BTreeMap::new());
    }
    let pair = |pair: &str| match pair.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err(malformed(format!(
            "`labelSelector` has `{pair}`; write it as `key=value,key2=value2`"
        ))),
    };
    text.split(',').map(pair).collect()
}

fn malformed(detail: String) -> Failure {
    Failure::new(ProblemKind::MalformedRequest, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_label_selectors() {
        let read = label_selector(Some("tier=public, team=payments")).expect("valid");
        assert_eq!(read["tier"], "public");
        assert_eq!(read["team"], "payments");
        assert!(label_selector(None).expect("valid").is_empty());
        for bad in ["tier", "=x", "a=b,,c=d"] {
            assert!(label_selector(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn lists_in_memory_come_in_pages() {
        let all = ["a", "b", "c", "d", "e"];
        let mut request = PageRequest {
            limit: Some(2),
            cursor: None,
        };
        let mut seen = Vec::new();
        loop {
            let page = slice("letters", &request, all.to_vec(), |letter| letter).expect("a page");
            assert!(page.items.len() <= 2);
            seen.extend(page.items);
            request.cursor = page.next_cursor;
            if request.cursor.is_none() {
                break;
            }
            assert!(
                slice("numbers", &request, all.to_vec(), |letter| letter).is_err(),
                "another list's cursor"
            );
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn refuses_a_limit_that_no_page_can_have() {
        assert!(request(Some(0), None).is_err());
        assert!(request(Some(501), None).is_err());
        assert_eq!(request(Some(500), None).expect("valid").limit, Some(500));
    }
}
