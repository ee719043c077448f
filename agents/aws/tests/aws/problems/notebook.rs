//! A journal that remembers the steps of every attempt.

use std::sync::Mutex;

use async_trait::async_trait;
use gatehouse_connector_sdk::{
    error::Result,
    journal::{Journal, Step, StepIntent, StepState},
    schemas::identity::Generation,
};

#[derive(Debug, Default)]
pub(super) struct Notebook(Mutex<Vec<Step>>);

#[async_trait]
impl Journal for Notebook {
    fn recorded(&self) -> Vec<Step> {
        self.0.lock().unwrap().clone()
    }

    async fn intend(&self, step: StepIntent) -> Result<()> {
        self.0.lock().unwrap().push(Step {
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
        let mut steps = self.0.lock().unwrap();
        let intended = steps.iter_mut().rev().find(|step| step.number == number);
        if let Some(step) = intended {
            step.state = StepState::Done;
        }
        Ok(())
    }
}
