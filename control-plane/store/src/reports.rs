//! What each agent last said of each deployment.

use gatehouse_schemas::{
    identity::{AgentId, DeploymentId, Generation},
    time::Timestamp,
};
use serde_json::Value;
use sqlx::{AnyConnection, any::AnyRow};

use crate::{
    bulk,
    error::Result,
    row::{Columns as _, each, signed, to_json},
    transaction::{Transaction, reads},
};

/// What one agent last said of a deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Of which deployment.
    pub deployment_id: DeploymentId,
    /// Who said it.
    pub agent_id: AgentId,
    /// Of which generation.
    pub generation: Generation,
    /// What: the outcome as it came.
    pub outcome: Value,
    /// When.
    pub at: Timestamp,
}

reads! {
    /// What agents said of a deployment, one report per agent.
    reports(deployment_id: DeploymentId) -> Vec<Report> = of_deployment;
}

async fn of_deployment(connection: &mut AnyConnection, deployment_id: DeploymentId) -> Result<Vec<Report>> {
    let rows = sqlx::query("SELECT * FROM deployment_reports WHERE deployment_id = $1 ORDER BY agent_id")
        .bind(deployment_id.to_string())
        .fetch_all(connection)
        .await?;
    each(rows, report)
}

fn report(row: &AnyRow) -> Result<Report> {
    Ok(Report {
        deployment_id: row.parsed("deployment_id")?,
        agent_id: row.parsed("agent_id")?,
        generation: Generation(row.count("generation")?),
        outcome: row.json("outcome")?,
        at: row.time("at")?,
    })
}

impl Transaction {
    /// Records what an agent says of a deployment, in place of what it said before.
    pub async fn put_report(
        &mut self,
        deployment_id: DeploymentId,
        agent_id: AgentId,
        generation: Generation,
        outcome: &Value,
    ) -> Result<()> {
        let said = [(agent_id, outcome.clone())];
        self.put_reports(deployment_id, generation, &said).await
    }

    /// Records what agents say of a deployment, each once, in place of what they said before.
    pub async fn put_reports(
        &mut self,
        deployment_id: DeploymentId,
        generation: Generation,
        said: &[(AgentId, Value)],
    ) -> Result<()> {
        let now = self.now.0;
        for said in said.chunks(bulk::size(5)) {
            let statement = format!(
                "INSERT INTO deployment_reports (deployment_id, agent_id, generation, outcome, at) VALUES {} \
                 ON CONFLICT (deployment_id, agent_id) \
                 DO UPDATE SET generation = excluded.generation, outcome = excluded.outcome, at = excluded.at",
                bulk::rows(0, 5, said.len())
            );
            let mut query = sqlx::query(sqlx::AssertSqlSafe(statement));
            for (agent_id, outcome) in said {
                query = query
                    .bind(deployment_id.to_string())
                    .bind(agent_id.to_string())
                    .bind(signed(generation.0))
                    .bind(to_json(outcome)?)
                    .bind(now);
            }
            query.execute(self.connection()).await?;
        }
        Ok(())
    }
}
