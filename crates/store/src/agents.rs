//! Enrolled agents. A name belongs to at most one agent that is not revoked.

use jiff::Timestamp;
use model::{AgentId, HostName};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::{Result, Store, content, millis, timestamp};

/// An agent as the controller knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Its identity.
    pub id: AgentId,
    /// The name under which playbooks know its host.
    pub name: HostName,
    /// What the host calls itself: a label that it chose.
    pub hostname: String,
    /// The number of its newest certificate.
    pub serial: String,
    /// When that certificate ends.
    pub certificate_ends: Timestamp,
    /// The program's version.
    pub agent_version: String,
    /// When it was enrolled.
    pub enrolled: Timestamp,
    /// When it last opened or closed a session.
    pub last_seen: Option<Timestamp>,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
}

/// An agent that wants to be admitted.
#[derive(Debug, Clone)]
pub struct NewAgent<'a> {
    /// The token that is burned.
    pub token: &'a str,
    /// Its identity.
    pub id: AgentId,
    /// Its name.
    pub name: &'a HostName,
    /// The number of its certificate.
    pub serial: &'a str,
    /// When the certificate ends.
    pub certificate_ends: Timestamp,
    /// The program's version.
    pub agent_version: &'a str,
}

/// How an admission ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// The token is burned and the agent is known.
    Admitted,
    /// The token is unknown, used, revoked or over.
    TokenUsed,
    /// The name belongs to this agent.
    NameTaken(AgentId),
}

impl Store {
    /// In one transaction: burns the token if it is still good, and makes the agent known. A name goes over from a revoked agent,
    /// or from one that has never connected.
    pub async fn admit(&self, new: &NewAgent<'_>, now: Timestamp) -> Result<Admission> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let burn = "UPDATE tokens SET used_by = ? WHERE id = ? AND used_by IS NULL AND revoked = 0 AND ends_at > ?";
        let burned = sqlx::query(burn)
            .bind(new.id.to_string())
            .bind(new.token)
            .bind(millis(now))
            .execute(&mut *transaction)
            .await?;
        if burned.rows_affected() == 0 {
            return Ok(Admission::TokenUsed);
        }
        let holder = "SELECT id, connected_at FROM agents WHERE name = ? AND revoked_at IS NULL";
        if let Some(row) =
            sqlx::query(holder).bind(new.name.as_str()).fetch_optional(&mut *transaction).await?
        {
            let id: String = row.get("id");
            if row.get::<Option<i64>, _>("connected_at").is_some() {
                return Ok(Admission::NameTaken(id.parse().map_err(content("an agent id"))?));
            }
            sqlx::query("UPDATE agents SET revoked_at = ? WHERE id = ?")
                .bind(millis(now))
                .bind(id)
                .execute(&mut *transaction)
                .await?;
        }
        let insert =
            "INSERT INTO agents (id, name, serial, certificate_ends_at, agent_version, enrolled_at)
            VALUES (?, ?, ?, ?, ?, ?)";
        sqlx::query(insert)
            .bind(new.id.to_string())
            .bind(new.name.as_str())
            .bind(new.serial)
            .bind(millis(new.certificate_ends))
            .bind(new.agent_version)
            .bind(millis(now))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(Admission::Admitted)
    }

    /// An agent has a new certificate.
    pub async fn agent_renewed(&self, agent: AgentId, serial: &str, ends: Timestamp) -> Result<()> {
        sqlx::query("UPDATE agents SET serial = ?, certificate_ends_at = ? WHERE id = ?")
            .bind(serial)
            .bind(millis(ends))
            .bind(agent.to_string())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The agent, not revoked, that is enrolled under a name.
    pub async fn agent_named(&self, name: &HostName) -> Result<Option<AgentId>> {
        let id: Option<String> =
            sqlx::query_scalar("SELECT id FROM agents WHERE name = ? AND revoked_at IS NULL")
                .bind(name.as_str())
                .fetch_optional(&self.pool)
                .await?;
        id.map(|id| id.parse().map_err(content("an agent id"))).transpose()
    }

    /// An agent opened a session.
    pub async fn agent_connected(
        &self,
        agent: AgentId,
        hostname: &str,
        version: &str,
        at: Timestamp,
    ) -> Result<()> {
        let update = "UPDATE agents SET hostname = ?, agent_version = ?, connected_at = ?, last_seen_at = ? WHERE id = ?";
        sqlx::query(update)
            .bind(hostname)
            .bind(version)
            .bind(millis(at))
            .bind(millis(at))
            .bind(agent.to_string())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// An agent's session ended.
    pub async fn agent_seen(&self, agent: AgentId, at: Timestamp) -> Result<()> {
        sqlx::query("UPDATE agents SET last_seen_at = ? WHERE id = ?")
            .bind(millis(at))
            .bind(agent.to_string())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// All agents, revoked ones included, by name.
    pub async fn agents(&self) -> Result<Vec<Agent>> {
        let rows = sqlx::query("SELECT * FROM agents ORDER BY name, enrolled_at")
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(agent).collect()
    }

    /// An agent by its id, or the one that holds (else: last held) a name.
    pub async fn agent(&self, id_or_name: &str) -> Result<Option<Agent>> {
        let select = "SELECT * FROM agents WHERE id = ?1 OR name = ?1
            ORDER BY id = ?1 DESC, revoked_at IS NULL DESC, enrolled_at DESC LIMIT 1";
        let row = sqlx::query(select).bind(id_or_name).fetch_optional(&self.pool).await?;
        row.as_ref().map(agent).transpose()
    }

    /// Revokes an agent for ever; `false` when it was revoked or unknown before.
    pub async fn revoke_agent(&self, agent: AgentId, at: Timestamp) -> Result<bool> {
        let done =
            sqlx::query("UPDATE agents SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL")
                .bind(millis(at))
                .bind(agent.to_string())
                .execute(&self.pool)
                .await?;
        Ok(done.rows_affected() > 0)
    }
}

fn agent(row: &SqliteRow) -> Result<Agent> {
    let time = |column: &str| row.get::<Option<i64>, _>(column).map(timestamp);
    Ok(Agent {
        id: row.get::<String, _>("id").parse().map_err(content("an agent id"))?,
        name: HostName::new(row.get::<String, _>("name")),
        hostname: row.get("hostname"),
        serial: row.get("serial"),
        certificate_ends: timestamp(row.get("certificate_ends_at")),
        agent_version: row.get("agent_version"),
        enrolled: timestamp(row.get("enrolled_at")),
        last_seen: time("last_seen_at"),
        revoked: time("revoked_at"),
    })
}
