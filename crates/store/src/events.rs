//! The events of runs, in their published form.

use model::{Event, RunId};

use crate::{Result, Store, content};

impl Store {
    /// Keeps events, in one transaction. Events that are there already stay as they are.
    pub async fn append_events(&self, events: &[Event]) -> Result<()> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        for event in events {
            sqlx::query("INSERT OR IGNORE INTO events (run, seq, event) VALUES (?, ?, ?)")
                .bind(event.run.to_string())
                .bind(event.seq.cast_signed())
                .bind(serde_json::to_string(event).map_err(content("an event"))?)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Events of a run behind a number, in order, at most `limit`.
    pub async fn events(&self, run: RunId, after: u64, limit: u32) -> Result<Vec<Event>> {
        let select = "SELECT event FROM events WHERE run = ? AND seq > ? ORDER BY seq LIMIT ?";
        let rows: Vec<String> = sqlx::query_scalar(select)
            .bind(run.to_string())
            .bind(after.cast_signed())
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(|text| serde_json::from_str(text).map_err(content("an event"))).collect()
    }
}
