//! The journal: steps that change a gateway, recorded before they are taken.
//!
//! A connector whose deploy takes one call needs none of it. One that takes several records each with what it is
//! about to make, so that after a crash anywhere the next attempt, here or in another agent, finds it.
//!
//! ```
//! use gatehouse_connector_sdk::{
//!     context::Context,
//!     error::Result,
//!     journal::{StepIntent, StepState},
//! };
//!
//! /// Makes the route of an API, unless an earlier attempt did.
//! async fn make_route(context: &Context, name: &str) -> Result<bool> {
//!     let is_there = |step: &gatehouse_connector_sdk::journal::Step| {
//!         step.object.as_deref() == Some(name) && step.state == StepState::Done
//!     };
//!     if context.journal.recorded().iter().any(is_there) {
//!         return Ok(false);
//!     }
//!     let description = "create the route".to_owned();
//!     let object = Some(name.to_owned());
//!     context.journal.intend(StepIntent { number: 1, of: Some(2), description, object }).await?;
//!     // Here the admin API is called.
//!     context.journal.done(1).await?;
//!     Ok(true)
//! }
//! # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
//! # acme::run(async {
//! # let context = acme::context(gatehouse_connector_sdk::schemas::environment::Mode::ReadWrite);
//!
//! assert!(make_route(&context, "orders-7f3a").await?);
//! # Ok(())
//! # });
//! ```

mod steps;

use std::fmt;

use async_trait::async_trait;
pub use gatehouse_control_plane_api::agent::{Step, StepState};

pub use self::steps::Steps;

use crate::error::Result;

/// Records the steps of one piece of work.
///
/// For a connector's tests, one that keeps what it is told:
///
/// ```
/// use std::sync::Mutex;
///
/// use async_trait::async_trait;
/// use gatehouse_connector_sdk::{
///     error::Result,
///     journal::{Journal, Step, StepIntent, StepState},
///     schemas::identity::Generation,
/// };
///
/// #[derive(Debug, Default)]
/// struct Notebook(Mutex<Vec<Step>>);
///
/// #[async_trait]
/// impl Journal for Notebook {
///     fn recorded(&self) -> Vec<Step> {
///         self.0.lock().unwrap().clone()
///     }
///
///     async fn intend(&self, step: StepIntent) -> Result<()> {
///         let StepIntent { number, of, description, object } = step;
///         let generation = Generation(1);
///         let state = StepState::Intended;
///         self.0.lock().unwrap().push(Step { generation, number, of, description, object, state });
///         Ok(())
///     }
///
///     async fn done(&self, number: u32) -> Result<()> {
///         for step in self.0.lock().unwrap().iter_mut().filter(|step| step.number == number) {
///             step.state = StepState::Done;
///         }
///         Ok(())
///     }
/// }
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// # acme::run(async {
///
/// let notebook = Notebook::default();
/// let description = "create the route".to_owned();
/// notebook.intend(StepIntent { number: 1, of: Some(1), description, object: None }).await?;
/// assert_eq!(notebook.recorded()[0].state, StepState::Intended);
/// notebook.done(1).await?;
/// assert_eq!(notebook.recorded()[0].state, StepState::Done);
/// # Ok(())
/// # });
/// ```
#[async_trait]
pub trait Journal: fmt::Debug + Send + Sync {
    /// What earlier attempts recorded, in order: of this generation, and of those before it that were not finished.
    fn recorded(&self) -> Vec<Step>;

    /// Records that a step is about to be taken; `object` is the deterministic name or mark of what it makes.
    /// Once this returns, the step may be taken; after an error it must not.
    ///
    /// # Errors
    ///
    /// `Conflict` if the environment's lease ended, something newer is desired, or the agent stops; `Unsupported` if the
    /// control plane is too old to record steps; `Unavailable` if the record could not be made. Give the error on as it
    /// is.
    async fn intend(&self, step: StepIntent) -> Result<()>;

    /// Records that the step was taken. Losing this record does no harm.
    async fn done(&self, number: u32) -> Result<()>;
}

/// A step that is about to be taken.
///
/// ```
/// use gatehouse_connector_sdk::journal::StepIntent;
///
/// let step = StepIntent {
///     number: 2,
///     of: Some(3),
///     description: "attach the key policy to the route".to_owned(),
///     object: Some("orders-7f3a-key".to_owned()),
/// };
/// assert!(step.of.is_none_or(|of| step.number <= of));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepIntent {
    /// Its number, from 1.
    pub number: u32,
    /// How many steps there are in all, as far as known.
    pub of: Option<u32>,
    /// What it does, for people: `create the REST API`. At most 500 characters.
    pub description: String,
    /// The deterministic name or mark of what it makes on the gateway, at most 1000 characters; none if it makes nothing.
    pub object: Option<String>,
}

/// A journal for work that needs none: tests, and looks that change nothing.
///
/// ```
/// use gatehouse_connector_sdk::journal::{Journal, NoJournal};
///
/// # mod acme { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/acme.rs")); }
/// # acme::run(async {
/// assert!(NoJournal.recorded().is_empty());
/// NoJournal.done(1).await?;
/// # Ok(())
/// # });
/// ```
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
