//! Metrics and readiness, as those who operate an agent read them.

use std::{sync::Arc, time::Duration};

use super::*;
use crate::memory::{MemoryConnector, MemoryGateway};
use crate::{connector::Connector as _, error::ErrorKind};

struct OneEnvironment;

impl Census for OneEnvironment {
    fn environments(&self) -> Vec<(ResourceName, EnvironmentCounts)> {
        let counts = EnvironmentCounts {
            open: 3,
            failed: 1,
            hanging: 2,
        };
        vec![("test".parse().unwrap(), counts)]
    }
}

fn of_type(monitor: &Monitor, gateway_type: &str) -> TypeMonitor {
    let connector = MemoryConnector::new(MemoryGateway::new())
        .with_descriptor(|descriptor| descriptor.gateway_type = gateway_type.parse().unwrap());
    monitor.of(connector.descriptor())
}

#[track_caller]
fn assert_tells(monitor: &Monitor, line: &str) {
    let text = monitor.metrics();
    assert!(text.lines().any(|told| told == line), "no `{line}` in:\n{text}");
}

#[test]
fn operations_are_counted_by_environment_and_how_they_ended() {
    let monitor = Monitor::new();
    let memory = of_type(&monitor, "memory");
    let environment: ResourceName = "test".parse().unwrap();
    let took = Duration::from_millis(3);
    memory.operation(&environment, Operation::Deploy, None, took);
    memory.operation(
        &environment,
        Operation::Deploy,
        Some(ErrorKind::Unavailable),
        took,
    );
    let labels = r#"gateway_type="memory",environment="test",operation="deploy""#;
    for result in ["Ok", "Unavailable"] {
        let line = format!(r#"gatehouse_agent_operations_total{{{labels},result="{result}"}} 1"#);
        assert_tells(&monitor, &line);
    }
    assert_tells(
        &monitor,
        &format!("gatehouse_agent_operation_duration_seconds_count{{{labels}}} 2"),
    );
    memory.forget(&environment);
    assert!(!monitor.metrics().contains(r#"environment="test""#));
}

#[test]
fn what_is_true_right_now_is_counted_when_somebody_asks() {
    let monitor = Monitor::new();
    let memory = of_type(&monitor, "memory");
    let census: Arc<dyn Census> = Arc::new(OneEnvironment);
    memory.watch(Arc::downgrade(&census));
    memory.session(Session::Up);
    assert_tells(&monitor, r#"gatehouse_agent_session_up{gateway_type="memory"} 1"#);
    assert_tells(&monitor, r#"gatehouse_agent_leases{gateway_type="memory"} 1"#);
    let labels = r#"gateway_type="memory",environment="test""#;
    for (name, value) in [
        ("deployments_open", 3),
        ("deployments_failed", 1),
        ("operations_hanging", 2),
    ] {
        assert_tells(&monitor, &format!("gatehouse_agent_{name}{{{labels}}} {value}"));
    }
    drop(census);
    assert_tells(&monitor, r#"gatehouse_agent_leases{gateway_type="memory"} 0"#);
    assert!(!monitor.metrics().contains(r#"environment="test""#));
}

#[test]
fn the_vendors_operations_are_those_with_a_quota_and_no_others() {
    let monitor = Monitor::new();
    let memory = of_type(&monitor, "memory");
    memory.throttled("made-up-at-run-time");
    memory.waited("made-up-at-run-time", Duration::from_secs(1));
    let labels = r#"gateway_type="memory",operation="other""#;
    assert_tells(
        &monitor,
        &format!("gatehouse_agent_throttled_calls_total{{{labels}}} 1"),
    );
    assert_tells(
        &monitor,
        &format!("gatehouse_agent_quota_wait_seconds_sum{{{labels}}} 1.0"),
    );
}

#[test]
fn it_is_ready_when_every_gateway_type_has_a_session() {
    let monitor = Monitor::new();
    assert_eq!(monitor.readiness().unwrap_err(), "no gateway type is served\n");
    let (memory, other) = (of_type(&monitor, "memory"), of_type(&monitor, "other"));
    memory.session(Session::Up);
    assert_eq!(
        monitor.readiness().unwrap_err(),
        "memory: connected\nother: it has not connected yet\n"
    );
    other.session(Session::Up);
    assert_eq!(monitor.readiness(), Ok(()));
    memory.session(Session::Ended("revoked".to_owned()));
    other.session(Session::Down("no answer".to_owned()));
    assert_eq!(
        monitor.readiness().unwrap_err(),
        "memory: it ended and is not started again: revoked\n\
         other: it has no session and comes back by itself: no answer\n"
    );
}
