//! Definitions: large documents, kept once per content, compressed, apart from the rows that are read often.

use std::io::{Read as _, Write as _};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use gatehouse_schemas::canonical::Fingerprint;
use sqlx::AnyConnection;

use crate::{
    error::{Result, StoreError},
    row::{Columns as _, storable},
    transaction::{Transaction, reads},
};

/// A definition ready to be stored. Made before the transaction begins, for packing 10 MB takes its time.
#[derive(Clone)]
pub struct PackedDefinition {
    fingerprint: Fingerprint,
    content: Vec<u8>,
}

impl std::fmt::Debug for PackedDefinition {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "PackedDefinition({})", self.fingerprint)
    }
}

impl PackedDefinition {
    /// Packs the canonical JSON text of a document.
    pub async fn of(canonical_json: String) -> Result<Self> {
        off_the_reactor(move || {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(canonical_json.as_bytes())?;
            Ok(Self {
                fingerprint: Fingerprint::of_bytes(canonical_json.as_bytes()),
                content: encoder.finish()?,
            })
        })
        .await
    }

    /// The name it is stored under.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}

pub(crate) async fn off_the_reactor<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| StoreError::corrupt("a definition", error))?
        .map_err(|error| StoreError::corrupt("a definition", error))
}

reads! {
    /// The canonical JSON text of a definition.
    definition(fingerprint: &Fingerprint) -> Option<String> = content;
    /// Whether a definition is stored.
    has_definition(fingerprint: &Fingerprint) -> bool = exists;
}

async fn content(connection: &mut AnyConnection, fingerprint: &Fingerprint) -> Result<Option<String>> {
    let row = sqlx::query("SELECT content FROM definitions WHERE fingerprint = $1")
        .bind(storable(&fingerprint.0))
        .fetch_optional(connection)
        .await?;
    match row {
        Some(row) => unpack(row.bytes("content")?).await.map(Some),
        None => Ok(None),
    }
}

async fn unpack(content: Vec<u8>) -> Result<String> {
    off_the_reactor(move || {
        let mut text = String::new();
        DeflateDecoder::new(content.as_slice()).read_to_string(&mut text)?;
        Ok(text)
    })
    .await
}

async fn exists(connection: &mut AnyConnection, fingerprint: &Fingerprint) -> Result<bool> {
    let row = sqlx::query("SELECT fingerprint FROM definitions WHERE fingerprint = $1")
        .bind(storable(&fingerprint.0))
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}

impl Transaction {
    /// Stores a definition; storing the same again changes nothing. One that no revision refers to when an API is
    /// deleted is forgotten.
    pub async fn put_definition(&mut self, definition: &PackedDefinition) -> Result<()> {
        let now = self.now.0;
        sqlx::query(
            "INSERT INTO definitions (fingerprint, content, created_at) VALUES ($1, $2, $3) \
             ON CONFLICT (fingerprint) DO NOTHING",
        )
        .bind(definition.fingerprint.0.clone())
        .bind(definition.content.clone())
        .bind(now)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    pub(crate) async fn forget_unused_definitions(&mut self) -> Result<()> {
        sqlx::query(
            "DELETE FROM definitions WHERE NOT EXISTS \
             (SELECT 1 FROM revisions WHERE revisions.definition = definitions.fingerprint)",
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
