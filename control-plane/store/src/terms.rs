//! On what terms a desired state may be carried out: what a plan saw, what was accepted, what goes first.

use gatehouse_schemas::{
    canonical::Fingerprint,
    identity::{ExternalRef, PlanId},
};
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;

use crate::{
    error::Result,
    row::{Columns as _, optional_json},
};

/// On what terms a desired state may be carried out. By default: a direct deploy that accepts no losses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeploymentTerms {
    /// What the gateway must hold for the work to be begun; what an approved plan saw.
    pub expected: Option<Expected>,
    /// The one object without our mark that may be taken over.
    pub adopt: Option<ExternalRef>,
    /// Whether losses other than of security policies were accepted.
    pub accept_loss: bool,
    /// What goes first when a vendor's quota is scarce.
    pub priority: Priority,
    /// The plan it is part of.
    pub plan_id: Option<PlanId>,
}

/// What a plan saw on the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Expected {
    /// The API, with this fingerprint.
    Present(Fingerprint),
    /// Nothing.
    Absent,
}

/// What goes first when a vendor's quota is scarce.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Priority {
    /// Looks that nobody waits for.
    Background,
    /// Deploys, undeploys, and what somebody waits for.
    #[default]
    Normal,
    /// Rollbacks.
    Rollback,
}

impl DeploymentTerms {
    pub(crate) fn of(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            expected: row.optional_json("expected")?,
            adopt: row.optional_text("adopt")?.map(ExternalRef),
            accept_loss: row.flag("accept_loss")?,
            priority: row.word("priority")?,
            plan_id: row.optional_parsed("plan_id")?,
        })
    }

    pub(crate) fn expected_json(&self) -> Result<Option<String>> {
        optional_json(self.expected.as_ref())
    }
}
