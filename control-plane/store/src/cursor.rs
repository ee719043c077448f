//! Pages: keyset pagination with opaque cursors, stable while rows come and go.
//!
//! A cursor holds the sort key of the last row seen, not a position: what is inserted or deleted
//! meanwhile moves nothing else in or out of later pages.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::error::{Result, StoreError};

/// How many rows a page has when the caller does not say.
pub const DEFAULT_PAGE_SIZE: u32 = 100;
/// The most rows a page has.
pub const MAX_PAGE_SIZE: u32 = 1000;

/// Which page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// The most rows wanted; between 1 and [`MAX_PAGE_SIZE`], default [`DEFAULT_PAGE_SIZE`].
    pub limit: Option<u32>,
    /// The `next_cursor` of the page before; absent for the first.
    pub cursor: Option<String>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Names the next page; absent on the last.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// The same page with each row turned into something else.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(change).collect(),
            next_cursor: self.next_cursor,
        }
    }
}

impl PageRequest {
    pub(crate) fn size(&self) -> usize {
        self.limit.unwrap_or(DEFAULT_PAGE_SIZE).clamp(1, MAX_PAGE_SIZE) as usize
    }

    /// The sort key to continue after; `list` guards against a cursor of another list.
    pub(crate) fn after(&self, list: &str) -> Result<Option<String>> {
        self.cursor
            .as_deref()
            .map(|cursor| decode(list, cursor))
            .transpose()
    }
}

/// Makes a page of rows that were fetched with a limit of one more than the page's size.
pub(crate) fn page<T>(
    list: &str,
    request: &PageRequest,
    mut rows: Vec<T>,
    key: impl Fn(&T) -> String,
) -> Page<T> {
    let size = request.size();
    let more = rows.len() > size;
    rows.truncate(size);
    let next_cursor = rows.last().filter(|_| more).map(|last| encode(list, &key(last)));
    Page {
        items: rows,
        next_cursor,
    }
}

pub(crate) fn encode(list: &str, key: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{list}\n{key}"))
}

fn decode(list: &str, cursor: &str) -> Result<String> {
    let bytes = URL_SAFE_NO_PAD
        .decode(cursor)
        .map_err(|_| StoreError::BadCursor)?;
    let text = String::from_utf8(bytes).map_err(|_| StoreError::BadCursor)?;
    match text.split_once('\n') {
        Some((name, key)) if name == list && !key.contains('\0') => Ok(key.to_owned()),
        _ => Err(StoreError::BadCursor),
    }
}
