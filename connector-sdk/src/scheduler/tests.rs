//! The scheduler against a strict vendor, in paused and in real time, and with callers that go away.

mod account;
mod fairness;
mod vendor;

use std::{sync::Arc, time::Duration};

use gatehouse_control_plane_api::agent::Priority;
use gatehouse_schemas::{
    identity::EnvironmentId,
    quota::{Quota, VendorCalls},
};
use serde_json::{Map, json};
use tokio_util::sync::CancellationToken;

use super::{Quotas, Scheduler};
use crate::{
    connector::Connector as _,
    memory::{MemoryConnector, MemoryGateway},
};

/// Of a new environment.
fn environment_id() -> EnvironmentId {
    EnvironmentId(uuid::Uuid::now_v7())
}

fn quota(operation: &str, burst: u32, interval_ms: u64) -> Quota {
    Quota {
        operation: operation.to_owned(),
        burst,
        interval_ms,
    }
}

/// A scheduler for a connector that names accounts by its setting `account`.
fn scheduler(quotas: Vec<Quota>) -> Scheduler {
    let mut descriptor = MemoryConnector::new(MemoryGateway::default())
        .descriptor()
        .clone();
    descriptor.quotas = quotas;
    descriptor.account_settings = vec!["account".to_owned()];
    Scheduler::new(&descriptor)
}

fn quotas_of(scheduler: &Scheduler, environment: EnvironmentId, priority: Priority) -> Arc<dyn Quotas> {
    let settings = Map::from_iter([("account".to_owned(), json!("a"))]);
    scheduler.quotas(environment, &settings, priority, CancellationToken::new())
}
