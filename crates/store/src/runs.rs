//! Runs, and how they ended.

use jiff::Timestamp;
use model::{RunId, RunStatus};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::{Result, Store, content, millis, timestamp};

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// Its playbooks, for people.
    pub title: String,
    /// Who started it.
    pub caller: String,
    /// How it ended, or that it goes on.
    pub status: RunStatus,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

impl Run {
    /// A new run, that begins now.
    #[must_use]
    pub fn begun(title: String, caller: String) -> Self {
        Self {
            id: RunId::generate(),
            title,
            caller,
            status: RunStatus::Running,
            started: Timestamp::now(),
            ended: None,
        }
    }
}

impl Store {
    /// A run begins.
    pub async fn start_run(&self, run: &Run) -> Result<()> {
        sqlx::query(
            "INSERT INTO runs (id, title, caller, status, started_at) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(run.id.to_string())
        .bind(&run.title)
        .bind(&run.caller)
        .bind(status_text(run.status)?)
        .bind(millis(run.started))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// A run ended.
    pub async fn end_run(&self, run: RunId, status: RunStatus, at: Timestamp) -> Result<()> {
        sqlx::query("UPDATE runs SET status = ?, ended_at = ? WHERE id = ?")
            .bind(status_text(status)?)
            .bind(millis(at))
            .bind(run.to_string())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// A run by its id.
    pub async fn run(&self, run: RunId) -> Result<Option<Run>> {
        let select = "SELECT * FROM runs WHERE id = ?";
        let row = sqlx::query(select).bind(run.to_string()).fetch_optional(&self.pool).await?;
        row.as_ref().map(read).transpose()
    }

    /// The newest runs first.
    pub async fn runs(&self, limit: u32) -> Result<Vec<Run>> {
        let select = "SELECT * FROM runs ORDER BY started_at DESC, id DESC LIMIT ?";
        let rows = sqlx::query(select).bind(limit).fetch_all(&self.pool).await?;
        rows.iter().map(read).collect()
    }

    /// Runs that go on, or did when the controller stopped.
    pub async fn running(&self) -> Result<Vec<Run>> {
        let select = "SELECT * FROM runs WHERE status = ? ORDER BY started_at";
        let rows = sqlx::query(select)
            .bind(status_text(RunStatus::Running)?)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(read).collect()
    }
}

/// The status in its published spelling.
fn status_text(status: RunStatus) -> Result<String> {
    let json = serde_json::to_value(status).map_err(content("a run's status"))?;
    Ok(json.as_str().unwrap_or_default().to_owned())
}

fn read(row: &SqliteRow) -> Result<Run> {
    let status: String = row.get("status");
    Ok(Run {
        id: row.get::<String, _>("id").parse().map_err(content("a run id"))?,
        title: row.get("title"),
        caller: row.get("caller"),
        status: serde_json::from_value(status.into()).map_err(content("a run's status"))?,
        started: timestamp(row.get("started_at")),
        ended: row.get::<Option<i64>, _>("ended_at").map(timestamp),
    })
}
