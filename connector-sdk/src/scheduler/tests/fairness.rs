//! Whose turn it is.

use tokio::{sync::mpsc, time::Instant};

use super::*;

/// Starts so many calls of an environment; each tells its label when it may be made.
fn start(
    scheduler: &Scheduler,
    environment: EnvironmentId,
    (priority, operation, count): (Priority, &'static str, usize),
    label: &'static str,
    told: &mpsc::UnboundedSender<&'static str>,
) {
    let quotas = quotas_of(scheduler, environment, priority);
    for _ in 0..count {
        let (quotas, told) = (quotas.clone(), told.clone());
        tokio::spawn(async move {
            quotas.acquire(operation).await.unwrap();
            let _ = told.send(label);
        });
    }
}

async fn receive(from: &mut mpsc::UnboundedReceiver<&'static str>, count: usize) -> Vec<&'static str> {
    let mut labels = Vec::new();
    from.recv_many(&mut labels, count).await;
    while labels.len() < count {
        labels.push(from.recv().await.unwrap());
    }
    labels
}

#[tokio::test(start_paused = true)]
async fn an_environment_with_one_call_does_not_wait_for_ten_thousand() {
    let scheduler = scheduler(vec![quota("*", 10, 100)]);
    let (told, mut labels) = mpsc::unbounded_channel();
    let many = (Priority::Normal, "Get", 10_000);
    start(&scheduler, environment_id(), many, "many", &told);
    tokio::task::yield_now().await;
    receive(&mut labels, 9).await;
    let asked = Instant::now();
    start(
        &scheduler,
        environment_id(),
        (Priority::Normal, "Get", 1),
        "one",
        &told,
    );
    while labels.recv().await != Some("one") {}
    assert!(
        asked.elapsed() < Duration::from_millis(250),
        "{:?}",
        asked.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn environments_take_turns() {
    let scheduler = scheduler(vec![quota("Get", 1, 100)]);
    let (told, mut labels) = mpsc::unbounded_channel();
    for label in ["a", "b", "c"] {
        let calls = (Priority::Normal, "Get", 100);
        start(&scheduler, environment_id(), calls, label, &told);
    }
    let labels = receive(&mut labels, 90).await;
    for label in ["a", "b", "c"] {
        let count = labels.iter().filter(|told| **told == label).count();
        assert!((29..=31).contains(&count), "{label} had {count} of 90 turns");
    }
}

#[tokio::test(start_paused = true)]
async fn an_environment_that_asks_one_by_one_gets_its_share_and_leaves_the_rest() {
    let scheduler = scheduler(vec![quota("Get", 1, 100)]);
    let (told, mut labels) = mpsc::unbounded_channel();
    start(
        &scheduler,
        environment_id(),
        (Priority::Normal, "Get", 1_000),
        "many",
        &told,
    );
    let quotas = quotas_of(&scheduler, environment_id(), Priority::Normal);
    let one_by_one =
        tokio::spawn(
            async move { while quotas.acquire("Get").await.is_ok() && told.send("single").is_ok() {} },
        );
    let labels = receive(&mut labels, 100).await;
    one_by_one.abort();
    let single = labels.iter().filter(|label| **label == "single").count();
    assert!((45..=51).contains(&single), "{single} of 100");
}

#[tokio::test(start_paused = true)]
async fn plenty_of_one_operation_does_not_starve_another_environments_scarce_one() {
    let scheduler = scheduler(vec![quota("Create", 1, 1_000), quota("*", 2, 100)]);
    let (told, mut labels) = mpsc::unbounded_channel();
    let (busy, other) = (environment_id(), environment_id());
    start(&scheduler, busy, (Priority::Normal, "Get", 10_000), "get", &told);
    start(
        &scheduler,
        busy,
        (Priority::Normal, "Create", 1_000),
        "create",
        &told,
    );
    start(
        &scheduler,
        other,
        (Priority::Normal, "Create", 1_000),
        "other create",
        &told,
    );
    let labels = receive(&mut labels, 400).await;
    let count = |wanted| labels.iter().filter(|label| **label == wanted).count();
    // 40 seconds: some 39 creations, in turns.
    assert!((18..=21).contains(&count("create")), "{}", count("create"));
    assert!(
        (18..=21).contains(&count("other create")),
        "{}",
        count("other create")
    );
}

#[tokio::test(start_paused = true)]
async fn rollbacks_go_first_and_at_once_whatever_waits() {
    let scheduler = scheduler(vec![quota("*", 10, 1_000)]);
    let (told, mut labels) = mpsc::unbounded_channel();
    for _ in 0..5 {
        let calls = (Priority::Normal, "Get", 1_000);
        start(&scheduler, environment_id(), calls, "deploy", &told);
    }
    receive(&mut labels, 8).await;
    let asked = Instant::now();
    let calls = (Priority::Rollback, "Create", 20);
    start(&scheduler, environment_id(), calls, "rollback", &told);
    assert_eq!(receive(&mut labels, 1).await, ["rollback"]);
    assert_eq!(asked.elapsed(), Duration::ZERO);
    assert!(
        receive(&mut labels, 19)
            .await
            .iter()
            .all(|label| *label == "rollback")
    );
    assert!(
        asked.elapsed() < Duration::from_millis(20_000),
        "{:?}",
        asked.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn what_somebody_waits_for_goes_before_the_background() {
    let scheduler = scheduler(vec![quota("Get", 1, 1_000)]);
    let (told, mut labels) = mpsc::unbounded_channel();
    let environment = environment_id();
    start(
        &scheduler,
        environment,
        (Priority::Background, "Get", 3),
        "background",
        &told,
    );
    receive(&mut labels, 1).await;
    start(
        &scheduler,
        environment,
        (Priority::Normal, "Get", 2),
        "normal",
        &told,
    );
    assert_eq!(
        receive(&mut labels, 4).await,
        ["normal", "normal", "background", "background"]
    );
}

#[tokio::test(start_paused = true)]
async fn who_came_first_goes_first_within_an_environment() {
    let scheduler = scheduler(vec![quota("Get", 1, 10)]);
    let (told, mut order) = mpsc::unbounded_channel();
    let quotas = quotas_of(&scheduler, environment_id(), Priority::Normal);
    for number in 0..200 {
        let (quotas, told) = (quotas.clone(), told.clone());
        tokio::spawn(async move {
            quotas.acquire("Get").await.unwrap();
            let _ = told.send(number);
        });
    }
    for number in 0..200 {
        assert_eq!(order.recv().await, Some(number));
    }
}
