//! Steps one after the other.

use crate::{context::Context, error::Result, journal::StepIntent};

/// Takes the steps of one attempt: each is recorded before it is taken, and noted when it was.
///
/// ```
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// use gatehouse_connector_sdk::{error::Result, journal::Steps, schemas::environment::Mode};
///
/// async fn create_route() -> Result<String> {
///     Ok("route-7f3a".to_owned())
/// }
///
/// # acme::run(async {
/// let context = acme::context(Mode::ReadWrite);
/// let mut steps = Steps::new(&context, 2);
/// let route = steps.take("create the route".to_owned(), None, create_route()).await?;
/// assert_eq!(route, "route-7f3a");
/// # Ok(())
/// # });
/// ```
#[derive(Debug)]
pub struct Steps<'a> {
    context: &'a Context,
    taken: u32,
    of: u32,
}

impl<'a> Steps<'a> {
    /// None taken yet, of so many as far as is known.
    ///
    /// ```
    /// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
    /// # let context = acme::context(gatehouse_connector_sdk::schemas::environment::Mode::ReadWrite);
    /// let steps = gatehouse_connector_sdk::journal::Steps::new(&context, 3);
    /// ```
    pub fn new(context: &'a Context, of: usize) -> Self {
        Self {
            context,
            taken: 0,
            of: u32::try_from(of).unwrap_or(u32::MAX),
        }
    }

    /// Takes the next step. `object` is the gateway's identity, or name, of what it changes or makes, if that is known before.
    ///
    /// ```
    /// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
    /// # acme::run(async {
    /// # let context = acme::context(gatehouse_connector_sdk::schemas::environment::Mode::ReadWrite);
    /// let mut steps = gatehouse_connector_sdk::journal::Steps::new(&context, 1);
    /// let object = Some("route-7f3a".to_owned());
    /// let taken = steps.take("switch it on".to_owned(), object, async { Ok("on") }).await?;
    /// assert_eq!(taken, "on");
    /// # Ok(())
    /// # });
    /// ```
    pub async fn take<T>(
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
