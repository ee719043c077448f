//! Schedules: when something is next due in an environment. When that is, the caller works out.

use gatehouse_schemas::{identity::EnvironmentId, time::Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::{AnyConnection, any::AnyRow};

use crate::{
    error::Result,
    row::{Columns as _, each, storable, to_word},
    transaction::{Transaction, reads},
};

/// What is done again and again in an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Where.
    pub environment_id: EnvironmentId,
    /// What.
    pub what: Scheduled,
    /// The expression that the time was worked out from: if people write another one, it has to be worked out anew.
    pub expression: String,
    /// When it is next due; none if it was taken up and the next time was not said.
    pub due_at: Option<Timestamp>,
}

/// What is done again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scheduled {
    /// Listing what the gateway has.
    Discovery,
    /// Looking for drift.
    Drift,
}

reads! {
    /// All schedules.
    schedules() -> Vec<Schedule> = all;
    /// When the next thing is due, anywhere.
    next_due() -> Option<Timestamp> = next;
}

async fn all(connection: &mut AnyConnection) -> Result<Vec<Schedule>> {
    let rows = sqlx::query("SELECT * FROM schedules ORDER BY environment_id, what")
        .fetch_all(connection)
        .await?;
    each(rows, schedule)
}

async fn next(connection: &mut AnyConnection) -> Result<Option<Timestamp>> {
    let row = sqlx::query("SELECT due_at FROM schedules WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1")
        .fetch_optional(connection)
        .await?;
    row.map(|row| row.time("due_at")).transpose()
}

fn schedule(row: &AnyRow) -> Result<Schedule> {
    Ok(Schedule {
        environment_id: row.parsed("environment_id")?,
        what: row.word("what")?,
        expression: row.text("expression")?,
        due_at: row.optional_time("due_at")?,
    })
}

impl Transaction {
    /// Says when something is next due, in place of what was said before.
    pub async fn put_schedule(&mut self, schedule: &Schedule) -> Result<()> {
        sqlx::query(
            "INSERT INTO schedules (environment_id, what, expression, due_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (environment_id, what) DO UPDATE SET expression = $3, due_at = $4",
        )
        .bind(schedule.environment_id.to_string())
        .bind(to_word(&schedule.what)?)
        .bind(storable(&schedule.expression))
        .bind(schedule.due_at.map(|due| due.0))
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Ends a schedule.
    pub async fn delete_schedule(&mut self, environment_id: EnvironmentId, what: Scheduled) -> Result<()> {
        sqlx::query("DELETE FROM schedules WHERE environment_id = $1 AND what = $2")
            .bind(environment_id.to_string())
            .bind(to_word(&what)?)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Takes up what is due at the transaction's time: whoever commits first has it, nobody else gets it. The caller does
    /// it, or writes it down, in this transaction and says when it is next due.
    pub async fn claim_due(&mut self) -> Result<Vec<Schedule>> {
        let now = self.now.0;
        let rows =
            sqlx::query("SELECT * FROM schedules WHERE due_at <= $1 ORDER BY due_at, environment_id, what")
                .bind(now)
                .fetch_all(self.connection())
                .await?;
        sqlx::query("UPDATE schedules SET due_at = NULL WHERE due_at <= $1")
            .bind(now)
            .execute(self.connection())
            .await?;
        each(rows, schedule)
    }
}
