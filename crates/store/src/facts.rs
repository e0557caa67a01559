//! What hosts said about themselves, the newest only.

use jiff::Timestamp;
use model::{Args, HostName};
use sqlx::Row as _;

use crate::{Result, Store, content, millis, timestamp};

/// A host's facts.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// `ansible_facts`.
    pub facts: Args,
    /// When they were gathered.
    pub learnt: Timestamp,
}

impl Store {
    /// Keeps a host's facts, laid over those known before: a partial gather does not lose the rest.
    pub async fn learn_facts(&self, host: &HostName, facts: &Args, at: Timestamp) -> Result<()> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let known: Option<String> = sqlx::query_scalar("SELECT facts FROM facts WHERE host = ?")
            .bind(host.as_str())
            .fetch_optional(&mut *transaction)
            .await?;
        let mut all: Args = match known {
            Some(text) => serde_json::from_str(&text).map_err(content("facts"))?,
            None => Args::new(),
        };
        all.extend(facts.clone());
        let upsert = "INSERT INTO facts (host, facts, learnt_at) VALUES (?, ?, ?)
            ON CONFLICT (host) DO UPDATE SET facts = excluded.facts, learnt_at = excluded.learnt_at";
        sqlx::query(upsert)
            .bind(host.as_str())
            .bind(serde_json::to_string(&all).map_err(content("facts"))?)
            .bind(millis(at))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// A host's facts.
    pub async fn facts(&self, host: &HostName) -> Result<Option<Facts>> {
        let row = sqlx::query("SELECT facts, learnt_at FROM facts WHERE host = ?")
            .bind(host.as_str())
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| {
            let facts =
                serde_json::from_str(&row.get::<String, _>("facts")).map_err(content("facts"))?;
            Ok(Facts { facts, learnt: timestamp(row.get("learnt_at")) })
        })
        .transpose()
    }
}
