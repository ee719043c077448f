//! Findings ready to be stored: deflated before the transaction begins, so that the single writer need not wait.

use std::io::{Read as _, Write as _};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use gatehouse_schemas::{
    canonical::Fingerprint,
    identity::ExternalRef,
    observed::{DiscoveredItem, ObservedApi},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    definitions::off_the_reactor,
    error::{Result, StoreError},
    row::{storable, to_json},
};

/// Findings ready to be stored: those of one batch of a page.
#[derive(Debug, Clone, Default)]
pub struct PackedFindings {
    pub(crate) rows: Vec<PackedFinding>,
    /// What arrived as unchanged: kept by page, not by finding.
    pub(crate) unchanged: Vec<ExternalRef>,
}

#[derive(Debug, Clone)]
pub(crate) struct PackedFinding {
    pub(crate) external_ref: String,
    pub(crate) name: String,
    pub(crate) api: Option<PackedApi>,
    /// What is no API: small, as it is.
    pub(crate) item: String,
}

#[derive(Debug, Clone)]
pub(crate) struct PackedApi {
    pub(crate) version: Option<String>,
    pub(crate) fingerprint: String,
    pub(crate) content_fingerprint: String,
    pub(crate) tags: String,
    pub(crate) packed: Vec<u8>,
}

impl PackedFindings {
    /// Packs findings.
    pub async fn of(items: Vec<DiscoveredItem>) -> Result<Self> {
        off_the_reactor(move || Ok(pack_all(items))).await?
    }

    /// What of these findings arrived as unchanged. It is no row of its own: [`PageEnd::seen`] takes it.
    ///
    /// [`PageEnd::seen`]: crate::PageEnd::seen
    pub fn unchanged(&self) -> &[ExternalRef] {
        &self.unchanged
    }

    /// How many findings these are, unchanged ones included.
    pub fn len(&self) -> usize {
        self.rows.len() + self.unchanged.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn pack_all(items: Vec<DiscoveredItem>) -> Result<PackedFindings> {
    let mut packed = PackedFindings::default();
    for item in items {
        match item {
            DiscoveredItem::Unchanged { external_ref, .. } => packed.unchanged.push(external_ref),
            DiscoveredItem::Api(api) => packed.rows.push(pack_api(&api)?),
            DiscoveredItem::Unreadable { .. } => packed.rows.push(PackedFinding {
                external_ref: storable(&item.external_ref().0),
                name: storable(item.name()),
                api: None,
                item: to_json(&item)?,
            }),
        }
    }
    Ok(packed)
}

fn pack_api(api: &ObservedApi) -> Result<PackedFinding> {
    let content = Fingerprint::of(&api.content).map_err(|error| StoreError::corrupt("a finding", error))?;
    Ok(PackedFinding {
        external_ref: storable(&api.external_ref.0),
        name: storable(&api.name),
        item: String::new(),
        api: Some(PackedApi {
            version: api.version.as_deref().map(storable),
            fingerprint: storable(&api.fingerprint.0),
            content_fingerprint: content.0,
            tags: to_json(&api.tags)?,
            packed: pack(api)?,
        }),
    })
}

/// Any value as deflated JSON.
pub(crate) fn pack<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let json = to_json(value)?;
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(json.len() / 3), Compression::fast());
    encoder
        .write_all(json.as_bytes())
        .and_then(|()| encoder.finish())
        .map_err(|error| StoreError::corrupt("a value to be stored", error))
}

/// A value out of deflated JSON.
pub(crate) fn unpack<T: DeserializeOwned>(packed: &[u8]) -> Result<T> {
    let mut text = String::new();
    DeflateDecoder::new(packed)
        .read_to_string(&mut text)
        .map_err(|error| StoreError::corrupt("what was packed", error))?;
    serde_json::from_str(&text).map_err(|error| StoreError::corrupt("what was packed", error))
}

/// Unpacks many values without keeping others waiting.
pub(crate) async fn unpack_all<Key, Value>(rows: Vec<(Key, Vec<u8>)>) -> Result<Vec<(Key, Value)>>
where
    Key: Send + 'static,
    Value: DeserializeOwned + Send + 'static,
{
    off_the_reactor(move || {
        let unpacked = rows.into_iter().map(|(key, packed)| Ok((key, unpack(&packed)?)));
        Ok(unpacked.collect::<Result<_>>())
    })
    .await?
}
