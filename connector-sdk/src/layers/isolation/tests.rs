//! Connectors that panic and block, behind the layer.

use std::time::{Duration, Instant};

use gatehouse_schemas::{environment::Mode, identity::EnvironmentId};
use tracing::Instrument as _;
use uuid::Uuid;

use super::*;
use crate::{
    context::EnvironmentContext,
    error::Retry,
    layers::{DeadlineLayer, Deadlines, PureFunctions},
    memory::{Fault, MemoryConnector, MemoryGateway, test_support},
    misbehaving::{Misbehaving, Misdeed},
};

const BAD: EnvironmentId = EnvironmentId(Uuid::from_u128(66));

/// A connector that misbehaves in one environment, with everything around it.
struct Stage {
    connector: Misbehaving,
    isolation: Isolation,
    gateway: MemoryGateway,
}

impl Stage {
    fn new(misdeed: Misdeed) -> Self {
        let gateway = MemoryGateway::new();
        let connector = Misbehaving::new(MemoryConnector::new(gateway.clone()));
        connector.begin(BAD, misdeed);
        Self {
            connector,
            isolation: Isolation::default(),
            gateway,
        }
    }

    fn isolated(&self) -> IsolationLayer<Misbehaving> {
        IsolationLayer::new(self.connector.clone(), self.isolation.clone())
    }

    /// Whose operations may take this long.
    fn within(&self, limit: Duration) -> impl Connector {
        let deadlines = Deadlines {
            check: limit,
            ..Deadlines::default()
        };
        DeadlineLayer::new(self.isolated(), deadlines)
    }

    fn pure(&self, limit: Duration) -> PureFunctions {
        PureFunctions::new(Arc::new(self.connector.clone()), self.isolation.clone(), limit)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.connector.behave();
    }
}

fn context_of(environment: EnvironmentId, name: &str) -> Context {
    let good = test_support::context(Mode::ReadWrite);
    let of = EnvironmentContext {
        id: environment,
        name: name.parse().unwrap(),
        mode: Mode::ReadWrite,
        settings: serde_json::Map::new(),
        credentials: Default::default(),
        endpoints: Vec::new(),
    };
    Context {
        environment: Arc::new(of),
        ..good
    }
}

fn bad() -> Context {
    context_of(BAD, "bad")
}

async fn until(condition: impl Fn() -> bool) {
    let patience = Instant::now();
    while !condition() {
        assert!(
            patience.elapsed() < Duration::from_secs(20),
            "it did not come true"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_panic_is_an_error_that_says_where_and_what() {
    let stage = Stage::new(Misdeed::Panics);
    let connector = stage.isolated();
    for _ in 0..3 {
        let error = connector.check(&bad()).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.retry()),
            (ErrorKind::Unexpected, Retry::Never)
        );
        assert_eq!(
            error.message(),
            "the connector panicked during the check in environment `bad`: a list that is empty; report it to the connector's authors"
        );
    }
    assert_eq!(stage.isolation.hanging(BAD), 0);
    connector.check(&context_of(BAD, "good")).await.unwrap_err();
    connector
        .check(&test_support::context(Mode::ReadWrite))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_panic_without_a_text_is_an_error_all_the_same() {
    let isolation = Isolation::default();
    let call = async { std::panic::panic_any(7) };
    let error = isolation
        .run::<()>("check", &bad().environment, call)
        .await
        .unwrap_err();
    assert_eq!(
        error.message(),
        "the connector panicked during the check in environment `bad`: it says nothing that is text; report it to the connector's authors"
    );
}

#[test]
fn without_a_thread_nothing_is_begun_and_people_are_told_why() {
    let refused = std::io::Error::from(std::io::ErrorKind::WouldBlock);
    let error = lost_call("check", &bad().environment, Lost::NoThread(refused));
    assert_eq!(error.retry(), Retry::Backoff);
    assert_eq!(
        error.message(),
        "the check in environment `bad` was not begun: the system gives the agent no further thread; raise its limits, or serve fewer environments with one agent"
    );
}

/// The test's runtime has one thread. Were it blocked, the deadline would never pass.
#[tokio::test]
async fn a_blocked_thread_holds_up_neither_its_deadline_nor_other_environments() {
    let stage = Stage::new(Misdeed::Blocks);
    let connector = stage.within(Duration::from_millis(20));
    let error = connector.check(&bad()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(
        error.message(),
        "the check in environment `bad` did not finish within 20ms"
    );
    let good = test_support::context(Mode::ReadWrite);
    connector.check(&good).await.unwrap();
    assert_eq!(stage.connector.blocked(), 1);
}

#[tokio::test]
async fn while_a_call_hangs_none_is_begun_there_and_people_are_told_what_to_do() {
    let stage = Stage::new(Misdeed::Blocks);
    let hurried = stage.within(Duration::from_millis(20));
    hurried.check(&bad()).await.unwrap_err();
    assert_eq!(stage.isolation.hanging(BAD), 1);
    let patient = stage.isolated();
    let error = patient.check(&bad()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::Unavailable, Retry::Backoff)
    );
    let told = error.message();
    assert!(
        told.starts_with(
            "the check in environment `bad` was not begun: the check begun there at 20"
        ) && told.ends_with(
            "Z was given up and has not ended since, because the connector blocks its thread; restart the agent, and report it to the connector's authors"
        ),
        "{told}"
    );
    assert_eq!(stage.connector.blocked(), 1, "no further thread was blocked");
    // Once it has ended, everything is as before.
    stage.connector.behave();
    until(|| stage.isolation.hanging(BAD) == 0).await;
    patient.check(&bad()).await.unwrap();
}

#[tokio::test]
async fn a_call_that_waits_ends_when_it_is_given_up_and_the_next_one_begins() {
    let stage = Stage::new(Misdeed::PanicsTranslating);
    stage
        .gateway
        .inject(Operation::Check, [Fault::Delay(Duration::from_secs(3_600))]);
    let connector = stage.within(Duration::from_millis(20));
    connector.check(&bad()).await.unwrap_err();
    connector.check(&bad()).await.unwrap();
    assert_eq!(stage.isolation.hanging(BAD), 0);
}

#[tokio::test]
async fn pure_functions_that_panic_or_block_are_errors_too() {
    let mut desired = test_support::desired(1, "/orders");
    desired.mark.environment_id = BAD;
    let environment = &bad().environment;
    let stage = Stage::new(Misdeed::PanicsTranslating);
    let pure = stage.pure(Duration::from_secs(20));
    let error = pure.translate(environment, &desired).await.unwrap_err();
    assert_eq!(
        error.message(),
        "the connector panicked during the translation in environment `bad`: a policy nobody thought of; report it to the connector's authors"
    );
    let stage = Stage::new(Misdeed::BlocksEstimating);
    let pure = stage.pure(Duration::from_millis(20));
    pure.translate(environment, &desired).await.unwrap();
    let error = pure
        .estimate(environment, Some(&desired), None)
        .await
        .unwrap_err();
    assert_eq!(
        error.message(),
        "the estimate for environment `bad` did not finish within 20ms; report it to the connector's authors"
    );
}

#[tokio::test]
async fn a_call_keeps_the_span_it_is_made_in() {
    let stage = Stage::new(Misdeed::PanicsTranslating);
    let bad = bad();
    let seen = stage.isolation.run("look", &bad.environment, async {
        tracing::Span::current()
            .metadata()
            .map(|metadata| metadata.name())
    });
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry());
    let seen = seen.instrument(tracing::info_span!("outer")).await;
    assert_eq!(seen.unwrap(), Some("outer"));
}

/// What a thread for each call costs, beside calling the connector as it is.
#[tokio::test]
#[ignore = "prints a comparison; it checks nothing"]
async fn what_isolation_costs() {
    let stage = Stage::new(Misdeed::PanicsTranslating);
    let context = test_support::context(Mode::ReadWrite);
    let isolated = stage.isolated();
    let candidates: [(&str, &dyn Connector); 2] = [("as it is", &stage.connector), ("isolated", &isolated)];
    for (name, connector) in candidates {
        let began = Instant::now();
        for _ in 0..10_000 {
            connector.check(&context).await.unwrap();
        }
        println!("{name}: {:?} for each call", began.elapsed() / 10_000);
    }
    let began = Instant::now();
    for _ in 0..10_000 {
        let (connector, context) = (stage.connector.clone(), context.clone());
        let runtime = tokio::runtime::Handle::current();
        let call = move || runtime.block_on(async { connector.check(&context).await });
        tokio::task::spawn_blocking(call).await.unwrap().unwrap();
    }
    println!(
        "on a pool of threads: {:?} for each call",
        began.elapsed() / 10_000
    );
}
