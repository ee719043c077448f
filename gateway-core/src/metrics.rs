//! Counters of traffic, per API and worker.
//!
//! Each worker counts on its own cache lines; the sums are made when somebody looks. Labels are bounded:
//! the API's name, the class of the status, the kind of failure. Never a path, a consumer or an address.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// Upper bounds of the duration buckets, in microseconds.
const BUCKETS: [u64; 12] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000, 30_000_000,
];

const STATUS_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// How an upstream failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UpstreamFailure {
    Connect,
    Timeout,
    Broken,
}

impl UpstreamFailure {
    const ALL: [(Self, &'static str); 3] = [
        (Self::Connect, "connect"),
        (Self::Timeout, "timeout"),
        (Self::Broken, "broken"),
    ];
}

/// The counters of one API.
#[derive(Debug)]
pub(crate) struct ApiMetrics {
    workers: Box<[Counters]>,
}

/// One worker's share, on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Counters {
    /// By status class; most APIs only ever answer with a few of them.
    answers: [OnceLock<Box<Answers>>; STATUS_CLASSES.len()],
    failures: [AtomicU64; UpstreamFailure::ALL.len()],
    retries: AtomicU64,
    ejections: AtomicU64,
}

/// Answers of one status class by how long they took.
#[derive(Debug, Default)]
struct Answers {
    buckets: [AtomicU64; BUCKETS.len() + 1],
    microseconds: AtomicU64,
}

impl ApiMetrics {
    /// Counters at zero for so many workers.
    fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self {
            workers: (0..workers.max(1)).map(|_| Counters::default()).collect(),
        })
    }

    /// Counts one answered request.
    pub(crate) fn request(&self, worker: usize, status: u16, duration: Duration) {
        let Some(counters) = self.workers.get(worker) else {
            return;
        };
        let class = usize::from(status / 100).clamp(1, STATUS_CLASSES.len()) - 1;
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS.partition_point(|bound| *bound < microseconds);
        let answers = counters.answers[class].get_or_init(Box::default);
        answers.buckets[bucket].fetch_add(1, Relaxed);
        answers.microseconds.fetch_add(microseconds, Relaxed);
    }

    /// Counts one failure of an upstream.
    pub(crate) fn failure(&self, worker: usize, failure: UpstreamFailure) {
        if let Some(counters) = self.workers.get(worker) {
            counters.failures[failure as usize].fetch_add(1, Relaxed);
        }
    }

    /// Counts one request that is sent again.
    pub(crate) fn retry(&self, worker: usize) {
        if let Some(counters) = self.workers.get(worker) {
            counters.retries.fetch_add(1, Relaxed);
        }
    }

    /// Counts one endpoint that is ejected.
    pub(crate) fn ejection(&self, worker: usize) {
        if let Some(counters) = self.workers.get(worker) {
            counters.ejections.fetch_add(1, Relaxed);
        }
    }

    fn sum(&self, pick: impl Fn(&Counters) -> &AtomicU64) -> u64 {
        self.workers
            .iter()
            .map(|counters| pick(counters).load(Relaxed))
            .sum()
    }

    /// All workers' answers of one status class.
    fn answers(&self, class: usize) -> Summed {
        let mut summed = Summed::default();
        let answers = self
            .workers
            .iter()
            .filter_map(|counters| counters.answers[class].get());
        for answers in answers {
            for (sum, bucket) in summed.buckets.iter_mut().zip(&answers.buckets) {
                *sum += bucket.load(Relaxed);
            }
            summed.microseconds += answers.microseconds.load(Relaxed);
        }
        summed
    }
}

/// Answers of one status class, all workers together.
#[derive(Debug, Default)]
struct Summed {
    buckets: [u64; BUCKETS.len() + 1],
    microseconds: u64,
}

impl Summed {
    fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// The counters of all APIs that are served. They go on counting when an API changes.
#[derive(Debug)]
pub(crate) struct Registry {
    workers: usize,
    known: Mutex<Known>,
}

/// Counters by the name of their API.
#[derive(Debug, Default)]
struct Known {
    counters: BTreeMap<Arc<str>, Weak<ApiMetrics>>,
    /// At how many those are looked for that nobody holds any more. Looking each time would cost more with each API.
    sweep_at: usize,
}

impl Known {
    fn sweep(&mut self) {
        if self.counters.len() < self.sweep_at {
            return;
        }
        self.counters.retain(|_, metrics| metrics.strong_count() > 0);
        self.sweep_at = 2 * self.counters.len() + 16;
    }
}

impl Registry {
    /// No counters yet, for so many workers.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            workers,
            known: Mutex::default(),
        }
    }

    /// The counters of the API with this name.
    pub(crate) fn get(&self, name: &Arc<str>) -> Arc<ApiMetrics> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(metrics) = known.counters.get(name).and_then(Weak::upgrade) {
            return metrics;
        }
        known.sweep();
        let metrics = ApiMetrics::new(self.workers);
        known.counters.insert(Arc::clone(name), Arc::downgrade(&metrics));
        metrics
    }

    /// All counters in Prometheus' text format.
    pub(crate) fn text(&self) -> String {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let alive = known
            .counters
            .iter()
            .filter_map(|(name, metrics)| Some((name.to_string(), metrics.upgrade()?)));
        let alive: Vec<_> = alive.collect();
        let mut text = String::new();
        write(&alive, &mut text);
        text
    }
}

/// Writes the counters of all APIs, given by name, in Prometheus' text format.
fn write(apis: &[(String, Arc<ApiMetrics>)], text: &mut String) {
    family(
        text,
        "gatehouse_gateway_requests_total",
        "counter",
        "Requests answered.",
    );
    for (name, metrics) in apis {
        for (class, label) in STATUS_CLASSES.iter().enumerate() {
            let count = metrics.answers(class).count();
            if count > 0 {
                line(
                    text,
                    "gatehouse_gateway_requests_total",
                    name,
                    &format!("status=\"{label}\""),
                    count,
                );
            }
        }
    }
    family(
        text,
        "gatehouse_gateway_upstream_failures_total",
        "counter",
        "Requests that got no response from their upstream.",
    );
    for (name, metrics) in apis {
        for (failure, label) in UpstreamFailure::ALL {
            let count = metrics.sum(|counters| &counters.failures[failure as usize]);
            if count > 0 {
                line(
                    text,
                    "gatehouse_gateway_upstream_failures_total",
                    name,
                    &format!("kind=\"{label}\""),
                    count,
                );
            }
        }
    }
    write_counter(
        apis,
        text,
        "gatehouse_gateway_upstream_retries_total",
        "Requests sent to an upstream once more.",
        |counters| &counters.retries,
    );
    write_counter(
        apis,
        text,
        "gatehouse_gateway_upstream_ejections_total",
        "Times an endpoint of an upstream was ejected.",
        |counters| &counters.ejections,
    );
    write_durations(apis, text);
}

/// Writes one counter without further labels, for APIs where it has counted something.
fn write_counter(
    apis: &[(String, Arc<ApiMetrics>)],
    text: &mut String,
    name: &str,
    help: &str,
    pick: impl Fn(&Counters) -> &AtomicU64,
) {
    family(text, name, "counter", help);
    for (api, metrics) in apis {
        let count = metrics.sum(&pick);
        if count > 0 {
            line(text, name, api, "", count);
        }
    }
}

fn write_durations(apis: &[(String, Arc<ApiMetrics>)], text: &mut String) {
    const NAME: &str = "gatehouse_gateway_request_duration_seconds";
    family(
        text,
        NAME,
        "histogram",
        "Time from a request's head to the end of its response.",
    );
    for (name, metrics) in apis {
        for (class, label) in STATUS_CLASSES.iter().enumerate() {
            let answers = metrics.answers(class);
            if answers.count() > 0 {
                write_histogram(NAME, name, &format!("status=\"{label}\""), &answers, text);
            }
        }
    }
}

fn write_histogram(name: &str, api: &str, status: &str, answers: &Summed, text: &mut String) {
    let bounds = BUCKETS.iter().map(|bound| seconds(*bound).to_string());
    let bounds = bounds.chain(["+Inf".to_owned()]);
    let mut total = 0;
    for (bound, count) in bounds.zip(answers.buckets) {
        total += count;
        line(
            text,
            &format!("{name}_bucket"),
            api,
            &format!("{status},le=\"{bound}\""),
            total,
        );
    }
    line(
        text,
        &format!("{name}_sum"),
        api,
        status,
        seconds(answers.microseconds),
    );
    line(text, &format!("{name}_count"), api, status, total);
}

fn seconds(microseconds: u64) -> f64 {
    Duration::from_micros(microseconds).as_secs_f64()
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// A text as the value of a label.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn line(text: &mut String, name: &str, api: &str, label: &str, value: impl std::fmt::Display) {
    let api = escaped(api);
    let comma = if label.is_empty() { "" } else { "," };
    let _ = writeln!(text, "{name}{{api=\"{api}\"{comma}{label}}} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_summed_and_labels_are_escaped() {
        let metrics = ApiMetrics::new(2);
        metrics.request(0, 200, Duration::from_millis(2));
        metrics.request(1, 204, Duration::from_secs(60));
        metrics.request(1, 503, Duration::ZERO);
        metrics.failure(0, UpstreamFailure::Timeout);
        let mut text = String::new();
        write(&[("a\"b".to_owned(), metrics)], &mut text);
        for expected in [
            r#"gatehouse_gateway_requests_total{api="a\"b",status="2xx"} 2"#,
            r#"gatehouse_gateway_requests_total{api="a\"b",status="5xx"} 1"#,
            r#"gatehouse_gateway_upstream_failures_total{api="a\"b",kind="timeout"} 1"#,
            r#"gatehouse_gateway_request_duration_seconds_bucket{api="a\"b",status="2xx",le="0.0025"} 1"#,
            r#"gatehouse_gateway_request_duration_seconds_bucket{api="a\"b",status="2xx",le="+Inf"} 2"#,
            r#"gatehouse_gateway_request_duration_seconds_count{api="a\"b",status="2xx"} 2"#,
            r#"gatehouse_gateway_request_duration_seconds_count{api="a\"b",status="5xx"} 1"#,
        ] {
            assert!(text.contains(expected), "{expected} in\n{text}");
        }
        assert!(!text.contains("4xx"), "{text}");
    }
}
