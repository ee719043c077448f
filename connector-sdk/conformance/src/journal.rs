//! A journal that remembers, and that can refuse.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use gatehouse_connector_sdk::{
    error::{Error, ErrorKind, Result},
    journal::{Journal, Step, StepIntent, StepState},
};
use gatehouse_schemas::identity::Generation;

/// Remembers the steps of all attempts; clones share what is remembered.
#[derive(Debug, Clone, Default)]
pub(crate) struct TestJournal {
    steps: Arc<Mutex<Vec<Step>>>,
    /// From which number on records are refused.
    refuse_from: Option<u32>,
}

impl TestJournal {
    /// The same, refusing every record from a number on.
    pub(crate) fn refusing_from(&self, number: u32) -> Self {
        Self {
            steps: self.steps.clone(),
            refuse_from: Some(number),
        }
    }

    pub(crate) fn steps(&self) -> Vec<Step> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Step>> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a refused record says.
pub(crate) const REFUSED: &str = "the conformance suite takes no more records";

#[async_trait]
impl Journal for TestJournal {
    fn recorded(&self) -> Vec<Step> {
        self.steps()
    }

    async fn intend(&self, step: StepIntent) -> Result<()> {
        if self.refuse_from.is_some_and(|number| step.number >= number) {
            return Err(Error::new(ErrorKind::Conflict, REFUSED));
        }
        self.lock().push(Step {
            generation: Generation(1),
            number: step.number,
            of: step.of,
            description: step.description,
            object: step.object,
            state: StepState::Intended,
        });
        Ok(())
    }

    async fn done(&self, number: u32) -> Result<()> {
        let mut steps = self.lock();
        let intended = steps.iter_mut().rev().find(|step| step.number == number);
        if let Some(step) = intended {
            step.state = StepState::Done;
        }
        Ok(())
    }
}
