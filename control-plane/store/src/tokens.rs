//! API tokens of people and programs: hashed, with a role and perhaps an end.

use gatehouse_schemas::{
    identity::{ResourceName, TokenId},
    time::Timestamp,
};
use sqlx::{AnyConnection, any::AnyRow};
use uuid::Uuid;

use crate::{
    cursor::{Page, PageRequest, page},
    error::{Result, StoreError},
    row::{Columns as _, each, limit},
    transaction::{Transaction, reads},
};

/// An API token, without the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Which.
    pub id: TokenId,
    /// Whose.
    pub name: ResourceName,
    /// What it may do: the role's name, which the store does not interpret.
    pub role: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
}

reads! {
    /// The token with this SHA-256, in hexadecimal; also if it has ended or was revoked.
    token_by_hash(sha256: &str) -> Option<Token> = by_hash;
    /// A page of the tokens that are not revoked, oldest first.
    tokens(request: &PageRequest) -> Page<Token> = list;
    /// How many tokens of a role are neither revoked nor ended.
    usable_tokens(role: &str, now: Timestamp) -> u64 = usable;
    /// Whether there has ever been a token: a database without one is new.
    has_tokens() -> bool = any;
}

async fn by_hash(connection: &mut AnyConnection, sha256: &str) -> Result<Option<Token>> {
    let row = sqlx::query("SELECT * FROM tokens WHERE sha256 = $1")
        .bind(sha256.to_owned())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(token).transpose()
}

async fn list(connection: &mut AnyConnection, request: &PageRequest) -> Result<Page<Token>> {
    let after = request.after("tokens")?;
    let rows = sqlx::query(
        "SELECT * FROM tokens WHERE revoked_at IS NULL AND ($1 IS NULL OR id > $1) ORDER BY id LIMIT $2",
    )
    .bind(after)
    .bind(limit(request.size()))
    .fetch_all(connection)
    .await?;
    let tokens = each(rows, token)?;
    Ok(page("tokens", request, tokens, |token| token.id.to_string()))
}

async fn usable(connection: &mut AnyConnection, role: &str, now: Timestamp) -> Result<u64> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS usable FROM tokens \
         WHERE role = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)",
    )
    .bind(role.to_owned())
    .bind(now.0)
    .fetch_one(connection)
    .await?;
    row.count("usable")
}

async fn any(connection: &mut AnyConnection) -> Result<bool> {
    let row = sqlx::query("SELECT id FROM tokens LIMIT 1")
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}

fn token(row: &AnyRow) -> Result<Token> {
    Ok(Token {
        id: row.parsed("id")?,
        name: row.parsed("name")?,
        role: row.text("role")?,
        created_at: row.time("created_at")?,
        expires_at: row.optional_time("expires_at")?,
        revoked_at: row.optional_time("revoked_at")?,
    })
}

impl Transaction {
    /// Records a token by its SHA-256 in hexadecimal. The name must not belong to another that is not revoked.
    pub async fn create_token(
        &mut self,
        name: &ResourceName,
        role: &str,
        sha256: &str,
        expires_at: Option<Timestamp>,
    ) -> Result<Token> {
        let id = Uuid::now_v7();
        let now = self.now.0;
        sqlx::query(
            "INSERT INTO tokens (id, name, role, sha256, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(id.to_string())
        .bind(name.to_string())
        .bind(role.to_owned())
        .bind(sha256.to_owned())
        .bind(now)
        .bind(expires_at.map(|end| end.0))
        .execute(self.connection())
        .await
        .map_err(|error| StoreError::or_exists(error, format!("token/{name}")))?;
        let written = by_hash(self.connection(), sha256).await?;
        written.ok_or_else(|| StoreError::not_found(format!("token/{name}")))
    }

    /// Ends a token now. Returns it as it was.
    pub async fn revoke_token(&mut self, id: TokenId) -> Result<Token> {
        let row = sqlx::query("SELECT * FROM tokens WHERE id = $1 AND revoked_at IS NULL")
            .bind(id.to_string())
            .fetch_optional(self.connection())
            .await?;
        let row = row.ok_or_else(|| StoreError::not_found(format!("token {id}")))?;
        let now = self.now.0;
        sqlx::query("UPDATE tokens SET revoked_at = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(now)
            .execute(self.connection())
            .await?;
        token(&row)
    }
}
