//! Metrics in Prometheus' text format. Labels are bounded: route templates, never paths.

use std::{fmt, sync::Arc, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// The label of requests that match no route.
pub(crate) const NO_ROUTE: &str = "none";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    status_class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
    method: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabels {
    phase: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

/// What is looked up in the database when the metrics are asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    /// Agents heard of within the time of a lease.
    pub(crate) agents_online: u64,
    /// Deployments by phase.
    pub(crate) deployments: Vec<(&'static str, u64)>,
    /// Deployments whose gateway holds something else than what is desired.
    pub(crate) deployments_drifted: u64,
    /// Plans that are under way, by state.
    pub(crate) plans_open: Vec<(&'static str, u64)>,
    /// Tasks that no agent has answered yet.
    pub(crate) tasks_open: u64,
}

/// What the server counts.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram>,
    agents_online: Gauge,
    deployments: Family<PhaseLabels, Gauge>,
    drifted: Gauge,
    plans_open: Family<StateLabels, Gauge>,
    tasks_open: Gauge,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Metrics at zero.
    pub(crate) fn new() -> Arc<Self> {
        let mut registry = Registry::default();
        let requests = Family::default();
        let durations = Family::new_with_constructor(duration_histogram as fn() -> Histogram);
        let agents_online = Gauge::default();
        let deployments = Family::default();
        registry.register(
            "gatehouse_http_requests",
            "HTTP requests answered",
            requests.clone(),
        );
        registry.register(
            "gatehouse_http_request_duration_seconds",
            "Time from the request's head to the response's head",
            durations.clone(),
        );
        registry.register(
            "gatehouse_agents_online",
            "Agents heard of within the time of a lease",
            agents_online.clone(),
        );
        registry.register(
            "gatehouse_deployments",
            "Deployments by phase",
            deployments.clone(),
        );
        let mut metrics = Self {
            registry,
            requests,
            durations,
            agents_online,
            deployments,
            drifted: Gauge::default(),
            plans_open: Family::default(),
            tasks_open: Gauge::default(),
        };
        metrics.register_changes();
        Arc::new(metrics)
    }

    fn register_changes(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "gatehouse_deployments_drifted",
            "Deployments whose gateway holds something else than what is desired",
            self.drifted.clone(),
        );
        registry.register(
            "gatehouse_plans_open",
            "Plans that agents work out, carry out or put back, by state",
            self.plans_open.clone(),
        );
        registry.register(
            "gatehouse_tasks_open",
            "Tasks that no agent has answered yet",
            self.tasks_open.clone(),
        );
    }

    /// Counts one answered request.
    pub(crate) fn request(&self, route: &str, method: &http::Method, status: u16, duration: Duration) {
        let method = method_label(method);
        let labels = RequestLabels {
            route: route.to_owned(),
            method,
            status_class: class(status),
        };
        self.requests.get_or_create(&labels).inc();
        let labels = RouteLabels {
            route: route.to_owned(),
            method,
        };
        self.durations
            .get_or_create(&labels)
            .observe(duration.as_secs_f64());
    }

    /// Sets what is looked up in the database when the metrics are asked for.
    pub(crate) fn state(&self, counts: &Counts) {
        self.agents_online.set(gauge(counts.agents_online));
        self.drifted.set(gauge(counts.deployments_drifted));
        self.tasks_open.set(gauge(counts.tasks_open));
        for (phase, count) in &counts.deployments {
            let labels = PhaseLabels {
                phase: (*phase).to_owned(),
            };
            self.deployments.get_or_create(&labels).set(gauge(*count));
        }
        for (state, count) in &counts.plans_open {
            let labels = StateLabels { state };
            self.plans_open.get_or_create(&labels).set(gauge(*count));
        }
    }

    /// The text Prometheus reads.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn gauge(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// From 1 ms to 65 s, the long poll for work included.
fn duration_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 17))
}

fn class(status: u16) -> &'static str {
    match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

/// A method that no route knows counts as `other`, so that callers cannot make up labels.
fn method_label(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "PATCH" => "PATCH",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_requests_by_route_method_and_class() {
        let metrics = Metrics::new();
        metrics.request(
            "/api/v1/apis/{name}",
            &http::Method::GET,
            404,
            Duration::from_millis(3),
        );
        metrics.state(&Counts {
            agents_online: 2,
            deployments: vec![("Deployed", 5)],
            deployments_drifted: 1,
            plans_open: vec![("Applying", 3)],
            tasks_open: 4,
        });
        let text = metrics.text().expect("text");
        let line =
            r#"gatehouse_http_requests_total{route="/api/v1/apis/{name}",method="GET",status_class="4xx"} 1"#;
        assert!(text.contains(line), "{text}");
        assert!(text.contains("gatehouse_agents_online 2"), "{text}");
        assert!(
            text.contains(r#"gatehouse_deployments{phase="Deployed"} 5"#),
            "{text}"
        );
        for line in [
            "gatehouse_deployments_drifted 1",
            r#"gatehouse_plans_open{state="Applying"} 3"#,
            "gatehouse_tasks_open 4",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }
}
