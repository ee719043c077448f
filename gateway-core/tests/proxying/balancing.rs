//! Several endpoints: who gets requests, who is left out, who is asked, and how many at once.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use http::Response;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::support::{api, document, gateway, get, raw, status, upstream};

/// An upstream whose answers are its name.
async fn named(name: &'static str) -> SocketAddr {
    upstream(move |_| Response::new(json!({"name": name}).to_string())).await
}

/// An upstream that takes requests and closes without an answer, and how often it did so to others than those who only
/// look whether it is well.
pub(crate) async fn resetting() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let hits = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&hits);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                let read = stream.read(&mut buffer).await;
                if read.is_ok_and(|length| length > 0 && !buffer.starts_with(b"OPTIONS * ")) {
                    count.fetch_add(1, SeqCst);
                }
            });
        }
    });
    (address, hits)
}

/// An upstream with these endpoints and further fields.
pub(crate) fn upstreams(addresses: &[SocketAddr], fields: Value) -> Value {
    let urls: Vec<String> = addresses
        .iter()
        .map(|address| format!("http://{address}"))
        .collect();
    let others: Vec<Value> = urls[1..].iter().map(|url| json!({"url": url})).collect();
    let mut main = json!({"url": urls[0]});
    if !others.is_empty() {
        main["endpoints"] = json!(others);
    }
    for (field, value) in fields.as_object().expect("fields") {
        main[field] = value.clone();
    }
    json!({"upstreams": {"main": main}})
}

fn name(answer: &str) -> String {
    document(answer)["name"].as_str().expect("a name").to_owned()
}

#[tokio::test]
async fn requests_go_round_and_each_endpoint_is_called_by_its_own_name() {
    let gateway = gateway().await;
    let echoes = [crate::support::echo().await, crate::support::echo().await];
    let fields = upstreams(&echoes, json!({"loadBalancing": {"algorithm": "round-robin"}}));
    gateway
        .put_api(api("a", echoes[0], fields))
        .await
        .expect("applied");
    for _ in 0..3 {
        for address in echoes {
            let answer = document(&get(&gateway, "/a").await);
            assert_eq!(answer["headers"]["host"], json!([address.to_string()]));
        }
    }
}

#[tokio::test]
async fn callers_with_the_same_key_reach_the_same_endpoint() {
    let gateway = gateway().await;
    let all = [named("a").await, named("b").await, named("c").await];
    let balancing = json!({"loadBalancing": {"algorithm": "consistent-hash", "key": {"header": "x-user"}}});
    let config = api("a", all[0], upstreams(&all, balancing));
    gateway.put_api(config).await.expect("applied");
    let mut seen = std::collections::BTreeSet::new();
    for user in 0..20 {
        let request = format!("GET /a HTTP/1.1\r\nHost: a\r\nX-User: {user}\r\nConnection: close\r\n\r\n");
        let first = name(&raw(&gateway, &request).await);
        assert_eq!(name(&raw(&gateway, &request).await), first, "{user}");
        seen.insert(first);
    }
    assert!(seen.len() > 1, "{seen:?}");
}

#[tokio::test]
async fn of_four_endpoints_one_resets_and_once_it_is_out_no_caller_notices() {
    let gateway = Arc::new(gateway().await);
    let (bad, hits) = resetting().await;
    let all = [named("a").await, bad, named("c").await, named("d").await];
    let config = api(
        "a",
        bad,
        upstreams(&all, json!({"outlier": {"ejectionSeconds": 1}})),
    );
    gateway.put_api(config).await.expect("applied");
    let (is_out, late) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (gateway, is_out, late) = (Arc::clone(&gateway), Arc::clone(&is_out), Arc::clone(&late));
            tokio::spawn(async move {
                loop {
                    let began_late = is_out.load(SeqCst);
                    let answer = get(&gateway, "/a").await;
                    if status(&answer) != 200 && began_late {
                        late.fetch_add(1, SeqCst);
                    }
                }
            })
        })
        .collect();
    let ejections = "upstream_ejections_total{api=\"a\"} 1";
    let limit = Duration::from_secs(60);
    wait_until(limit, || gateway.metrics_text().contains(ejections)).await;
    is_out.store(true, SeqCst);
    let metrics = gateway.metrics_text();
    for state in ["state=\"ejected\"} 1", "state=\"available\"} 3"] {
        assert!(
            metrics.contains(&format!("upstream_endpoints{{api=\"a\",{state}")),
            "{metrics}"
        );
    }
    // It is tried by requests of callers, who do not notice that either.
    let tried = hits.load(SeqCst);
    wait_until(limit, || hits.load(SeqCst) >= tried + 2).await;
    for caller in callers {
        caller.abort();
    }
    assert_eq!(late.load(SeqCst), 0);
}

async fn wait_until(limit: Duration, condition: impl Fn() -> bool) {
    let waiting = timeout(limit, async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    });
    waiting.await.expect("it comes true in time");
}

/// Answers, or resets connections, as it is told; counts the requests that it answered.
struct Flipping {
    address: SocketAddr,
    resets: tokio::sync::watch::Sender<bool>,
    answered: Arc<AtomicUsize>,
}

impl Flipping {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (resets, told) = tokio::sync::watch::channel(false);
        let flipping = Self {
            address: listener.local_addr().expect("an address"),
            resets,
            answered: Arc::default(),
        };
        let answered = Arc::clone(&flipping.answered);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Self::serve(stream, told.clone(), Arc::clone(&answered)));
            }
        });
        flipping
    }

    async fn serve(
        mut stream: TcpStream,
        told: tokio::sync::watch::Receiver<bool>,
        answered: Arc<AtomicUsize>,
    ) {
        let mut buffer = [0; 4096];
        while stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {
            if *told.borrow() {
                return stream.set_zero_linger().expect("a socket");
            }
            if !buffer.starts_with(b"OPTIONS") {
                answered.fetch_add(1, SeqCst);
            }
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
    }
}

#[tokio::test]
async fn an_endpoint_that_was_out_for_long_is_used_again_soon_after_it_is_well() {
    let gateway = Arc::new(gateway().await);
    let flipping = Flipping::start().await;
    let all = [
        flipping.address,
        named("b").await,
        named("c").await,
        named("d").await,
    ];
    gateway
        .put_api(api("a", flipping.address, upstreams(&all, json!({}))))
        .await
        .expect("applied");
    let errors = Arc::new(std::sync::Mutex::new(Vec::new()));
    let is_out = Arc::new(AtomicBool::new(false));
    let began = Instant::now();
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (gateway, is_out, errors) = (Arc::clone(&gateway), Arc::clone(&is_out), Arc::clone(&errors));
            tokio::spawn(async move {
                loop {
                    let began_late = is_out.load(SeqCst);
                    if status(&get(&gateway, "/a").await) != 200 {
                        errors.lock().unwrap().push((began.elapsed(), began_late));
                    }
                }
            })
        })
        .collect();
    let limit = Duration::from_secs(60);
    wait_until(limit, || flipping.answered.load(SeqCst) > 0).await;
    flipping.resets.send_replace(true);
    let bad = began.elapsed();
    let ejections = "upstream_ejections_total{api=\"a\"} 1";
    wait_until(limit, || gateway.metrics_text().contains(ejections)).await;
    is_out.store(true, SeqCst);
    // By then it has been tried several times, and would be left alone for longer each time.
    tokio::time::sleep(Duration::from_secs(8)).await;
    let answered = flipping.answered.load(SeqCst);
    flipping.resets.send_replace(false);
    let well = Instant::now();
    wait_until(limit, || flipping.answered.load(SeqCst) > answered).await;
    let back = well.elapsed();
    for caller in callers {
        caller.abort();
    }
    let errors = errors.lock().unwrap();
    let last = errors
        .last()
        .map_or(Duration::ZERO, |(last, _)| last.saturating_sub(bad));
    println!(
        "{} errors, the last {last:?} after it began to reset; used again {back:?} after it was well",
        errors.len()
    );
    assert!(errors.iter().all(|(_, late)| !late), "{errors:?} after {bad:?}");
    // Far from a figure: left alone, it would be out for as long as it was bad, and longer.
    assert!(back < Duration::from_secs(8), "{back:?}");
}

#[tokio::test]
async fn requests_that_must_not_be_sent_twice_do_not_find_out_whether_an_endpoint_works() {
    let gateway = gateway().await;
    let flipping = Flipping::start().await;
    let all = [flipping.address, named("b").await];
    flipping.resets.send_replace(true);
    let fields = json!({"loadBalancing": {"algorithm": "round-robin"}, "outlier": {"consecutiveErrors": 1}});
    gateway
        .put_api(api("a", flipping.address, upstreams(&all, fields)))
        .await
        .expect("applied");
    let post = "POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx";
    let ejected = "upstream_endpoints{api=\"a\",state=\"ejected\"} 1";
    while !gateway.metrics_text().contains(ejected) {
        raw(&gateway, post).await;
    }
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(4) {
        assert_eq!(
            status(&raw(&gateway, post).await),
            200,
            "after {:?}",
            began.elapsed()
        );
    }
    flipping.resets.send_replace(false);
    let limit = Duration::from_secs(30);
    let back = timeout(limit, async {
        while flipping.answered.load(SeqCst) == 0 {
            assert_eq!(status(&raw(&gateway, post).await), 200);
        }
    });
    back.await.expect("it is used again");
}

#[tokio::test]
async fn an_endpoint_that_works_again_gets_its_share_again() {
    let gateway = gateway().await;
    let broken = Arc::new(AtomicBool::new(true));
    let switch = Arc::clone(&broken);
    let flaky = upstream(move |_| {
        let mut answer = Response::new(json!({"name": "flaky"}).to_string());
        if switch.load(SeqCst) {
            *answer.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
        }
        answer
    })
    .await;
    let all = [flaky, named("b").await];
    let fields = json!({"loadBalancing": {"algorithm": "round-robin"}, "outlier": {"ejectionSeconds": 1}});
    gateway
        .put_api(api("a", flaky, upstreams(&all, fields)))
        .await
        .expect("applied");
    let ejected = "upstream_endpoints{api=\"a\",state=\"ejected\"} 1";
    while !gateway.metrics_text().contains(ejected) {
        get(&gateway, "/a").await;
    }
    broken.store(false, SeqCst);
    let back = timeout(Duration::from_secs(30), async {
        while gateway.metrics_text().contains(ejected) {
            assert_eq!(status(&get(&gateway, "/a").await), 200);
        }
    });
    back.await.expect("it comes back");
    let names = [get(&gateway, "/a").await, get(&gateway, "/a").await].map(|answer| name(&answer));
    assert!(names.contains(&"flaky".to_owned()), "{names:?}");
}

#[tokio::test]
async fn an_endpoint_that_fails_its_check_gets_no_requests_and_is_asked_once_for_all_apis() {
    let gateway = gateway().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let sick = upstream(move |seen| {
        let mut answer = Response::new(json!({"name": "sick"}).to_string());
        if seen.head.uri.path() == "/healthz" {
            assert_eq!(seen.head.method, http::Method::GET);
            count.fetch_add(1, SeqCst);
            *answer.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        }
        answer
    })
    .await;
    let all = [sick, named("well").await];
    let check = json!({"healthCheck": {"active": {"path": "/healthz", "intervalSeconds": 3_600, "unhealthyAfter": 1}}});
    for api_name in ["a", "b"] {
        let config = api(api_name, sick, upstreams(&all, check.clone()));
        gateway.put_api(config).await.expect("applied");
    }
    let unhealthy = "upstream_endpoints{api=\"b\",state=\"unhealthy\"} 1";
    wait_until(Duration::from_secs(30), || {
        gateway.metrics_text().contains(unhealthy)
    })
    .await;
    for path in ["/a", "/b", "/a", "/b", "/a", "/b"] {
        assert_eq!(name(&get(&gateway, path).await), "well");
    }
    assert_eq!(asked.load(SeqCst), 1);
}

/// Sends a request that is not answered yet, and takes it at the upstream.
async fn held(gateway: SocketAddr, listener: &TcpListener) -> (TcpStream, TcpStream) {
    let mut caller = TcpStream::connect(gateway).await.expect("a connection");
    let request = b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    caller.write_all(request).await.expect("sent");
    let (mut taken, _) = listener.accept().await.expect("a connection");
    let mut buffer = [0; 4096];
    assert!(taken.read(&mut buffer).await.expect("readable") > 0);
    (caller, taken)
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn more_requests_than_an_endpoint_may_have_wait_and_more_than_may_wait_are_told() {
    let gateway = gateway().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let fields = json!({"maxConnections": 1, "maxPending": 1, "connectTimeoutMs": 60_000});
    gateway
        .put_api(api("a", address, upstreams(&[address], fields)))
        .await
        .expect("applied");
    let (mut first, mut taken) = held(gateway.address(), &listener).await;
    let more: FuturesUnordered<_> = [get(&gateway, "/a"), get(&gateway, "/a")].into_iter().collect();
    let mut more = std::pin::pin!(more);
    // One of the two waits, the other is told at once.
    let told = more.next().await.expect("an answer");
    assert_eq!(status(&told), 503, "{told}");
    assert_eq!(
        document(&told)["type"],
        "https://gatehouse.dev/problems/gateway/upstream-busy"
    );
    // The one that waits gets the connection when the first is done with it.
    taken.write_all(OK).await.expect("sent");
    let mut answer = Vec::new();
    first.read_to_end(&mut answer).await.expect("an answer");
    let mut buffer = [0; 4096];
    assert!(
        taken.read(&mut buffer).await.expect("readable") > 0,
        "the same connection"
    );
    taken.write_all(OK).await.expect("sent");
    assert_eq!(status(&more.next().await.expect("an answer")), 200);
}

#[tokio::test]
async fn a_connection_that_was_idle_for_too_long_is_not_used_again() {
    let gateway = gateway().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, SeqCst);
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {
                    if stream.write_all(OK).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    for (idle, fresh) in [(json!(60_000), false), (json!(1), true)] {
        let fields = upstreams(&[address], json!({"idleTimeoutMs": idle}));
        gateway.put_api(api("a", address, fields)).await.expect("applied");
        assert_eq!(status(&get(&gateway, "/a").await), 200);
        let before = connections.load(SeqCst);
        for _ in 0..5 {
            let idle_since = Instant::now();
            while fresh && idle_since.elapsed() < Duration::from_millis(3) {
                tokio::task::yield_now().await;
            }
            assert_eq!(status(&get(&gateway, "/a").await), 200);
        }
        let more = connections.load(SeqCst) - before;
        assert_eq!(more, if fresh { 5 } else { 0 });
    }
}

/// Sends a head that announces a body of ten bytes, so much of it, and waits for the answer.
async fn post(gateway: &gatehouse_gateway_core::Gateway, body: &str) -> u16 {
    let mut stream = TcpStream::connect(gateway.address()).await.expect("a connection");
    let head = "POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 10\r\n\r\n";
    let request = format!("{head}{body}");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = [0; 1024];
    let length = stream.read(&mut answer).await.expect("an answer");
    status(&String::from_utf8_lossy(&answer[..length]))
}

#[tokio::test]
async fn who_waits_for_the_rest_of_a_callers_body_is_not_ejected_and_who_has_all_of_it_is() {
    let gateway = gateway().await;
    let silent = [
        TcpListener::bind("127.0.0.1:0").await.expect("a port"),
        TcpListener::bind("127.0.0.1:0").await.expect("a port"),
    ];
    let addresses = silent.each_ref().map(|it| it.local_addr().expect("an address"));
    let fields = json!({"timeoutMs": 50, "outlier": {"consecutiveErrors": 2, "maxEjectedPercent": 50}});
    let fields = upstreams(&addresses, fields);
    gateway
        .put_api(api("a", addresses[0], fields))
        .await
        .expect("applied");
    for (body, available) in [("hello", 2), ("hello more", 1)] {
        for _ in 0..6 {
            assert_eq!(post(&gateway, body).await, 504, "{body}");
        }
        let metrics = gateway.metrics_text();
        let expected = format!("upstream_endpoints{{api=\"a\",state=\"available\"}} {available}");
        assert!(metrics.contains(&expected), "{body}: {metrics}");
    }
}

#[tokio::test]
async fn an_endpoint_is_checked_again_and_again_over_one_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (connections, checks) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (opened, asked) = (Arc::clone(&connections), Arc::clone(&checks));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            opened.fetch_add(1, SeqCst);
            let asked = Arc::clone(&asked);
            let service = hyper::service::service_fn(move |request| {
                let _: http::Request<hyper::body::Incoming> = request;
                asked.fetch_add(1, SeqCst);
                async { Ok::<_, std::convert::Infallible>(Response::new("fine".to_owned())) }
            });
            let stream = hyper_util::rt::TokioIo::new(stream);
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(stream, service));
        }
    });
    let gateway = gateway().await;
    let check = json!({"healthCheck": {"active": {"path": "/health", "intervalSeconds": 1}}});
    let config = api("a", address, upstreams(&[address], check));
    gateway.put_api(config).await.expect("applied");
    while checks.load(SeqCst) < 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(connections.load(SeqCst), 1);
}
