//! The conformance suite: what a connector must do, proven one behaviour at a time.
//!
//! The lists under `# Behaviour` in [`Connector`](gatehouse_connector_sdk::connector::Connector) are the suite: one
//! line is one test, in the same words. A connector's author provides a [`TestGateway`], which does what other people
//! and the network do to a gateway, and calls [`run`]. Behaviours of operations that the connector does not declare,
//! and those that the gateway under test cannot be brought to show, are skipped, and the report says why.
//!
//! In a connector's `tests/conformance.rs`, here with the in-memory connector in the place of one's own:
//!
//! ```
//! use gatehouse_connector_conformance::{Level, MemoryTestGateway, run};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let report = run(Level::Core, async || MemoryTestGateway::new()).await;
//! let failures: Vec<_> = report.failures().collect();
//! assert!(report.passed(), "{failures:#?}");
//! # });
//! ```

pub mod agent;
mod ask;
mod behaviour;
mod behaviours;
pub mod driver;
mod gateway;
mod journal;
mod log;
mod memory;
mod operator;
mod page;
mod proxy;
mod quotas;
mod report;
mod sample;
mod subject;
mod verdict;

pub use ask::ask;
pub use behaviour::{Behaviour, Operation};
pub use gatehouse_schemas::descriptor::ConformanceLevel as Level;
pub use gateway::{Connection, Disturbance, Edit, GatewayAnswer, Permission, TestGateway};
pub use memory::MemoryTestGateway;
pub use operator::{Operator, SECRET_BEGINNING, desired};
pub use page::page;
pub use proxy::FaultProxy;
pub use report::{Outcome, Report, ReportError, Tested};

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;

use crate::{subject::Subject, verdict::Stop};

/// How long one behaviour may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same for one that needs a thousand APIs on the gateway, which other people make there first.
const PATIENCE_FOR_MANY: Duration = Duration::from_secs(120);

/// All behaviours, in the order of the contract.
///
/// ```
/// use gatehouse_connector_conformance::{Level, behaviours};
///
/// let core = behaviours().into_iter().filter(|behaviour| behaviour.level == Level::Core);
/// let sentences: Vec<_> = core.map(|behaviour| behaviour.sentence).collect();
/// assert!(sentences.contains(&"Removing an API that is already gone succeeds."));
/// ```
pub fn behaviours() -> Vec<Behaviour> {
    behaviours::all()
}

/// Tests every behaviour up to a level, each on a gateway of its own. `fresh` gives an empty gateway at every call.
///
/// A behaviour that takes more than 30 seconds has failed; one that needs a thousand APIs, after 120. A gateway under test may
/// ask for more with [`TestGateway::patience`].
///
/// ```
/// use gatehouse_connector_conformance::{Level, MemoryTestGateway, run};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let report = run(Level::Core, async || MemoryTestGateway::new()).await;
/// assert!(report.summary().ends_with(" 0 failed"), "{}", report.summary());
/// assert!(report.unproven().is_empty(), "every declared operation was seen to work");
/// # });
/// ```
pub async fn run<Gateway: TestGateway + 'static>(level: Level, fresh: impl AsyncFn() -> Gateway) -> Report {
    let mut report = Report::of(fresh().await.connector().descriptor(), level);
    for behaviour in behaviours()
        .into_iter()
        .filter(|behaviour| behaviour.level <= level)
    {
        let outcome = test(&behaviour, Arc::new(fresh().await)).await;
        report.add(&behaviour, outcome);
    }
    report
}

/// Tests one behaviour on an empty gateway.
///
/// ```
/// use std::sync::Arc;
///
/// use gatehouse_connector_conformance::{MemoryTestGateway, Outcome, behaviours, test};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// for behaviour in behaviours().iter().filter(|it| it.sentence.starts_with("Removing an API")) {
///     let outcome = test(behaviour, Arc::new(MemoryTestGateway::new())).await;
///     assert_eq!(outcome, Outcome::Passed, "{}", behaviour.id);
/// }
/// # });
/// ```
pub async fn test(behaviour: &Behaviour, gateway: Arc<dyn TestGateway>) -> Outcome {
    let times = gateway.patience();
    let subject = Subject::new(gateway);
    let capabilities = subject.capabilities();
    if let Some(missing) = behaviour.missing(&capabilities) {
        return Outcome::Skipped {
            reason: format!("the connector does not declare `{missing}`"),
        };
    }
    let tested = AssertUnwindSafe((behaviour.test)(subject)).catch_unwind();
    let patience = match behaviour.id {
        "more_than_a_thousand_are_listed" => PATIENCE_FOR_MANY,
        _ => PATIENCE,
    };
    let patience = patience.saturating_mul(times);
    match tokio::time::timeout(patience, tested).await {
        Ok(Ok(Ok(()))) => Outcome::Passed,
        Ok(Ok(Err(Stop::Skip(reason)))) => Outcome::Skipped { reason },
        Ok(Ok(Err(Stop::Fail(reason)))) => Outcome::Failed { reason },
        Ok(Err(_)) => failed("the connector panicked; return an error instead"),
        Err(_) => failed(&format!(
            "it took more than {} seconds; a connector makes one attempt and ends",
            patience.as_secs()
        )),
    }
}

fn failed(reason: &str) -> Outcome {
    Outcome::Failed {
        reason: reason.to_owned(),
    }
}
