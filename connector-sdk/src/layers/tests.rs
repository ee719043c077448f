//! The layers around the in-memory connector, whose gateway counts calls and can be told to fail.

use std::{sync::Arc, time::Duration};

use gatehouse_schemas::environment::Mode;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    backoff::Backoff,
    connector::{ApiReference, PageRequest},
    context::Context,
    error::{ErrorKind, Result, Retry},
    memory::{Fault, MemoryConnector, MemoryGateway, test_support},
    monitor::Monitor,
    operation::Operation,
};

const QUICK: RetryPolicy = RetryPolicy {
    attempts: 3,
    backoff: Backoff {
        first: Duration::from_millis(1),
        longest: Duration::from_millis(2),
    },
    longest_wait: Duration::from_secs(1),
};

const SHORT: Deadlines = Deadlines {
    check: Duration::from_millis(10),
    discover: Duration::from_millis(10),
    observe: Duration::from_millis(10),
    hints: Duration::from_millis(10),
    deploy: Duration::from_millis(10),
    undeploy: Duration::from_millis(10),
    translate: Duration::from_millis(10),
};

fn context(mode: Mode) -> Context {
    test_support::context(mode)
}

fn reference() -> ApiReference {
    ApiReference {
        external_ref: None,
        mark: test_support::mark(1),
    }
}

/// Calls one operation and drops what it gives.
async fn call(connector: &dyn Connector, operation: Operation, context: &Context) -> Result<()> {
    match operation {
        Operation::Check => connector.check(context).await.map(drop),
        Operation::Discover => connector
            .discover(context, PageRequest::default())
            .await
            .map(drop),
        Operation::Observe => connector.observe(context, &reference()).await.map(drop),
        Operation::Hints => connector.hints(context).await.map(drop),
        Operation::Deploy => connector
            .deploy(context, &test_support::request(1, "/orders"))
            .await
            .map(drop),
        Operation::Undeploy => connector.undeploy(context, &reference()).await,
    }
}

#[tokio::test]
async fn what_is_not_declared_is_refused_without_a_call() {
    for operation in Operation::ALL {
        let gateway = MemoryGateway::new();
        let connector = MemoryConnector::new(gateway.clone()).with_descriptor(|descriptor| {
            descriptor.capabilities = Default::default();
        });
        let error = call(
            &CapabilityLayer::new(connector),
            operation,
            &context(Mode::ReadWrite),
        )
        .await
        .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{operation}");
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            error.message(),
            format!(
                "the `memory` connector {version} cannot {operation}; use an environment of a gateway type that can"
            )
        );
        assert_eq!(gateway.calls(operation), 0, "{operation}");
    }
}

#[tokio::test]
async fn the_mode_is_held_whatever_is_asked_for() {
    for (mode, refused) in [
        (Mode::ReadOnly, vec![Operation::Deploy, Operation::Undeploy]),
        (Mode::WriteOnly, vec![Operation::Discover]),
        (Mode::ReadWrite, vec![]),
    ] {
        for operation in Operation::ALL {
            let gateway = MemoryGateway::new();
            let connector = ModeLayer::new(MemoryConnector::new(gateway.clone()));
            let result = call(&connector, operation, &context(mode)).await;
            if refused.contains(&operation) {
                let error = result.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Forbidden, "{operation} in {mode:?}");
                let told = error.message();
                let (before, after) = match mode {
                    Mode::WriteOnly => (
                        "environment `test` is write-only and refuses to ",
                        "; set its mode to `read-write` or `read-only`",
                    ),
                    _ => (
                        "environment `test` is read-only and refuses to ",
                        "; set its mode to `read-write` or `write-only`",
                    ),
                };
                assert!(told.starts_with(before) && told.ends_with(after), "{told}");
                assert_eq!(gateway.calls(operation), 0);
            } else {
                assert!(result.is_ok(), "{operation} in {mode:?}: {result:?}");
            }
        }
    }
}

#[tokio::test]
async fn short_trouble_is_retried() {
    for operation in Operation::ALL {
        let gateway = MemoryGateway::new();
        gateway.inject(operation, vec![Fault::Fail(ErrorKind::Unavailable); 2]);
        let connector = RetryLayer::new(MemoryConnector::new(gateway.clone()), QUICK);
        call(&connector, operation, &context(Mode::ReadWrite))
            .await
            .unwrap();
        assert_eq!(gateway.calls(operation), 3, "{operation}");
    }
}

#[tokio::test]
async fn after_the_last_attempt_nobody_else_tries_again() {
    let gateway = MemoryGateway::new();
    gateway.inject(Operation::Observe, vec![Fault::Fail(ErrorKind::RateLimited); 9]);
    let inner = RetryLayer::new(MemoryConnector::new(gateway.clone()), QUICK);
    let connector = RetryLayer::new(inner, QUICK);
    let error = call(&connector, Operation::Observe, &context(Mode::ReadWrite))
        .await
        .unwrap_err();
    assert_eq!(error.retry(), Retry::Never);
    assert_eq!(gateway.calls(Operation::Observe), 3);
}

#[tokio::test]
async fn what_cannot_succeed_is_not_retried() {
    for kind in [
        ErrorKind::NotFound,
        ErrorKind::Conflict,
        ErrorKind::Invalid,
        ErrorKind::Unauthorized,
        ErrorKind::Forbidden,
        ErrorKind::Unsupported,
        ErrorKind::Unexpected,
    ] {
        let gateway = MemoryGateway::new();
        gateway.inject(Operation::Deploy, vec![Fault::Fail(kind); 3]);
        let connector = RetryLayer::new(MemoryConnector::new(gateway.clone()), QUICK);
        let error = call(&connector, Operation::Deploy, &context(Mode::ReadWrite))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(gateway.calls(Operation::Deploy), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn a_cancelled_operation_is_not_retried() {
    let gateway = MemoryGateway::new();
    gateway.inject(Operation::Observe, vec![Fault::Fail(ErrorKind::Unavailable); 3]);
    let connector = RetryLayer::new(MemoryConnector::new(gateway.clone()), RetryPolicy::default());
    let context = context(Mode::ReadWrite);
    context.cancellation.cancel();
    assert!(call(&connector, Operation::Observe, &context).await.is_err());
    assert_eq!(gateway.calls(Operation::Observe), 1);
}

#[tokio::test]
async fn what_takes_too_long_ends_and_names_operation_environment_and_time() {
    for operation in Operation::ALL {
        let gateway = MemoryGateway::new();
        gateway.inject(operation, [Fault::Delay(Duration::from_secs(3_600))]);
        let connector = DeadlineLayer::new(MemoryConnector::new(gateway), SHORT);
        let error = call(&connector, operation, &context(Mode::ReadWrite))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let message = error.message();
        assert_eq!(
            message,
            format!("the {operation} in environment `test` did not finish within 10ms")
        );
    }
}

#[tokio::test]
async fn the_stacks_pass_everything_through_that_is_allowed() {
    let gateway = MemoryGateway::new();
    let connector: Arc<dyn Connector> = Arc::new(MemoryConnector::new(gateway.clone()));
    let tuning = Tuning {
        retry: QUICK,
        ..Tuning::default()
    };
    let monitor = Monitor::new().of(connector.descriptor());
    let Layered { reading, writing, .. } = Layered::new(&connector, &tuning, &Isolation::default(), &monitor);
    let context = context(Mode::ReadWrite);
    for operation in Operation::ALL {
        call(reading.as_ref(), operation, &context).await.unwrap();
        call(writing.as_ref(), operation, &context).await.unwrap();
        assert_eq!(gateway.calls(operation), 2, "{operation}");
    }
}

#[tokio::test]
async fn the_end_of_an_operation_ends_only_its_own_cancellation() {
    let context = Context {
        cancellation: CancellationToken::new(),
        ..context(Mode::ReadWrite)
    };
    let connector = DeadlineLayer::new(MemoryConnector::new(MemoryGateway::new()), Deadlines::default());
    call(&connector, Operation::Check, &context).await.unwrap();
    assert!(!context.cancellation.is_cancelled());
}
