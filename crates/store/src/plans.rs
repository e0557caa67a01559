//! Plans that were sent to hosts, and what came of their steps: what survives a controller that is killed in mid-run.

use model::{AgentId, HostName, Outcome, PlanId, RunId, StepId, Verdict};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::{Result, Store, content};

/// A plan that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The plan.
    pub id: PlanId,
    /// Of this run.
    pub run: RunId,
    /// To this host.
    pub host: HostName,
    /// To this resident agent; `None` over other links.
    pub agent: Option<AgentId>,
    /// The number of the run's last event when the plan was sent.
    pub after_seq: u64,
    /// How many steps it has.
    pub steps: u32,
    /// Results are kept without their content.
    pub no_log: bool,
}

/// What is known of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRecord {
    /// The plan.
    pub plan: PlanId,
    /// The step.
    pub step: StepId,
    /// What came of it; `None`: it began.
    pub outcome: Option<Outcome>,
}

impl Store {
    /// A plan is about to be sent.
    pub async fn plan_sent(&self, plan: &Plan) -> Result<()> {
        let insert = "INSERT INTO plans (id, run, host, agent, after_seq, steps, no_log) VALUES (?, ?, ?, ?, ?, ?, ?)";
        sqlx::query(insert)
            .bind(plan.id.to_string())
            .bind(plan.run.to_string())
            .bind(plan.host.as_str())
            .bind(plan.agent.map(|agent| agent.to_string()))
            .bind(plan.after_seq.cast_signed())
            .bind(plan.steps)
            .bind(plan.no_log)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Keeps what an agent reported of steps and ended plans, in one transaction. The first report of a thing counts; what concerns
    /// plans that were not sent to this agent is dropped.
    pub async fn record(
        &self,
        agent: AgentId,
        steps: &[StepRecord],
        ended: &[PlanId],
    ) -> Result<()> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        for record in steps {
            let select = "SELECT no_log FROM plans WHERE id = ? AND agent = ?";
            let owner = sqlx::query_scalar::<_, bool>(select)
                .bind(record.plan.to_string())
                .bind(agent.to_string())
                .fetch_optional(&mut *transaction)
                .await?;
            let Some(no_log) = owner else { continue };
            let outcome =
                record.outcome.as_ref().map(|outcome| kept(outcome, no_log)).transpose()?;
            let upsert = "INSERT INTO results (plan, step, outcome) VALUES (?, ?, ?)
                ON CONFLICT (plan, step) DO UPDATE SET outcome = COALESCE(results.outcome, excluded.outcome)";
            sqlx::query(upsert)
                .bind(record.plan.to_string())
                .bind(record.step.0)
                .bind(outcome)
                .execute(&mut *transaction)
                .await?;
        }
        for plan in ended {
            let insert = "INSERT OR IGNORE INTO ended_plans (plan) SELECT id FROM plans WHERE id = ? AND agent = ?";
            sqlx::query(insert)
                .bind(plan.to_string())
                .bind(agent.to_string())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The plans of a run, in the order in which they were sent, and whether each has ended.
    pub async fn plans(&self, run: RunId) -> Result<Vec<(Plan, bool)>> {
        let select = "SELECT plans.*, ended_plans.plan IS NOT NULL AS ended FROM plans
            LEFT JOIN ended_plans ON ended_plans.plan = plans.id WHERE run = ? ORDER BY plans.rowid";
        let rows = sqlx::query(select).bind(run.to_string()).fetch_all(&self.pool).await?;
        rows.iter().map(|row| Ok((plan(row)?, row.get("ended")))).collect()
    }

    /// What is known of the steps of a plan, in their order.
    pub async fn steps(&self, plan: PlanId) -> Result<Vec<StepRecord>> {
        let select = "SELECT step, outcome FROM results WHERE plan = ? ORDER BY step";
        let rows = sqlx::query(select).bind(plan.to_string()).fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                let text: Option<String> = row.get("outcome");
                let outcome = text
                    .map(|text| serde_json::from_str(&text).map_err(content("an outcome")))
                    .transpose()?;
                Ok(StepRecord { plan, step: StepId(row.get("step")), outcome })
            })
            .collect()
    }
}

/// An outcome as it is kept: of a `no_log` step only how it ended.
fn kept(outcome: &Outcome, no_log: bool) -> Result<String> {
    let hidden = || "hidden by no_log".to_owned();
    let outcome = if no_log {
        let verdict = match &outcome.verdict {
            Verdict::Failed { .. } => Verdict::Failed { message: hidden() },
            Verdict::Unknown { .. } => Verdict::Unknown { message: hidden() },
            other => other.clone(),
        };
        &Outcome::new(verdict, model::Args::new())
    } else {
        outcome
    };
    serde_json::to_string(outcome).map_err(content("an outcome"))
}

fn plan(row: &SqliteRow) -> Result<Plan> {
    let agent: Option<String> = row.get("agent");
    Ok(Plan {
        id: row.get::<String, _>("id").parse().map_err(content("a plan id"))?,
        run: row.get::<String, _>("run").parse().map_err(content("a run id"))?,
        host: HostName::new(row.get::<String, _>("host")),
        agent: agent.map(|agent| agent.parse().map_err(content("an agent id"))).transpose()?,
        after_seq: row.get::<i64, _>("after_seq").unsigned_abs(),
        steps: row.get("steps"),
        no_log: row.get("no_log"),
    })
}
