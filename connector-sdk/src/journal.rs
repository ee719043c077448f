//! The journal: steps that change a gateway, recorded before they are taken.
//!
//! A connector whose deploy takes one call needs none of it. One that takes several records each with what it is
//! about to make, so that after a crash anywhere the next attempt, here or in another agent, finds it.

use std::fmt;

use async_trait::async_trait;
pub use gatehouse_control_plane_api::agent::{Step, StepState};

use crate::error::Result;

/// Records the steps of one piece of work.
#[async_trait]
pub trait Journal: fmt::Debug + Send + Sync {
    /// What earlier attempts recorded, in order: of this generation, and of those before it that were not finished.
    fn recorded(&self) -> Vec<Step>;

    /// Records that a step is about to be taken; `object` is the deterministic name or mark of what it makes.
    /// Once this returns, the step may be taken; after an error it must not.
    async fn intend(&self, step: StepIntent) -> Result<()>;

    /// Records that the step was taken. Losing this record does no harm.
    async fn done(&self, number: u32) -> Result<()>;
}

/// A step that is about to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepIntent {
    /// Its number, from 1.
    pub number: u32,
    /// How many steps there are in all, as far as known.
    pub of: Option<u32>,
    /// What it does, for people: `create the REST API`.
    pub description: String,
    /// The deterministic name or mark of what it makes on the gateway; none if it makes nothing.
    pub object: Option<String>,
}

/// A journal for work that needs none: tests, and looks that change nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoJournal;

#[async_trait]
impl Journal for NoJournal {
    fn recorded(&self) -> Vec<Step> {
        Vec::new()
    }

    async fn intend(&self, _step: StepIntent) -> Result<()> {
        Ok(())
    }

    async fn done(&self, _number: u32) -> Result<()> {
        Ok(())
    }
}
