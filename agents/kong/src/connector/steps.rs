//! Steps that change a Kong: each is recorded before it is taken.

use gatehouse_connector_sdk::{context::Context, error::Result, journal::StepIntent};

/// Takes steps one after the other.
#[derive(Debug)]
pub(super) struct Steps<'a> {
    context: &'a Context,
    taken: u32,
    of: u32,
}

impl<'a> Steps<'a> {
    pub(super) fn new(context: &'a Context, of: usize) -> Self {
        Self {
            context,
            taken: 0,
            of: u32::try_from(of).unwrap_or(u32::MAX),
        }
    }

    /// Takes a step that makes something, or nothing that has an identity.
    pub(super) async fn take<T>(
        &mut self,
        description: String,
        object: Option<String>,
        effect: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.taken += 1;
        let number = self.taken;
        let of = Some(self.of.max(number));
        let journal = &self.context.journal;
        journal
            .intend(StepIntent {
                number,
                of,
                description,
                object,
            })
            .await?;
        let result = effect.await?;
        journal.done(number).await?;
        Ok(result)
    }
}
