//! Accounts, cancellation, and how long things will take.

use tokio::time::Instant;

use super::*;
use crate::error::{Error, ErrorKind, Retry};

/// Whether a permit comes at once.
async fn is_free(quotas: &Arc<dyn Quotas>, operation: &str) -> bool {
    tokio::time::timeout(Duration::from_millis(1), quotas.acquire(operation))
        .await
        .is_ok()
}

#[tokio::test(start_paused = true)]
async fn environments_of_one_account_share_its_quotas_and_others_do_not() {
    let scheduler = scheduler(vec![quota("Create", 1, 10_000)]);
    let of = |settings: Map<_, _>| {
        scheduler.quotas(
            environment_id(),
            &settings,
            Priority::Normal,
            CancellationToken::new(),
        )
    };
    let named = |account: &str| Map::from_iter([("account".to_owned(), json!(account))]);
    assert!(is_free(&of(named("a")), "Create").await);
    assert!(!is_free(&of(named("a")), "Create").await);
    assert!(is_free(&of(named("b")), "Create").await);
    assert!(is_free(&of(Map::new()), "Create").await);
    assert!(is_free(&of(Map::new()), "Create").await);
}

#[tokio::test(start_paused = true)]
async fn without_quotas_nothing_waits_until_the_vendor_refuses() {
    let scheduler = scheduler(Vec::new());
    let quotas = quotas_of(&scheduler, environment_id(), Priority::Normal);
    for _ in 0..1_000 {
        assert!(is_free(&quotas, "List").await);
    }
    quotas.throttled("List", Some(Duration::from_secs(3)));
    let asked = Instant::now();
    quotas.acquire("List").await.unwrap();
    assert!(asked.elapsed() >= Duration::from_secs(3));
    assert!(is_free(&quotas, "Get").await);
}

#[tokio::test(start_paused = true)]
async fn refusals_of_several_operations_slow_all_of_them_down() {
    let scheduler = scheduler(vec![quota("*", 40, 100)]);
    let quotas = quotas_of(&scheduler, environment_id(), Priority::Normal);
    quotas.throttled("List", Some(Duration::from_secs(5)));
    assert!(is_free(&quotas, "Tag").await);
    quotas.throttled("Get", Some(Duration::from_secs(5)));
    let asked = Instant::now();
    quotas.acquire("Tag").await.unwrap();
    assert!(asked.elapsed() >= Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_scarce_operation_holds_up_no_other() {
    let scheduler = scheduler(vec![quota("Create", 1, 60_000), quota("*", 10, 100)]);
    let quotas = quotas_of(&scheduler, environment_id(), Priority::Normal);
    quotas.acquire("Create").await.unwrap();
    let waiting = quotas.clone();
    let scarce = tokio::spawn(async move { waiting.acquire("Create").await });
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(is_free(&quotas, "Get").await);
    assert!(!scarce.is_finished());
    scarce.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn cancelled_work_waits_no_longer_and_says_what_it_waited_for() {
    let scheduler = scheduler(vec![quota("Create", 1, 60_000)]);
    let cancellation = CancellationToken::new();
    let quotas = scheduler.quotas(
        environment_id(),
        &Map::new(),
        Priority::Normal,
        cancellation.clone(),
    );
    quotas.acquire("Create").await.unwrap();
    cancellation.cancel();
    let error = quotas.acquire("Create").await.unwrap_err();
    assert_eq!(
        error.message(),
        "the work was cancelled while it waited for the vendor's quota of `Create`; nothing was called"
    );
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_gives_the_place_back() {
    let scheduler = scheduler(vec![quota("Create", 1, 1_000)]);
    let quotas = quotas_of(&scheduler, environment_id(), Priority::Normal);
    let begin = Instant::now();
    quotas.acquire("Create").await.unwrap();
    let impatient: Vec<_> = (0..500)
        .map(|_| {
            let quotas = quotas.clone();
            tokio::spawn(async move { quotas.acquire("Create").await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let last = quotas.clone();
    let last = tokio::spawn(async move { last.acquire("Create").await });
    tokio::time::sleep(Duration::from_millis(1)).await;
    let eta = quotas.eta_ms(&VendorCalls::from([("Create".to_owned(), 1)]));
    assert!(eta > 500_000, "{eta}");
    for waiter in &impatient {
        waiter.abort();
    }
    last.await.unwrap().unwrap();
    assert!(
        begin.elapsed() < Duration::from_millis(1_100),
        "{:?}",
        begin.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_permit_nobody_took_is_given_back() {
    let scheduler = scheduler(vec![quota("Create", 1, 60_000)]);
    let quotas = quotas_of(&scheduler, environment_id(), Priority::Normal);
    let begin = Instant::now();
    quotas.acquire("Create").await.unwrap();
    let mut first = Box::pin(quotas.acquire("Create"));
    assert!(futures_util::poll!(&mut first).is_pending());
    // Its permit is there, and it never looks.
    tokio::time::sleep(Duration::from_secs(62)).await;
    let second = quotas.acquire("Create");
    drop(first);
    second.await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(63), "{:?}", begin.elapsed());
}

/// Whatever goes away and whenever, all who stay get their turn, in the time the quota gives.
#[tokio::test(start_paused = true)]
async fn no_wake_up_is_lost_when_waiters_come_and_go() {
    for seed in 0..50_u64 {
        let scheduler = scheduler(vec![quota("Create", 2, 100), quota("*", 4, 50)]);
        let begin = Instant::now();
        let mut staying = Vec::new();
        for number in 0..60_u64 {
            let random = (seed * 1_000 + number).wrapping_mul(6_364_136_223_846_793_005) >> 33;
            let quotas = quotas_of(&scheduler, environment_id(), Priority::Normal);
            let operation = if random.is_multiple_of(3) { "Get" } else { "Create" };
            let task = tokio::spawn(async move { quotas.acquire(operation).await });
            tokio::time::sleep(Duration::from_millis(random % 23)).await;
            if random.is_multiple_of(2) {
                staying.push(task);
            } else {
                task.abort();
            }
        }
        let all = futures_util::future::join_all(staying);
        let ended = tokio::time::timeout(Duration::from_secs(20), all).await;
        assert!(ended.is_ok(), "somebody waits for ever (seed {seed})");
        assert!(
            begin.elapsed() < Duration::from_secs(9),
            "seed {seed}: {:?}",
            begin.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn foretells_how_long_calls_take_behind_what_waits() {
    let scheduler = scheduler(vec![quota("Create", 1, 5_000), quota("*", 40, 100)]);
    let quotas = quotas_of(&scheduler, environment_id(), Priority::Normal);
    let calls = VendorCalls::from([("Create".to_owned(), 3), ("Get".to_owned(), 20)]);
    assert_eq!(quotas.eta_ms(&VendorCalls::new()), 0);
    let alone = quotas.eta_ms(&calls);
    assert!((10_000..10_500).contains(&alone), "{alone}");
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let quotas = quotas.clone();
            tokio::spawn(async move { quotas.acquire("Create").await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let behind = quotas.eta_ms(&calls);
    assert!((25_000..26_000).contains(&behind), "{behind}");
    let rollback = quotas_of(&scheduler, environment_id(), Priority::Rollback);
    let first = rollback.eta_ms(&calls);
    assert!((15_000..15_700).contains(&first), "{first}");
    futures_util::future::join_all(waiting).await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_is_made_again_and_never_told() {
    let scheduler = scheduler(Vec::new());
    let quotas = quotas_of(&scheduler, environment_id(), Priority::Normal);
    let refusals = std::sync::atomic::AtomicU32::new(3);
    let begin = Instant::now();
    let answer = crate::scheduler::call(quotas.as_ref(), "Get", || async {
        let left = refusals.load(std::sync::atomic::Ordering::Relaxed);
        if left == 0 {
            return Ok("here");
        }
        refusals.store(left - 1, std::sync::atomic::Ordering::Relaxed);
        Err(Error::new(ErrorKind::RateLimited, "slow down").with_retry(Retry::After(Duration::from_secs(2))))
    });
    assert_eq!(answer.await.unwrap(), "here");
    assert!(begin.elapsed() >= Duration::from_secs(6));
}
