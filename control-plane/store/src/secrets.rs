//! The values of secrets: encrypted at rest, given only to those who may have them.

use std::collections::BTreeMap;

use gatehouse_schemas::identity::{ResourceName, ResourceVersion, SecretId};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{AnyConnection, AssertSqlSafe};

use crate::{
    database::Store,
    error::{Result, StoreError},
    key::EncryptionKey,
    row::{Columns as _, placeholders, signed},
    transaction::{Transaction, reads},
};

reads! {
    /// All secrets that have a value, with the version of the value: what desired states refer to.
    secret_versions() -> BTreeMap<ResourceName, ResourceVersion> = versions;
}

async fn versions(connection: &mut AnyConnection) -> Result<BTreeMap<ResourceName, ResourceVersion>> {
    let rows = sqlx::query(
        "SELECT resources.name AS name, secret_values.version AS version \
         FROM secret_values JOIN resources ON resources.id = secret_values.secret_id",
    )
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| Ok((row.parsed("name")?, ResourceVersion(row.count("version")?))))
        .collect()
}

impl Store {
    /// The values of these secrets; those that do not exist are left out.
    pub async fn secret_values(
        &self,
        names: &[ResourceName],
    ) -> Result<BTreeMap<ResourceName, SecretString>> {
        let mut connection = self.connection().await?;
        values(&mut connection, &self.inner.key, names).await
    }
}

impl Transaction {
    /// The values of these secrets; those that do not exist are left out.
    pub async fn secret_values(
        &mut self,
        names: &[ResourceName],
    ) -> Result<BTreeMap<ResourceName, SecretString>> {
        let store = self.store.clone();
        values(self.connection(), &store.inner.key, names).await
    }

    /// Gives a secret its value. `version` is the version of the resource that brought it; a rise of it is a change
    /// of every desired state that refers to the secret.
    pub async fn set_secret_value(
        &mut self,
        id: SecretId,
        version: ResourceVersion,
        value: &SecretString,
    ) -> Result<()> {
        let store = self.store.clone();
        let sealed = store
            .inner
            .key
            .seal(&id.to_string(), value.expose_secret().as_bytes())?;
        sqlx::query(
            "INSERT INTO secret_values (secret_id, version, sealed) VALUES ($1, $2, $3) \
             ON CONFLICT (secret_id) DO UPDATE SET version = $2, sealed = $3",
        )
        .bind(id.to_string())
        .bind(signed(version.0))
        .bind(sealed)
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

async fn values(
    connection: &mut AnyConnection,
    key: &EncryptionKey,
    names: &[ResourceName],
) -> Result<BTreeMap<ResourceName, SecretString>> {
    let mut found = BTreeMap::new();
    // A statement takes so many parameters and no more.
    for names in names.chunks(100) {
        let statement = format!(
            "SELECT resources.id AS id, resources.name AS name, secret_values.sealed AS sealed \
             FROM secret_values JOIN resources ON resources.id = secret_values.secret_id \
             WHERE resources.kind = 'Secret' AND resources.name IN ({})",
            placeholders(1, names.len())
        );
        // Nothing but parameter names is put into the text.
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for name in names {
            query = query.bind(name.to_string());
        }
        for row in query.fetch_all(&mut *connection).await? {
            let value = open(key, &row.text("id")?, &row.bytes("sealed")?)?;
            found.insert(row.parsed("name")?, value);
        }
    }
    Ok(found)
}

fn open(key: &EncryptionKey, id: &str, sealed: &[u8]) -> Result<SecretString> {
    let value = key.open(id, sealed)?;
    String::from_utf8(value)
        .map(SecretString::from)
        .map_err(|_| StoreError::corrupt(format!("secret/{id}"), "it is not UTF-8"))
}
