//! WebSockets in streams of HTTP/2 (RFC 8441), of callers and to upstreams.

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::Path,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use gatehouse_gateway_core::{Gateway, GatewayOptions, TlsOptions};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    body::Incoming,
    client::conn::http2::{self, SendRequest},
    ext::Protocol,
    service::service_fn,
    upgrade::Upgraded,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    process::Command,
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async, connect_async,
    tungstenite::{Message, protocol::Role},
};

use crate::{
    access_log::collect,
    authority::{authority, identity},
    policies::with_key,
    support::{api, gateway, upstream},
};

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// A caller with one connection of HTTP/2.
pub(crate) struct Caller {
    sender: SendRequest<Empty<Bytes>>,
    authority: String,
}

impl Caller {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("a handshake");
        tokio::spawn(connection);
        // Its settings have come when there was an answer.
        let first = Request::get(format!("http://{address}/nothing")).body(Empty::new());
        sender
            .send_request(first.expect("a request"))
            .await
            .expect("an answer");
        Self {
            sender,
            authority: address.to_string(),
        }
    }

    /// Sends a CONNECT, with this protocol if there is one.
    async fn ask(
        &mut self,
        protocol: Option<&'static str>,
        path: &str,
        headers: HeaderMap,
    ) -> Response<Incoming> {
        let uri = match protocol {
            Some(_) => format!("http://{}{path}", self.authority),
            None => self.authority.clone(),
        };
        let mut request = Request::new(Empty::new());
        *request.method_mut() = Method::CONNECT;
        *request.uri_mut() = uri.parse().expect("a target");
        *request.headers_mut() = headers;
        if let Some(protocol) = protocol {
            request.extensions_mut().insert(Protocol::from_static(protocol));
        }
        self.sender.send_request(request).await.expect("an answer")
    }

    /// Opens a WebSocket.
    pub(crate) async fn open(&mut self, path: &str) -> (Socket, HeaderMap) {
        let mut headers = HeaderMap::new();
        headers.insert("sec-websocket-version", "13".parse().unwrap());
        headers.insert("sec-websocket-protocol", "chat".parse().unwrap());
        let answer = self.ask(Some("websocket"), path, headers).await;
        assert_eq!(answer.status(), 200);
        let head = answer.headers().clone();
        let stream = hyper::upgrade::on(answer).await.expect("a stream");
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Client, None).await;
        (socket, head)
    }

    async fn get(&mut self, path: &str) -> StatusCode {
        let request = Request::get(format!("http://{}{path}", self.authority)).body(Empty::new());
        let answer = self.sender.send_request(request.expect("a request")).await;
        answer.expect("an answer").status()
    }
}

async fn echoes<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>, text: &str) {
    socket.send(Message::text(text)).await.expect("sent");
    let echoed = socket.next().await.expect("a message").expect("a message");
    assert_eq!(echoed.into_text().expect("text").as_str(), text);
}

async fn echo_all<S: AsyncRead + AsyncWrite + Unpin>(mut socket: WebSocketStream<S>) {
    while let Some(Ok(message)) = socket.next().await {
        if message.is_text() {
            socket.send(message).await.expect("sent");
        }
    }
}

/// An upstream for WebSockets over HTTP/1.1 that sends every message back, and the heads it saw.
async fn echoing() -> (SocketAddr, Arc<Mutex<Vec<Request<()>>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let seen: Arc<Mutex<Vec<Request<()>>>> = Arc::default();
    let sees = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let sees = Arc::clone(&sees);
            #[expect(clippy::result_large_err, reason = "the callback's type is the library's")]
            let keep = move |request: &Request<()>, mut answer: Response<()>| {
                if let Some(protocol) = request.headers().get("sec-websocket-protocol") {
                    answer
                        .headers_mut()
                        .insert("sec-websocket-protocol", protocol.clone());
                }
                sees.lock().expect("not poisoned").push(request.clone());
                Ok(answer)
            };
            tokio::spawn(async move {
                // Whoever asks for anything else is sent away.
                if let Ok(socket) = accept_hdr_async(stream, keep).await {
                    echo_all(socket).await;
                }
            });
        }
    });
    (address, seen)
}

#[tokio::test]
async fn messages_go_back_and_forth_beside_other_requests() {
    let (address, seen) = echoing().await;
    let plain = upstream(|_| Response::new("plain".to_owned())).await;
    let gateway = gateway().await;
    for config in [api("a", address, json!({})), api("plain", plain, json!({}))] {
        gateway.put_api(config).await.expect("applied");
    }
    let mut caller = Caller::connect(gateway.address()).await;
    let (mut first, head) = caller.open("/a/socket?x=1").await;
    let (mut second, _) = caller.open("/a/socket").await;
    assert_eq!(head["sec-websocket-protocol"], "chat");
    for absent in ["sec-websocket-accept", "connection", "upgrade"] {
        assert!(!head.contains_key(absent), "{head:?}");
    }
    for text in ["one", &"x".repeat(300_000)] {
        echoes(&mut first, text).await;
        assert_eq!(caller.get("/plain").await, 200);
        echoes(&mut second, text).await;
    }
    let request = seen.lock().expect("not poisoned")[0].clone();
    assert_eq!(
        (request.method(), request.uri().to_string()),
        (&Method::GET, "/socket?x=1".to_owned())
    );
    assert_eq!(request.headers()["sec-websocket-version"], "13");
    // Each WebSocket ends by itself.
    first.close(None).await.expect("closed");
    assert!(matches!(first.next().await, Some(Ok(Message::Close(_)))));
    assert!(first.next().await.is_none());
    echoes(&mut second, "still here").await;
}

#[tokio::test]
async fn what_is_no_websocket_is_never_a_success() {
    let (address, _) = echoing().await;
    let wrong = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let forger = wrong.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = wrong.accept().await {
            let switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
            stream.write_all(switched.as_bytes()).await.expect("sent");
        }
    });
    let plain = upstream(|_| Response::new("plain".to_owned())).await;
    let refuses = upstream(|_| {
        let mut answer = Response::new("no".to_owned());
        *answer.status_mut() = StatusCode::FORBIDDEN;
        answer
    })
    .await;
    let gateway = gateway().await;
    let respond = json!({"policies": [{"type": "respond", "with": {"status": 200}}]});
    let keys = json!({"keys": [{"consumer": "shop", "secretRef": "shop-key"}]});
    let guarded = json!({"policies": [{"type": "auth.apiKey", "with": keys}]});
    for config in [
        api("plain", plain, json!({})),
        api("refuses", refuses, json!({})),
        api("forger", forger, json!({})),
        api("fixed", address, respond),
        with_key(api("guarded", address, guarded), "shop-key", "key"),
    ] {
        gateway.put_api(config).await.expect("applied");
    }
    let mut caller = Caller::connect(gateway.address()).await;
    for (protocol, path, expected) in [
        (Some("websocket"), "/plain", 501),
        (Some("websocket"), "/refuses", 403),
        (Some("websocket"), "/forger", 502),
        (Some("websocket"), "/fixed", 501),
        (Some("websocket"), "/guarded", 401),
        (Some("websocket"), "/nowhere", 404),
        (Some("connect-udp"), "/plain", 501),
        (None, "", 405),
    ] {
        let answer = caller.ask(protocol, path, HeaderMap::new()).await;
        assert_eq!(answer.status(), expected, "{protocol:?} {path}");
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        if expected != 403 {
            let problem: Value = serde_json::from_slice(&body).expect("a problem");
            assert_eq!(problem["status"], expected, "{problem}");
        }
    }
    assert_eq!(caller.get("/plain").await, 200, "the connection goes on");
}

/// An upstream for HTTP/2 without TLS, and for HTTP/1.1 as well. Over HTTP/2 it takes WebSockets if it says so; it counts
/// those that came that way.
async fn multiplexing(takes: bool) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let counted = Arc::clone(&counted);
            tokio::spawn(async move {
                let mut start = [0; 3];
                stream.peek(&mut start).await.expect("something comes");
                if start != *b"PRI" {
                    let socket = tokio_tungstenite::accept_async(stream).await;
                    return echo_all(socket.expect("a handshake")).await;
                }
                let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                if takes {
                    server.enable_connect_protocol();
                }
                let service = service_fn(move |request| taken(request, Arc::clone(&counted)));
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (address, count)
}

async fn taken(
    request: Request<Incoming>,
    count: Arc<AtomicUsize>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let mut answer = Response::new(Empty::new());
    let protocol = request.extensions().get::<Protocol>();
    if protocol.is_some_and(|protocol| protocol.as_str() == "websocket") {
        assert_eq!(request.method(), Method::CONNECT);
        assert_eq!(request.uri().path(), "/socket");
        assert!(!request.headers().contains_key("sec-websocket-key"));
        assert!(!request.headers().contains_key("upgrade"));
        count.fetch_add(1, SeqCst);
        tokio::spawn(async move {
            let stream = hyper::upgrade::on(request).await.expect("a stream");
            let socket = WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Server, None);
            echo_all(socket.await).await;
        });
        answer
            .headers_mut()
            .insert("x-upstream", "http2".parse().unwrap());
    }
    Ok(answer)
}

#[tokio::test]
async fn upstreams_that_take_them_over_http_2_get_them_so() {
    for (takes, over_http2) in [(true, 2), (false, 0)] {
        let (address, count) = multiplexing(takes).await;
        let gateway = gateway().await;
        let main = json!({"url": format!("http://{address}"), "protocol": "http2"});
        let config = api("a", address, json!({"upstreams": {"main": main}}));
        gateway.put_api(config).await.expect("applied");
        let mut caller = Caller::connect(gateway.address()).await;
        let (mut http2, _) = caller.open("/a/socket").await;
        // This client insists on the right answer to its key.
        let url = format!("ws://{}/a/socket", gateway.address());
        let (mut http1, answer) = connect_async(url).await.expect("a handshake");
        assert_eq!(answer.headers().contains_key("x-upstream"), takes);
        for text in ["one", &"x".repeat(300_000)] {
            echoes(&mut http2, text).await;
            echoes(&mut http1, text).await;
        }
        assert_eq!(count.load(SeqCst), over_http2);
        assert_eq!(caller.get("/a/other").await, 200, "requests go on beside them");
        for answer in [http2.close(None).await, http1.close(None).await] {
            answer.expect("closed");
        }
        assert!(matches!(http2.next().await, Some(Ok(Message::Close(_)))));
        assert!(matches!(http1.next().await, Some(Ok(Message::Close(_)))));
    }
}

/// The code of the close frame that comes next.
async fn closed(socket: &mut Socket) -> u16 {
    match socket.next().await {
        Some(Ok(Message::Close(Some(frame)))) => frame.code.into(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn silence_ends_a_stream_and_nothing_else_on_its_connection() {
    let (address, _) = echoing().await;
    let options = GatewayOptions {
        worker_threads: Some(1),
        websocket_idle: Duration::from_millis(200),
        ..GatewayOptions::default()
    };
    let gateway = Gateway::start(options).await.expect("started");
    gateway
        .put_api(api("a", address, json!({})))
        .await
        .expect("applied");
    let mut caller = Caller::connect(gateway.address()).await;
    let (mut socket, _) = caller.open("/a").await;
    assert_eq!(closed(&mut socket).await, 1001);
    // The goodbye that this client answers with may come too late.
    assert!(!matches!(socket.next().await, Some(Ok(_))));
    let (mut again, _) = caller.open("/a").await;
    echoes(&mut again, "on the same connection").await;
}

#[tokio::test]
async fn a_stream_lives_until_the_deadline_and_hears_that_the_gateway_goes() {
    let (address, _) = echoing().await;
    let gateway = gateway().await;
    gateway
        .put_api(api("a", address, json!({})))
        .await
        .expect("applied");
    let mut caller = Caller::connect(gateway.address()).await;
    let mut sockets = Vec::new();
    for _ in 0..20 {
        sockets.push(caller.open("/a").await.0);
    }
    let started = Instant::now();
    let stopping = tokio::spawn(gateway.shutdown(Duration::from_secs(2)));
    // GOAWAY ends no stream that has begun.
    for socket in &mut sockets {
        echoes(socket, "still here").await;
    }
    for socket in &mut sockets {
        assert_eq!(closed(socket).await, 1001);
        assert!(started.elapsed() >= Duration::from_secs(2), "it was cut early");
    }
    stopping.await.expect("stopped");
}

#[tokio::test]
async fn a_stream_holds_its_place_at_the_endpoint_until_it_closes() {
    let (address, _) = echoing().await;
    let gateway = gateway().await;
    let main = json!({"url": format!("http://{address}"), "maxConnections": 1, "maxPending": 1, "connectTimeoutMs": 60_000});
    let config = api("a", address, json!({"upstreams": {"main": main}}));
    gateway.put_api(config).await.expect("applied");
    let mut caller = Caller::connect(gateway.address()).await;
    let (first, _) = caller.open("/a").await;
    {
        let second = caller.open("/a");
        tokio::pin!(second);
        let early = tokio::time::timeout(Duration::from_millis(100), &mut second).await;
        assert!(early.is_err(), "the first one is open");
        // Without a word: the stream is reset.
        drop(first);
        second.await.0.close(None).await.expect("closed");
    }
}

/// A gateway that serves HTTPS as `localhost`, and the authority of its certificate.
async fn secure_gateway() -> (Gateway, TempDir) {
    let ours = authority("ours");
    let folder = tempfile::tempdir().expect("a folder");
    identity(&ours, &["localhost"], false).write(folder.path(), "own");
    std::fs::write(folder.path().join("authority.pem"), ours.pem()).expect("written");
    let options = GatewayOptions {
        tls: Some(TlsOptions {
            listen: "127.0.0.1:0".parse().unwrap(),
            certificate_file: folder.path().join("own.crt"),
            key_file: folder.path().join("own.key"),
            certificate_dir: None,
        }),
        worker_threads: Some(1),
        access_log: true,
        ..GatewayOptions::default()
    };
    (Gateway::start(options).await.expect("started"), folder)
}

#[tokio::test]
async fn another_implementation_opens_one_over_https_beside_its_other_requests() {
    if std::process::Command::new("node")
        .arg("--version")
        .output()
        .is_err()
    {
        println!("SKIPPED: a WebSocket over HTTP/2 by another implementation: `node` is not installed");
        return;
    }
    let (gateway, folder) = secure_gateway().await;
    let (address, _) = echoing().await;
    let plain = upstream(|_| Response::new("plain".to_owned())).await;
    for config in [api("a", address, json!({})), api("plain", plain, json!({}))] {
        gateway.put_api(config).await.expect("applied");
    }
    let port = gateway.tls_address().expect("an HTTPS listener").port();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proxying/websocket_http2.mjs");
    let mut node = Command::new("node");
    node.arg(script)
        .arg(format!("https://localhost:{port}"))
        .args(["/plain", "/a"])
        .arg(folder.path().join("authority.pem"))
        .kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(60), node.output()).await;
    let output = output.expect("in time").expect("it runs");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let expected = json!({
        "advertised": true, "before": 200, "status": 200, "protocol": "chat", "proof": null,
        "echoed": [true, true, true], "closed": 1000,
    });
    assert_eq!(said, expected);
}

/// Opens a WebSocket on the connection that the page came over, and asks for a path that says what came of it.
const PAGE: &str = "<script>
const socket = new WebSocket(`wss://${location.host}/a`);
socket.onopen = () => socket.send('hello');
socket.onmessage = (event) => fetch(`/page/said/${event.data}`);
socket.onerror = () => fetch('/page/said/nothing');
</script>";

#[tokio::test]
async fn a_browser_opens_one_on_the_connection_that_it_has() {
    let found = ["chromium", "google-chrome"]
        .into_iter()
        .find(|name| std::process::Command::new(name).arg("--version").output().is_ok());
    let Some(browser) = found else {
        println!("SKIPPED: a WebSocket over HTTP/2 by a browser: Chromium is not installed");
        return;
    };
    let log = collect();
    let (gateway, folder) = secure_gateway().await;
    let (address, _) = echoing().await;
    let (saying, mut said) = tokio::sync::watch::channel(String::new());
    let page = upstream(move |seen| {
        if let Some(word) = seen.head.uri.path().strip_prefix("/said/") {
            saying.send_replace(word.to_owned());
        }
        let mut answer = Response::new(PAGE.to_owned());
        answer
            .headers_mut()
            .insert("content-type", "text/html".parse().unwrap());
        answer
    })
    .await;
    for config in [api("a", address, json!({})), api("page", page, json!({}))] {
        gateway.put_api(config).await.expect("applied");
    }
    let port = gateway.tls_address().expect("an HTTPS listener").port();
    let running = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
        ])
        .args([
            "--no-first-run",
            "--disable-background-networking",
            "--ignore-certificate-errors",
        ])
        .arg(format!(
            "--user-data-dir={}",
            folder.path().join("profile").display()
        ))
        .arg("--remote-debugging-port=0")
        .arg(format!("https://localhost:{port}/page"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("it runs");
    let heard = tokio::time::timeout(Duration::from_secs(60), said.wait_for(|word| !word.is_empty()));
    assert_eq!(
        heard
            .await
            .expect("in time")
            .expect("the page is served")
            .as_str(),
        "hello"
    );
    drop(running);
    // Over HTTP/1.1 it would have been 101.
    let events = log.events(gateway).await;
    let socket = events.iter().find(|event| event["http.path"] == "/a");
    assert_eq!(socket.unwrap_or_else(|| panic!("{events:?}"))["http.status"], 200);
}
