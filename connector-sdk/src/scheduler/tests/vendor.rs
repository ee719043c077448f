//! Against a vendor that keeps to its published quotas strictly: how near to the shortest possible time calls are
//! made, and that it never has to refuse one.

use std::sync::{
    Mutex,
    atomic::{AtomicU32, Ordering},
};

use gatehouse_schemas::quota::shortest_ms;
use tokio::time::Instant;

use super::*;

/// A strict token bucket for each quota.
struct Vendor {
    buckets: Mutex<Vec<(Quota, f64, Instant)>>,
    refusals: AtomicU32,
}

impl Vendor {
    fn new(quotas: &[Quota]) -> Arc<Self> {
        let full = |quota: &Quota| (quota.clone(), f64::from(quota.burst), Instant::now());
        Arc::new(Self {
            buckets: Mutex::new(quotas.iter().map(full).collect()),
            refusals: AtomicU32::new(0),
        })
    }

    fn takes(&self, operation: &str) -> bool {
        let now = Instant::now();
        let mut buckets = self.buckets.lock().unwrap();
        for (quota, level, as_of) in buckets.iter_mut() {
            let gained = (now - *as_of).as_secs_f64() * 1_000.0 / quota.interval_ms as f64;
            *level = (*level + gained).min(quota.burst.into());
            *as_of = now;
        }
        let concerned = |quota: &Quota| quota.operation == operation || quota.operation == "*";
        if buckets
            .iter()
            .any(|(quota, level, _)| concerned(quota) && *level < 1.0)
        {
            self.refusals.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        for (_, level, _) in buckets.iter_mut().filter(|(quota, ..)| concerned(quota)) {
            *level -= 1.0;
        }
        true
    }
}

/// Makes calls from several workers over a network whose delay varies from call to call; says how long it took, and
/// how often the vendor refused.
async fn make(
    published: &[Quota],
    imposed: &[Quota],
    calls: &VendorCalls,
    jitter_ms: u64,
) -> (Duration, u32) {
    let vendor = Vendor::new(imposed);
    let scheduler = scheduler(published.to_vec());
    let begin = Instant::now();
    let mut workers = Vec::new();
    for (operation, count) in calls {
        let left = Arc::new(Mutex::new(*count));
        for worker in 0..8_u64 {
            let (vendor, left, operation) = (vendor.clone(), left.clone(), operation.clone());
            let quotas = quotas_of(&scheduler, environment_id(), Priority::Normal);
            workers.push(tokio::spawn(async move {
                let mut random = worker;
                while take_one(&left) {
                    loop {
                        quotas.acquire(&operation).await.unwrap();
                        random = random
                            .wrapping_mul(6_364_136_223_846_793_005)
                            .wrapping_add(1_442_695_040_888_963_407);
                        tokio::time::sleep(Duration::from_millis((random >> 33) % (jitter_ms + 1))).await;
                        if vendor.takes(&operation) {
                            break quotas.succeeded(&operation);
                        }
                        quotas.throttled(&operation, None);
                    }
                }
            }));
        }
    }
    futures_util::future::join_all(workers)
        .await
        .into_iter()
        .for_each(|ended| ended.unwrap());
    (begin.elapsed(), vendor.refusals.load(Ordering::Relaxed))
}

fn take_one(left: &Mutex<u64>) -> bool {
    let mut left = left.lock().unwrap();
    let any = *left > 0;
    *left = left.saturating_sub(1);
    any
}

/// At least 95 % of what the published quotas allow, and no refusal.
async fn check(quotas: &[Quota], calls: &[(&str, u64)], jitter_ms: u64) {
    let calls: VendorCalls = calls
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect();
    let floor = Duration::from_millis(shortest_ms(&calls, quotas));
    let (elapsed, refusals) = make(quotas, quotas, &calls, jitter_ms).await;
    assert_eq!(refusals, 0, "{calls:?}");
    assert!(
        elapsed <= floor.div_f64(0.95),
        "{calls:?} took {elapsed:?}; the shortest time is {floor:?}"
    );
}

/// The figures that AWS publishes for its API Gateway.
fn aws() -> Vec<Quota> {
    vec![
        quota("*", 40, 100),
        quota("CreateRestApi", 1, 3_000),
        quota("PutRestApi", 1, 1_000),
        quota("CreateDeployment", 1, 5_000),
        quota("DeleteRestApi", 1, 30_000),
        quota("GetResources", 5, 400),
    ]
}

#[tokio::test(start_paused = true)]
async fn reaches_the_floor_of_a_scarce_operation_without_a_refusal() {
    check(&aws(), &[("CreateDeployment", 100)], 25).await;
    check(&aws(), &[("DeleteRestApi", 20)], 25).await;
    check(
        &aws(),
        &[
            ("CreateRestApi", 200),
            ("PutRestApi", 200),
            ("CreateDeployment", 200),
        ],
        25,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn reaches_the_floor_of_all_operations_together_without_a_refusal() {
    check(&aws(), &[("GetRestApis", 5_000)], 25).await;
    check(
        &aws(),
        &[("GetRestApis", 2_000), ("GetStages", 2_000), ("GetTags", 1_000)],
        25,
    )
    .await;
    check(&aws(), &[("GetResources", 1_000)], 25).await;
}

#[tokio::test]
async fn reaches_the_floor_in_real_time() {
    check(&[quota("*", 40, 5)], &[("Get", 440)], 3).await;
}

#[tokio::test(start_paused = true)]
async fn finds_the_real_quota_where_the_published_one_is_wrong_or_missing() {
    let imposed = [quota("Get", 10, 200)];
    let calls = VendorCalls::from([("Get".to_owned(), 2_000)]);
    let floor = Duration::from_millis(shortest_ms(&calls, &imposed));
    for published in [vec![quota("Get", 100, 10)], Vec::new()] {
        let (elapsed, refusals) = make(&published, &imposed, &calls, 5).await;
        assert!(
            elapsed <= floor.mul_f64(2.0),
            "{elapsed:?} for a floor of {floor:?} ({published:?})"
        );
        assert!(
            refusals < 200,
            "{refusals} refusals of 2000 calls ({published:?})"
        );
    }
}
