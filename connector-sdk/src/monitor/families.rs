//! The metrics by name.

use std::time::Duration;

use gatehouse_schemas::identity::{GatewayType, ResourceName};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode_registry},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use super::EnvironmentCounts;
use crate::{error::ErrorKind, operation::Operation};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    gateway_type: String,
    connector_version: String,
    sdk_version: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TypeLabels {
    gateway_type: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EnvironmentLabels {
    gateway_type: String,
    environment: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    gateway_type: String,
    environment: String,
    operation: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    gateway_type: String,
    environment: String,
    operation: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VendorLabels {
    gateway_type: String,
    operation: String,
}

type Durations<Labels> = Family<Labels, Histogram, fn() -> Histogram>;

/// All of them, with the registry that knows their names.
pub(super) struct Families {
    registry: Registry,
    build: Family<BuildLabels, Gauge>,
    session_up: Family<TypeLabels, Gauge>,
    leases: Family<TypeLabels, Gauge>,
    operations: Family<ResultLabels, Counter>,
    durations: Durations<OperationLabels>,
    hanging: Family<EnvironmentLabels, Gauge>,
    open: Family<EnvironmentLabels, Gauge>,
    failed: Family<EnvironmentLabels, Gauge>,
    waits: Durations<VendorLabels>,
    throttled: Family<VendorLabels, Counter>,
}

impl Default for Families {
    fn default() -> Self {
        let mut families = Self {
            registry: Registry::with_prefix("gatehouse_agent"),
            build: Family::default(),
            session_up: Family::default(),
            leases: Family::default(),
            operations: Family::default(),
            durations: Family::new_with_constructor(operation_histogram),
            hanging: Family::default(),
            open: Family::default(),
            failed: Family::default(),
            waits: Family::new_with_constructor(wait_histogram),
            throttled: Family::default(),
        };
        families.register_process();
        families.register_operations();
        families.register_environments();
        families
    }
}

impl Families {
    fn register_process(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "build_info",
            "The connectors of this process and the SDK they are built with",
            self.build.clone(),
        );
        registry.register(
            "session_up",
            "Whether the control plane knows the agent of this gateway type as connected",
            self.session_up.clone(),
        );
        registry.register(
            "leases",
            "Environments that this process may act in",
            self.leases.clone(),
        );
    }

    fn register_operations(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "operations",
            "Operations of the connector, by how they ended: `Ok` or the kind of error",
            self.operations.clone(),
        );
        registry.register_with_unit(
            "operation_duration",
            "How long operations of the connector took, waits for quotas included",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register_with_unit(
            "quota_wait",
            "How long calls of the vendor's operation waited for its quota",
            Unit::Seconds,
            self.waits.clone(),
        );
        registry.register(
            "throttled_calls",
            "Calls that the vendor refused for their rate",
            self.throttled.clone(),
        );
    }

    fn register_environments(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "operations_hanging",
            "Operations that were given up and have not ended, because the connector blocks its thread",
            self.hanging.clone(),
        );
        registry.register(
            "deployments_open",
            "Deployments that are worked on or wait to be tried again",
            self.open.clone(),
        );
        registry.register(
            "deployments_failed",
            "Deployments whose last attempt failed",
            self.failed.clone(),
        );
    }

    pub(super) fn build(&self, gateway_type: &GatewayType, version: &str) {
        let labels = BuildLabels {
            gateway_type: gateway_type.to_string(),
            connector_version: version.to_owned(),
            sdk_version: env!("CARGO_PKG_VERSION"),
        };
        self.build.get_or_create(&labels).set(1);
    }

    /// What is true right now is told anew each time; what is not told any more is not true any more.
    pub(super) fn forget_gauges(&self) {
        self.session_up.clear();
        self.leases.clear();
        self.hanging.clear();
        self.open.clear();
        self.failed.clear();
    }

    pub(super) fn session(&self, gateway_type: &GatewayType, is_up: bool) {
        let labels = of_type(gateway_type);
        self.session_up.get_or_create(&labels).set(is_up.into());
        self.leases.get_or_create(&labels).set(0);
    }

    pub(super) fn census(
        &self,
        gateway_type: &GatewayType,
        environments: &[(ResourceName, EnvironmentCounts)],
    ) {
        let leases = self.leases.get_or_create_owned(&of_type(gateway_type));
        leases.inc_by(gauge(environments.len()));
        for (environment, counts) in environments {
            let labels = EnvironmentLabels {
                gateway_type: gateway_type.to_string(),
                environment: environment.to_string(),
            };
            self.open.get_or_create(&labels).set(gauge(counts.open));
            self.failed.get_or_create(&labels).set(gauge(counts.failed));
            self.hanging.get_or_create(&labels).set(gauge(counts.hanging));
        }
    }

    pub(super) fn operation(
        &self,
        gateway_type: &GatewayType,
        environment: &ResourceName,
        operation: Operation,
        error: Option<ErrorKind>,
        took: Duration,
    ) {
        let labels = of_operation(gateway_type, environment, operation);
        self.durations.get_or_create(&labels).observe(took.as_secs_f64());
        let labels = of_result(gateway_type, environment, operation, error);
        self.operations.get_or_create(&labels).inc();
    }

    pub(super) fn waited(&self, gateway_type: &GatewayType, operation: &str, waited: Duration) {
        let labels = of_vendor(gateway_type, operation);
        self.waits.get_or_create(&labels).observe(waited.as_secs_f64());
    }

    pub(super) fn throttled(&self, gateway_type: &GatewayType, operation: &str) {
        self.throttled
            .get_or_create(&of_vendor(gateway_type, operation))
            .inc();
    }

    /// Forgets the counters of an environment.
    pub(super) fn forget(&self, gateway_type: &GatewayType, environment: &ResourceName) {
        for operation in Operation::ALL {
            self.durations
                .remove(&of_operation(gateway_type, environment, operation));
            let kinds = ErrorKind::ALL.into_iter().map(Some);
            for error in kinds.chain([None]) {
                self.operations
                    .remove(&of_result(gateway_type, environment, operation, error));
            }
        }
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode_registry(&mut text, &self.registry);
        text
    }
}

fn of_type(gateway_type: &GatewayType) -> TypeLabels {
    TypeLabels {
        gateway_type: gateway_type.to_string(),
    }
}

fn of_operation(
    gateway_type: &GatewayType,
    environment: &ResourceName,
    operation: Operation,
) -> OperationLabels {
    OperationLabels {
        gateway_type: gateway_type.to_string(),
        environment: environment.to_string(),
        operation: operation.as_str(),
    }
}

fn of_result(
    gateway_type: &GatewayType,
    environment: &ResourceName,
    operation: Operation,
    error: Option<ErrorKind>,
) -> ResultLabels {
    ResultLabels {
        gateway_type: gateway_type.to_string(),
        environment: environment.to_string(),
        operation: operation.as_str(),
        result: error.map_or("Ok", ErrorKind::as_str),
    }
}

fn of_vendor(gateway_type: &GatewayType, operation: &str) -> VendorLabels {
    VendorLabels {
        gateway_type: gateway_type.to_string(),
        operation: operation.to_owned(),
    }
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// From 1 ms to 4.5 minutes, which is about the longest that a deploy may take.
fn operation_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 4.0, 10))
}

/// From 10 ms to 11 minutes: a deploy behind others waits for minutes where the vendor allows one call in 5 s.
fn wait_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.01, 4.0, 9))
}
