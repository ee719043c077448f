//! `gatehouse-gateway` as people start it, without a control plane anywhere near.

#![expect(clippy::unwrap_used, reason = "what cannot be prepared fails the test")]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

/// Nothing listens there.
const NOWHERE: &str = "http://127.0.0.1:9";

const APIS: &str = "
kind: Api
metadata: {name: legacy}
spec:
  basePath: /legacy
  upstreams: {main: {url: http://UPSTREAM}}
";

fn command(state: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatehouse-gateway"));
    command
        .args(arguments)
        .env_clear()
        .env("HOME", state)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let state = tempfile::tempdir().unwrap();
    let Output {
        status,
        stdout,
        stderr,
    } = command(state.path(), arguments).output().unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr)
    );
    (status.code(), text)
}

#[test]
fn a_wrong_command_line_is_told_apart_from_a_failure() {
    for (arguments, code, words) in [
        (&["--help"][..], 0, "--join-token"),
        (&["--version"], 0, "gatehouse-gateway"),
        (&[], 64, "--control-plane"),
        (&["--no-such-thing"], 64, "--no-such-thing"),
        (&["--control-plane", NOWHERE, "--listen", "here"], 64, "--listen"),
        (
            &["--control-plane", NOWHERE, "--tls-listen", "127.0.0.1:0"],
            64,
            "--tls-certificate",
        ),
    ] {
        let (actual, text) = run(arguments);
        assert_eq!(actual, Some(code), "{arguments:?}: {text}");
        assert!(text.contains(words), "{arguments:?}: {text}");
    }
}

#[test]
fn what_stands_in_the_way_of_a_start_is_told_with_a_remedy() {
    let listen = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    for (arguments, words) in [
        (
            &["--control-plane", NOWHERE][..],
            "gatehouse agent join-token --type native",
        ),
        (
            &[
                "--control-plane",
                "http://control.example.com",
                "--join-token",
                "t",
            ],
            "--allow-insecure-http",
        ),
        (
            &[
                "--control-plane",
                NOWHERE,
                "--join-token",
                "t",
                "--apis",
                "/gone.yaml",
            ],
            "/gone.yaml",
        ),
        (
            &[
                "--control-plane",
                NOWHERE,
                "--join-token",
                "t",
                "--redis",
                "redis://user:s3cret@127.0.0.1:6379",
            ],
            "holds a password, which others could read",
        ),
        (
            &[
                "--control-plane",
                NOWHERE,
                "--join-token",
                "t",
                "--redis",
                "redis://127.0.0.1:6379",
                "--redis-password-file",
                "/gone",
            ],
            "cannot read the password of Redis from `/gone`",
        ),
        (
            &[
                "--control-plane",
                NOWHERE,
                "--join-token",
                "t",
                "--otlp-endpoint",
                "https://user:s3cret@collector:4318",
            ],
            "put them into a header (`OTEL_EXPORTER_OTLP_HEADERS`)",
        ),
    ] {
        let (code, text) = run(&[arguments, &listen].concat());
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(words) && !text.contains("s3cret"), "{text}");
    }
}

#[test]
fn the_variables_of_opentelemetry_are_followed_or_named_and_never_shown() {
    let state = tempfile::tempdir().unwrap();
    let start = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = command(state.path(), arguments);
        command.envs(variables.iter().copied());
        let output = command.output().unwrap();
        let [out, err] =
            [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
        (output.status.code(), out + &err)
    };
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector/s3cret");
    let arguments = ["--control-plane", NOWHERE, "--join-token", "t"];
    let (code, text) = start(&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], &arguments);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("`OTEL_EXPORTER_OTLP_PROTOCOL` says `grpc`"),
        "{text}"
    );
    let (code, help) = start(&[endpoint], &["--help"]);
    assert_eq!(code, Some(0));
    assert!(
        help.contains("--otlp-endpoint") && !help.contains("s3cret"),
        "{help}"
    );
}

#[test]
fn it_serves_without_a_control_plane_and_stops_when_asked() {
    let state = tempfile::tempdir().unwrap();
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let apis = state.path().join("apis.yaml");
    let address = upstream.local_addr().unwrap().to_string();
    fs::write(&apis, APIS.replace("UPSTREAM", &address)).unwrap();
    std::thread::spawn(move || answer(&upstream));
    let listen = free_address();
    let mut gateway = Gateway(
        command(
            state.path(),
            &[
                "--control-plane",
                NOWHERE,
                "--join-token",
                "t",
                "--admin-listen",
                "127.0.0.1:0",
            ],
        )
        .args(["--listen", &listen.to_string()])
        .arg("--apis")
        .arg(&apis)
        .spawn()
        .unwrap(),
    );
    let url = format!("http://{listen}/legacy/hello");
    wait_for("the gateway to serve", || {
        get(&url).is_some_and(|status| status == 200)
    });
    let identity = state
        .path()
        .join(".local/state/gatehouse/agent-native/identity.json");
    wait_for("the key, kept before it is used", || identity.is_file());
    let process = gateway.0.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &process])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(gateway.0.wait().unwrap().code(), Some(0));
}

/// One process takes over from another at the same address: calls succeed all the while, and a long answer of the old
/// process comes to its end.
#[test]
fn a_new_process_takes_over_while_the_old_one_ends_its_streams() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = upstream.local_addr().unwrap().to_string();
    let (end, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || stream_first_and_answer(&upstream, ended));
    let listen = free_address();
    let start = |folder: &Path| {
        let apis = folder.join("apis.yaml");
        fs::write(&apis, APIS.replace("UPSTREAM", &address)).unwrap();
        let admin = free_address().to_string();
        let options = ["--control-plane", NOWHERE, "--join-token", "t", "--share-ports"];
        let process = command(folder, &options)
            .args(["--admin-listen", &admin, "--drain-seconds", "60"])
            .args(["--listen", &listen.to_string()])
            .arg("--apis")
            .arg(&apis)
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        wait_for("the gateway to be there", || {
            get(&format!("http://{admin}/healthz")).is_some_and(|status| status == 200)
        });
        Gateway(process)
    };
    let mut old = start(folders[0].path());
    let mut streaming = std::net::TcpStream::connect(listen).unwrap();
    streaming
        .write_all(b"GET /legacy/stream HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    let mut heard = [0; 512];
    let length = streaming.read(&mut heard).unwrap();
    assert!(
        heard[..length].starts_with(b"HTTP/1.1 200"),
        "{:?}",
        &heard[..length]
    );

    let _new = start(folders[1].path());
    let process = old.0.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &process])
            .status()
            .unwrap()
            .success()
    );
    for _ in 0..100 {
        assert_eq!(get(&format!("http://{listen}/legacy/hello")), Some(200));
    }
    assert!(old.0.try_wait().unwrap().is_none(), "it has a stream to end");
    end.send(()).unwrap();
    let mut rest = String::new();
    streaming.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("last\r\n0\r\n\r\n"), "{rest:?}");
    assert_eq!(old.0.wait().unwrap().code(), Some(0));
}

/// An upstream whose first answer goes on until it is told to end; all others are short.
fn stream_first_and_answer(upstream: &TcpListener, ended: std::sync::mpsc::Receiver<()>) {
    let (mut first, _) = upstream.accept().unwrap();
    let _ = first.read(&mut [0; 4096]);
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n";
    first.write_all(head.as_bytes()).unwrap();
    std::thread::spawn(move || {
        let _ = ended.recv();
        let _ = first.write_all(b"4\r\nlast\r\n0\r\n\r\n");
    });
    answer(upstream);
}

struct Gateway(Child);

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An upstream that answers everything.
fn answer(upstream: &TcpListener) {
    for stream in upstream.incoming() {
        let mut stream = stream.unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    }
}

fn get(url: &str) -> Option<u16> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let response = client.get(url).send().await.ok()?;
        Some(response.status().as_u16())
    })
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
