//! Limits that gateways share through Redis: a real one, killed, hung and brought back.

use std::{
    fs,
    net::TcpListener,
    num::NonZeroU32,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use gatehouse_gateway_core::{ApiConfig, Gateway, GatewayOptions, RedisOptions};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpStream, time::sleep};

use crate::support::{api, echo, raw, status};

/// A Redis of this test alone.
struct Redis {
    port: u16,
    more: Vec<String>,
    folder: TempDir,
    process: Option<Child>,
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

fn binary() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join("redis-server"))
        .find(|file| file.is_file())
}

impl Redis {
    /// Starts one, unless there is no program to start.
    async fn start(port_option: &str, more: &[&str]) -> Option<Self> {
        if binary().is_none() {
            println!("SKIPPED: limits shared through Redis: there is no `redis-server`");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let mut redis = Self {
            port: port.expect("a free port").port(),
            more: more.iter().map(|&option| option.to_owned()).collect(),
            folder: tempfile::tempdir().expect("a folder"),
            process: None,
        };
        redis
            .more
            .extend([port_option.to_owned(), redis.port.to_string()]);
        redis.run().await;
        Some(redis)
    }

    async fn plain() -> Option<Self> {
        Self::start("--port", &[]).await
    }

    async fn run(&mut self) {
        let process = Command::new(binary().expect("a program"))
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"])
            .arg(self.folder.path())
            .args(&self.more)
            .stdout(Stdio::null())
            .spawn();
        self.process = Some(process.expect("it starts"));
        let port = self.port;
        until(async || TcpStream::connect(("127.0.0.1", port)).await.is_ok()).await;
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("killed");
            process.wait().expect("ended");
        }
    }

    fn signal(&self, name: &str) {
        let id = self.process.as_ref().expect("it runs").id().to_string();
        let sent = Command::new("kill")
            .args([name, &id])
            .status()
            .expect("`kill` runs");
        assert!(sent.success());
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/1", self.port)
    }
}

/// Waits until something holds.
async fn until(condition: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < Duration::from_secs(30), "it never came true");
        sleep(Duration::from_millis(10)).await;
    }
}

async fn start(redis: RedisOptions) -> Gateway {
    let options = GatewayOptions {
        worker_threads: Some(1),
        redis: Some(redis),
        ..GatewayOptions::default()
    };
    Gateway::start(options).await.expect("the gateway starts")
}

/// A gateway that has all the time it takes, so that a busy machine changes no count.
async fn sharing(redis: &Redis) -> Gateway {
    let options = RedisOptions {
        budget: Duration::from_secs(10),
        ..RedisOptions::new(redis.url())
    };
    start(options).await
}

fn metric(gateway: &Gateway, name: &str) -> u64 {
    let text = gateway.metrics_text();
    let mut lines = text.lines().filter_map(|line| line.rsplit_once(' '));
    let value = lines.find(|(line, _)| *line == format!("gatehouse_gateway_shared_limits_{name}"));
    value.expect("it is told").1.parse().expect("a number")
}

async fn until_shared(gateways: &[&Gateway]) {
    let count = gateways.len() as u64;
    until(async || {
        let knows =
            |gateway: &&Gateway| metric(gateway, "available") == 1 && metric(gateway, "gateways") == count;
        gateways.iter().all(knows)
    })
    .await;
}

async fn until_away(gateways: &[&Gateway]) {
    until(async || gateways.iter().all(|gateway| metric(gateway, "available") == 0)).await;
}

/// An API whose callers are told apart by a header.
async fn limited(kind: &str, mut with: Value) -> ApiConfig {
    with["key"] = json!({"header": "X-Caller"});
    api(
        "a",
        echo().await,
        json!({"policies": [{"type": kind, "with": with}]}),
    )
}

fn rate(requests: u32) -> Value {
    json!({"limits": [{"requests": requests, "per": "day"}, {"requests": 1_000_000, "per": "day"}]})
}

async fn call(gateway: &Gateway, caller: &str) -> u16 {
    let head = format!("GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Caller: {caller}\r\n\r\n");
    status(&raw(gateway, &head).await)
}

/// Calls so often, through each gateway in turn and several at a time, and counts what was let through.
async fn let_through(gateways: &[&Gateway], caller: &str, calls: usize) -> usize {
    let mut passed = 0;
    let all: Vec<usize> = (0..calls).collect();
    for some in all.chunks(10) {
        let answers = some
            .iter()
            .map(|number| call(gateways[number % gateways.len()], caller));
        for status in join_all(answers).await {
            assert!(matches!(status, 200 | 429), "{status}");
            passed += usize::from(status == 200);
        }
    }
    passed
}

#[tokio::test]
async fn gateways_share_one_limit_exactly() {
    let Some(redis) = Redis::plain().await else { return };
    let (one, two) = (sharing(&redis).await, sharing(&redis).await);
    let config = limited("ratelimit", rate(60)).await;
    for gateway in [&one, &two] {
        gateway.put_api(config.clone()).await.expect("applied");
    }
    until_shared(&[&one, &two]).await;
    assert_eq!(let_through(&[&one, &two], "a", 100).await, 60);
    assert_eq!(let_through(&[&two], "b", 70).await, 60);
    assert_eq!(let_through(&[&one], "b", 5).await, 0);
    for outcome in ["away", "late", "failed"] {
        let name = format!("requests_total{{outcome=\"{outcome}\"}}");
        assert_eq!(metric(&one, &name) + metric(&two, &name), 0, "{outcome}");
    }
}

#[tokio::test]
async fn gateways_share_one_quota_and_a_store_that_forgot_is_told_again() {
    let Some(mut redis) = Redis::plain().await else {
        return;
    };
    let (one, two) = (sharing(&redis).await, sharing(&redis).await);
    let config = limited("quota", json!({"requests": 50, "per": "month"})).await;
    for gateway in [&one, &two] {
        gateway.put_api(config.clone()).await.expect("applied");
    }
    until_shared(&[&one, &two]).await;
    assert_eq!(let_through(&[&one, &two], "a", 38).await, 38);
    // One after the other, so that it is known what each has heard last.
    assert_eq!(let_through(&[&two], "a", 1).await, 1);
    assert_eq!(let_through(&[&one], "a", 1).await, 1);
    redis.kill();
    until_away(&[&one, &two]).await;
    // Each of two gateways has a part of what was left when it last heard of it.
    assert_eq!(let_through(&[&one], "a", 20).await, 5);
    // It kept nothing on disk.
    redis.run().await;
    until_shared(&[&one, &two]).await;
    assert_eq!(let_through(&[&one], "a", 20).await, 5);
    assert_eq!(let_through(&[&two], "a", 20).await, 0);
}

#[tokio::test]
async fn a_redis_killed_under_load_costs_no_request_and_limits_are_shared_again_when_it_is_back() {
    let Some(mut redis) = Redis::plain().await else {
        return;
    };
    let (one, two) = (sharing(&redis).await, sharing(&redis).await);
    let config = limited("ratelimit", rate(40)).await;
    for gateway in [&one, &two] {
        gateway.put_api(config.clone()).await.expect("applied");
    }
    until_shared(&[&one, &two]).await;
    // Every answer is looked at: 200 or 429, never an error.
    let both = [&one, &two];
    let load = let_through(&both, "load", 100);
    let killing = async {
        sleep(Duration::from_millis(5)).await;
        redis.kill();
    };
    let (passed, ()) = tokio::join!(load, killing);
    assert!((20..=80).contains(&passed), "{passed}");
    until_away(&[&one, &two]).await;
    assert_eq!(let_through(&[&one], "a", 50).await, 20, "half of the limit");
    assert_eq!(let_through(&[&two], "a", 50).await, 20, "the other half");
    assert!(metric(&one, "requests_total{outcome=\"away\"}") >= 50);
    redis.run().await;
    until_shared(&[&one, &two]).await;
    assert_eq!(let_through(&[&one, &two], "b", 80).await, 40);
}

#[tokio::test]
async fn a_hung_redis_costs_a_few_requests_their_budget_and_the_others_nothing() {
    let Some(redis) = Redis::plain().await else { return };
    let gateway = start(RedisOptions::new(redis.url())).await;
    gateway
        .put_api(limited("ratelimit", rate(1_000)).await)
        .await
        .expect("applied");
    until_shared(&[&gateway]).await;
    assert_eq!(call(&gateway, "a").await, 200);
    redis.signal("-STOP");
    let mut slowest = Duration::ZERO;
    for _ in 0..100 {
        let begun = Instant::now();
        assert_eq!(call(&gateway, "a").await, 200);
        slowest = slowest.max(begun.elapsed());
    }
    // The budget, and what a busy machine adds; a wait for a connection would be half a second and more.
    assert!(slowest < Duration::from_millis(400), "{slowest:?}");
    assert_eq!(metric(&gateway, "available"), 0);
    let late = metric(&gateway, "requests_total{outcome=\"late\"}");
    assert!((1..=3).contains(&late), "{late} waited");
    redis.signal("-CONT");
    until_shared(&[&gateway]).await;
    assert_eq!(call(&gateway, "a").await, 200);
}

#[tokio::test]
async fn a_gateway_that_never_saw_redis_divides_by_what_it_was_told() {
    let options = RedisOptions {
        gateways: NonZeroU32::new(4),
        // Nobody listens on port 1.
        ..RedisOptions::new("redis://127.0.0.1:1")
    };
    let gateway = start(options).await;
    gateway
        .put_api(limited("ratelimit", rate(20)).await)
        .await
        .expect("applied");
    assert_eq!(let_through(&[&gateway], "a", 30).await, 5);
}

/// Files with a certificate for `localhost` and its key.
fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    fs::write(&certificate, made.cert.pem()).expect("written");
    fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    (certificate, key)
}

#[tokio::test]
async fn with_tls_the_certificate_is_verified_and_the_password_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = certificate(folder.path());
    let (certificate_text, key_text) = (certificate.display().to_string(), key.display().to_string());
    let options = [
        "--port",
        "0",
        "--tls-auth-clients",
        "no",
        "--requirepass",
        "s3cret",
        "--tls-cert-file",
        &certificate_text,
        "--tls-key-file",
        &key_text,
    ];
    let Some(redis) = Redis::start("--tls-port", &options).await else {
        return;
    };
    let url = format!("rediss://localhost:{}", redis.port);
    let good = RedisOptions {
        password: Some("s3cret".into()),
        authorities_file: Some(certificate),
        ..RedisOptions::new(url)
    };
    let strange = RedisOptions {
        authorities_file: None,
        ..good.clone()
    };
    let wrong = RedisOptions {
        password: Some("wrong".into()),
        ..good.clone()
    };
    let (good, strange, wrong) = (start(good).await, start(strange).await, start(wrong).await);
    let config = limited("ratelimit", rate(20)).await;
    for gateway in [&good, &strange, &wrong] {
        gateway.put_api(config.clone()).await.expect("applied");
    }
    until_shared(&[&good]).await;
    for gateway in [&strange, &wrong] {
        assert_eq!(let_through(&[gateway], "a", 30).await, 20);
        assert_eq!(metric(gateway, "available"), 0);
        assert_eq!(metric(gateway, "requests_total{outcome=\"shared\"}"), 0);
    }
}
