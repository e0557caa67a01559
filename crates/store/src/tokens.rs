//! Join tokens: one use, a lifetime, and only the public half.

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::{Result, Store, millis, timestamp};

/// A join token as the controller knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its id, which is not secret.
    pub id: String,
    /// The public key of its secret.
    pub key: Vec<u8>,
    /// The only name that an agent may enrol under with it.
    pub name: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends.
    pub ends: Timestamp,
    /// The agent that used it.
    pub used_by: Option<String>,
    /// Taken back.
    pub revoked: bool,
}

impl Store {
    /// Keeps a new token.
    pub async fn add_token(&self, token: &Token) -> Result<()> {
        sqlx::query(
            "INSERT INTO tokens (id, key, name, created_at, ends_at) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(&token.id)
        .bind(&token.key)
        .bind(&token.name)
        .bind(millis(token.created))
        .bind(millis(token.ends))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// A token by its id.
    pub async fn token(&self, id: &str) -> Result<Option<Token>> {
        let row = sqlx::query("SELECT * FROM tokens WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.as_ref().map(token))
    }

    /// All tokens, the newest first.
    pub async fn tokens(&self) -> Result<Vec<Token>> {
        let rows = sqlx::query("SELECT * FROM tokens ORDER BY created_at DESC, id")
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.iter().map(token).collect())
    }

    /// Takes a token back; `false` when there is none of that id.
    pub async fn revoke_token(&self, id: &str) -> Result<bool> {
        let done = sqlx::query("UPDATE tokens SET revoked = 1 WHERE id = ?")
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }
}

fn token(row: &SqliteRow) -> Token {
    Token {
        id: row.get("id"),
        key: row.get("key"),
        name: row.get("name"),
        created: timestamp(row.get("created_at")),
        ends: timestamp(row.get("ends_at")),
        used_by: row.get("used_by"),
        revoked: row.get("revoked"),
    }
}
