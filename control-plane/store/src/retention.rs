//! What is forgotten, and when: so that a control plane that runs for years does not grow for years.
//!
//! | what | stays |
//! |---|---|
//! | ends of environments | as long as the caller says |
//! | answered and failed tasks | as long as the caller says |
//! | findings and pages of a discovery that ended | while it, or one that found the same, is among the newest 10 of its environment, or the last that took stock |
//! | discoveries that ended | while they are among the newest 500 of their environment, or findings of theirs stay |
//! | plans that nothing has to be done about | 90 days after their last change |
//! | the history of an API in an environment | the newest 100 entries |
//! | tombstones of the inventory | 90 days |

use gatehouse_schemas::time::Timestamp;
use sqlx::AssertSqlSafe;

use crate::{error::Result, transaction::Transaction};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// For so long, people can look up what was planned, and what is gone from a gateway.
const RECORDS_KEPT_MS: i64 = 90 * DAY_MS;
/// Enough to compare and import; each may have as many findings as its gateway has APIs.
const RUNS_WITH_FINDINGS: i64 = 10;
const RUNS_KEPT: i64 = 500;
/// The next run is compared with the last one, and may be found to be the same.
const NEEDED_BY_NONE: &str = "NOT EXISTS (SELECT 1 FROM discoveries AS same WHERE same.findings_of = discoveries.id) \
    AND NOT EXISTS (SELECT 1 FROM last_runs WHERE last_runs.discovery_id = discoveries.id)";
const HISTORY_KEPT: i64 = 100;
/// Of how many runs the findings go at once: the single writer is needed by others.
const RUNS_AT_ONCE: i64 = 20;

impl Transaction {
    /// Forgets what is no longer needed: the ends of environments and the answers to tasks that came before `before`, and
    /// what the table above says of the rest. Agents that last asked before then are told to take everything. Returns how
    /// many ends of environments were forgotten.
    pub async fn forget_ended(&mut self, before: Timestamp) -> Result<u64> {
        let ended = self.forget_environments(before).await?;
        self.forget_rows("DELETE FROM tasks WHERE finished_at < $1", before.0)
            .await?;
        self.forget_findings().await?;
        self.forget_history().await?;
        let old = self.now.0 - RECORDS_KEPT_MS;
        self.forget_rows(
            "DELETE FROM plans WHERE updated_at < $1 AND state NOT IN ('Pending', 'Applying', 'Compensating')",
            old,
        )
        .await?;
        self.forget_rows("DELETE FROM inventory WHERE removed_at < $1", old)
            .await?;
        Ok(ended)
    }

    async fn forget_environments(&mut self, before: Timestamp) -> Result<u64> {
        sqlx::query(
            "UPDATE counters SET value = (SELECT COALESCE(MAX(generation), 0) FROM (\
                 SELECT generation FROM environment_states WHERE deleted_at < $1 \
                 UNION ALL SELECT value FROM counters WHERE name = 'forgotten') AS ended) \
             WHERE name = 'forgotten'",
        )
        .bind(before.0)
        .execute(self.connection())
        .await?;
        self.forget_rows("DELETE FROM environment_states WHERE deleted_at < $1", before.0)
            .await
    }

    async fn forget_findings(&mut self) -> Result<()> {
        let old = format!(
            "SELECT id FROM discoveries WHERE finished_at IS NOT NULL \
             AND (SELECT COUNT(*) FROM discoveries AS newer WHERE newer.environment_id = discoveries.environment_id \
             AND newer.finished_at IS NOT NULL AND newer.id > discoveries.id) >= {RUNS_WITH_FINDINGS} \
             AND EXISTS (SELECT 1 FROM discovery_pages WHERE discovery_id = discoveries.id) \
             AND {NEEDED_BY_NONE} ORDER BY id LIMIT {RUNS_AT_ONCE}"
        );
        let statement = format!(
            "UPDATE discoveries SET findings_of = NULL WHERE findings_of IS NOT NULL AND id IN ({old})"
        );
        sqlx::query(AssertSqlSafe(statement))
            .execute(self.connection())
            .await?;
        // The pages go last: they say which runs there is something to forget of.
        for table in ["discovered_items", "discovery_pages"] {
            let statement = format!("DELETE FROM {table} WHERE discovery_id IN ({old})");
            sqlx::query(AssertSqlSafe(statement))
                .execute(self.connection())
                .await?;
        }
        let statement = format!(
            "DELETE FROM discoveries WHERE finished_at IS NOT NULL \
             AND (SELECT COUNT(*) FROM discoveries AS newer WHERE newer.environment_id = discoveries.environment_id \
             AND newer.finished_at IS NOT NULL AND newer.id > discoveries.id) >= {RUNS_KEPT} AND {NEEDED_BY_NONE}"
        );
        sqlx::query(AssertSqlSafe(statement))
            .execute(self.connection())
            .await?;
        Ok(())
    }

    async fn forget_history(&mut self) -> Result<()> {
        self.forget_rows(
            "DELETE FROM deployment_history WHERE (SELECT COUNT(*) FROM deployment_history AS newer \
             WHERE newer.api_id = deployment_history.api_id \
             AND newer.environment_id = deployment_history.environment_id \
             AND newer.generation > deployment_history.generation) >= $1",
            HISTORY_KEPT,
        )
        .await?;
        Ok(())
    }

    async fn forget_rows(&mut self, statement: &'static str, bound: i64) -> Result<u64> {
        let done = sqlx::query(statement)
            .bind(bound)
            .execute(self.connection())
            .await?;
        Ok(done.rows_affected())
    }
}
