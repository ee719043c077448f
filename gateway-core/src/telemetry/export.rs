//! Sending: one task per signal, so that a slow receiver of one holds up no other.

mod receiver;

use std::{
    sync::{Arc, Weak},
    time::{Duration, SystemTime},
};

use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet, spawn_blocking},
    time::{Instant, MissedTickBehavior, interval_at, sleep, timeout},
};
use tracing::{info, warn};

use self::receiver::{Clients, Delivery, Receiver};
use super::{
    Telemetry,
    counts::{Counts, Lost},
    logs,
    metrics::{self, Period},
    options::TelemetryOptions,
    queue::{Queue, Record},
    spans, values,
};
use crate::core::Core;

/// How often a receiver is asked again that has no time or cannot be reached.
const RETRIES: u32 = 4;

/// How long the first pause is before that; each further one is twice as long.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest pause that grows like this.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The longest pause that a receiver can ask for. What comes meanwhile waits, or is dropped and counted.
const ASKED_PAUSE_MAX: Duration = Duration::from_secs(300);

/// How often losses are told at most.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// What is needed to export.
#[derive(Debug)]
pub(super) struct Export {
    traces: Option<Arc<Receiver>>,
    metrics: Option<Arc<Receiver>>,
    logs: Option<Arc<Receiver>>,
    resource: Resource,
    delay: Duration,
    metric_interval: Duration,
    flush: Duration,
}

/// The tasks that export; they end with this.
#[derive(Debug)]
pub(crate) struct Exporting {
    telemetry: Arc<Telemetry>,
    tasks: JoinSet<()>,
    telling: AbortHandle,
    stop: watch::Sender<bool>,
}

type Stopping = watch::Receiver<bool>;

impl Export {
    /// Reads what options say; nothing is connected yet. The reason if they cannot be followed.
    pub(super) fn new(options: &TelemetryOptions) -> Result<Self, String> {
        let mut clients = Clients::default();
        let receiver = |options: &Option<_>| {
            let made = options
                .as_ref()
                .map(|options| Receiver::new(options, &mut clients));
            made.transpose()
        };
        let receivers = [&options.traces, &options.metrics, &options.logs].map(receiver);
        let [traces, metrics, logs] = receivers;
        Ok(Self {
            traces: traces?.map(Arc::new),
            metrics: metrics?.map(Arc::new),
            logs: logs?.map(Arc::new),
            resource: values::resource(&options.resource),
            delay: options.delay,
            metric_interval: options.metric_interval,
            flush: options.flush,
        })
    }
}

impl Exporting {
    /// Begins to export what workers note, and the metrics of a gateway. Must be called within a Tokio runtime.
    pub(crate) fn start(telemetry: &Arc<Telemetry>, core: &Arc<Core>) -> Self {
        let (stop, stopping) = watch::channel(false);
        let export = &telemetry.export;
        let mut tasks = JoinSet::new();
        if let (Some(tracing), Some(receiver)) = (&telemetry.tracing, &export.traces) {
            let (tracing, resource) = (Arc::clone(tracing), export.resource.clone());
            let encode = move |served: &[_]| spans::request(served, &resource).encode_to_vec();
            let (receiver, stopping) = (Arc::clone(receiver), stopping.clone());
            let delay = export.delay;
            tasks.spawn(async move { drain(&tracing.queue, &receiver, delay, encode, stopping).await });
        }
        if let (Some(queue), Some(receiver)) = (&telemetry.logs, &export.logs) {
            let (queue, resource) = (Arc::clone(queue), export.resource.clone());
            let encode = move |accesses: &[_]| logs::request(accesses, &resource).encode_to_vec();
            let (receiver, stopping) = (Arc::clone(receiver), stopping.clone());
            let delay = export.delay;
            tasks.spawn(async move { drain(&queue, &receiver, delay, encode, stopping).await });
        }
        if let (Some(counts), Some(receiver)) = (&telemetry.metrics, &export.metrics) {
            let measuring = Measuring {
                core: Arc::downgrade(core),
                counts: Arc::clone(counts),
                receiver: Arc::clone(receiver),
                resource: export.resource.clone(),
                since: SystemTime::now(),
            };
            tasks.spawn(measuring.run(export.metric_interval, stopping));
        }
        for receiver in [&export.traces, &export.metrics, &export.logs]
            .into_iter()
            .flatten()
        {
            info!(telemetry.receiver = %receiver, "Exporting telemetry to `{receiver}`");
        }
        Self {
            telemetry: Arc::clone(telemetry),
            tasks,
            telling: tokio::spawn(tell(Arc::clone(telemetry))).abort_handle(),
            stop,
        }
    }

    /// Sends what is left, as far as there is time, and ends.
    pub(crate) async fn flush(mut self) {
        self.stop.send_replace(true);
        let left = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(self.telemetry.export.flush, left).await.is_err() {
            // When they have ended, what they were sending is counted.
            self.tasks.shutdown().await;
        }
        self.telemetry.give_up();
        let lost = self.telemetry.all_lost();
        if lost > 0 {
            warn!(
                telemetry.dropped = lost,
                "{lost} spans, log records and metric points were never exported"
            );
        }
    }
}

impl Drop for Exporting {
    fn drop(&mut self) {
        self.telling.abort();
    }
}

impl Telemetry {
    fn all_lost(&self) -> u64 {
        let traces = self
            .tracing
            .as_ref()
            .map_or(0, |tracing| tracing.queue.counts.all_lost());
        let metrics = self.metrics.as_ref().map_or(0, |counts| counts.all_lost());
        let logs = self.logs.as_ref().map_or(0, |queue| queue.counts.all_lost());
        traces + metrics + logs
    }

    fn give_up(&self) {
        if let Some(tracing) = &self.tracing {
            tracing.queue.give_up();
        }
        if let Some(logs) = &self.logs {
            logs.give_up();
        }
    }
}

/// Says once in a while how much was lost since it was said last.
async fn tell(telemetry: Arc<Telemetry>) {
    let mut told = 0;
    loop {
        sleep(TELL_EVERY).await;
        let lost = telemetry.all_lost();
        if lost > told {
            let since = lost - told;
            warn!(
                telemetry.dropped = since,
                "{since} spans, log records and metric points were dropped; see `gatehouse_gateway_telemetry_dropped_total`"
            );
            told = lost;
        }
    }
}

/// Sends batch after batch: when one is full, and otherwise what there is every so often.
async fn drain<T: Record>(
    queue: &Queue<T>,
    receiver: &Receiver,
    delay: Duration,
    encode: impl Fn(&[T]) -> Vec<u8>,
    mut stopping: Stopping,
) {
    loop {
        tokio::select! {
            () = queue.filled() => {}
            () = sleep(delay) => {}
            _ = stopping.wait_for(|stop| *stop) => {}
        }
        loop {
            let batch = queue.take();
            if batch.is_empty() {
                break;
            }
            let records = batch.iter().map(Record::records).sum();
            let body = encode(&batch);
            drop(batch);
            let mut guard = Unsent::new(&queue.counts, records);
            deliver(receiver, body, &mut guard, &mut stopping).await;
        }
        if *stopping.borrow() {
            return;
        }
    }
}

/// The metrics of a gateway and where they go.
struct Measuring {
    core: Weak<Core>,
    counts: Arc<Counts>,
    receiver: Arc<Receiver>,
    resource: Resource,
    since: SystemTime,
}

impl Measuring {
    async fn run(self, every: Duration, mut stopping: Stopping) {
        let mut ticks = interval_at(Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let last = tokio::select! {
                _ = ticks.tick() => false,
                _ = stopping.wait_for(|stop| *stop) => true,
            };
            let Some((body, points)) = self.measure().await else {
                return;
            };
            let mut guard = Unsent::new(&self.counts, points);
            deliver(&self.receiver, body, &mut guard, &mut stopping).await;
            if last {
                return;
            }
        }
    }

    /// What the metrics are now. None if the gateway is gone.
    async fn measure(&self) -> Option<(Vec<u8>, usize)> {
        let (core, resource, since) = (self.core.upgrade()?, self.resource.clone(), self.since);
        // With thousands of APIs this takes a while.
        let measuring = spawn_blocking(move || {
            let period = Period {
                start: since,
                end: SystemTime::now(),
            };
            let (request, points) = metrics::request(&core.metrics_text(), &resource, period);
            (request.encode_to_vec(), points)
        });
        measuring.await.ok()
    }
}

/// Records that are being sent. Whatever is not known to have arrived counts as lost.
struct Unsent<'a> {
    counts: &'a Counts,
    records: usize,
}

impl<'a> Unsent<'a> {
    fn new(counts: &'a Counts, records: usize) -> Self {
        Self { counts, records }
    }

    /// So many of them were refused, the others were taken.
    fn settled(&mut self, refused: usize) {
        let refused = refused.min(self.records);
        self.counts.exported(self.records - refused);
        self.counts.lost(Lost::Refused, refused);
        self.records = 0;
    }
}

impl Drop for Unsent<'_> {
    fn drop(&mut self) {
        self.counts.lost(Lost::NotSent, self.records);
    }
}

/// Sends one batch, and again if that may help. While the gateway stops there is no time for that.
async fn deliver(receiver: &Receiver, body: Vec<u8>, unsent: &mut Unsent<'_>, stopping: &mut Stopping) {
    let body = receiver.packed(body);
    let mut pause = PAUSE;
    for again in 0..=RETRIES {
        match receiver.send(body.clone()).await {
            Delivery::Taken { refused } => return unsent.settled(refused),
            Delivery::Refused => return unsent.settled(usize::MAX),
            Delivery::Later(after) => {
                if again == RETRIES || *stopping.borrow() {
                    return;
                }
                let wait = wait(after, pause);
                tokio::select! {
                    () = sleep(wait) => {}
                    // One last time.
                    _ = stopping.wait_for(|stop| *stop) => {}
                }
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

/// How long to wait: as long as the receiver asks, or about as long as it is time for.
fn wait(asked: Option<Duration>, pause: Duration) -> Duration {
    let jitter = 0.5 + fastrand::f64() / 2.0;
    asked.map_or(pause.mul_f64(jitter), |asked| asked.min(ASKED_PAUSE_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_is_left_alone_for_as_long_as_it_asks() {
        let seconds = Duration::from_secs;
        assert_eq!(wait(Some(seconds(120)), seconds(1)), seconds(120));
        assert_eq!(wait(Some(Duration::ZERO), seconds(1)), Duration::ZERO);
        assert_eq!(wait(Some(seconds(86_400)), seconds(1)), ASKED_PAUSE_MAX);
        assert!((seconds(4)..=seconds(8)).contains(&wait(None, seconds(8))));
    }
}
