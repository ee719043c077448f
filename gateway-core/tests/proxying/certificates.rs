//! Certificates by the host that callers name, and their change while the gateway runs.

use std::{
    env, fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::Path,
    process::Command,
    time::Duration,
};

use gatehouse_gateway_core::{Gateway, GatewayOptions, TlsOptions};
use rustls::pki_types::CertificateDer;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    authority::{Authority, Identity, authority, client_config, connect, identity},
    support::{api, echo, status},
};

fn options(folder: &Path) -> GatewayOptions {
    GatewayOptions {
        tls: Some(TlsOptions {
            listen: "127.0.0.1:0".parse().unwrap(),
            certificate_file: folder.join("default.crt"),
            key_file: folder.join("default.key"),
            certificate_dir: Some(folder.join("more")),
        }),
        worker_threads: Some(1),
        ..GatewayOptions::default()
    }
}

fn folder(authority: &Authority) -> (TempDir, Identity) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("more")).expect("a folder");
    let default = identity(authority, &["default.test"], false);
    default.write(folder.path(), "default");
    (folder, default)
}

/// What a caller is shown that names this host.
async fn shown(gateway: &Gateway, host: &str) -> CertificateDer<'static> {
    let address = gateway.tls_address().expect("an HTTPS listener");
    let stream = connect(&client_config(None, &["h2", "http/1.1"]), address, host)
        .await
        .expect("a handshake");
    let session = stream.get_ref().1;
    session.peer_certificates().expect("a certificate")[0]
        .clone()
        .into_owned()
}

#[tokio::test]
async fn callers_get_the_certificate_for_the_host_they_name() {
    let authority = authority("us");
    let (folder, default) = folder(&authority);
    let more = folder.path().join("more");
    let exact = identity(&authority, &["a.example.com"], false);
    let wildcard = identity(&authority, &["*.example.com"], false);
    exact.write(&more, "exact");
    fs::create_dir(more.join("mounted")).expect("a folder");
    wildcard.write(&more.join("mounted"), "tls");
    fs::write(more.join("mounted/ca.crt"), authority.pem()).expect("written");
    let gateway = Gateway::start(options(folder.path())).await.expect("started");
    for (host, expected) in [
        ("a.example.com", &exact),
        ("b.example.com", &wildcard),
        ("c.b.example.com", &default),
        ("elsewhere.test", &default),
        ("127.0.0.1", &default),
    ] {
        assert_eq!(shown(&gateway, host).await, *expected.certificate.der(), "{host}");
    }
}

#[tokio::test]
async fn new_certificates_are_served_and_bad_ones_are_not() {
    let authority = authority("us");
    let (folder, _) = folder(&authority);
    let more = folder.path().join("more");
    let first = identity(&authority, &["a.test"], false);
    first.write(&more, "a");
    let gateway = Gateway::start(options(folder.path())).await.expect("started");
    gateway
        .put_api(api("a", echo().await, json!({})))
        .await
        .expect("applied");
    let address = gateway.tls_address().expect("an HTTPS listener");
    let config = client_config(None, &["http/1.1"]);
    let mut connected = connect(&config, address, "a.test").await.expect("a handshake");
    assert_eq!(shown(&gateway, "a.test").await, *first.certificate.der());

    fs::write(more.join("a.crt"), "no certificate at all").expect("written");
    let errors = gateway.reload_certificates().await;
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].file, more.join("a.crt"));
    assert!(errors[0].to_string().contains("a.crt"), "{}", errors[0]);
    assert_eq!(shown(&gateway, "a.test").await, *first.certificate.der());
    assert_eq!(gateway.reload_certificates().await, [], "it is told once");

    // The certificate is there before its key: still the old pair.
    let second = identity(&authority, &["a.test", "b.test"], false);
    fs::write(more.join("a.crt"), second.certificate.pem()).expect("written");
    let errors = gateway.reload_certificates().await;
    assert_eq!(errors[0].file, more.join("a.key"));
    assert_eq!(shown(&gateway, "a.test").await, *first.certificate.der());
    second.write(&more, "a");
    assert_eq!(gateway.reload_certificates().await, []);
    assert_eq!(shown(&gateway, "a.test").await, *second.certificate.der());
    assert_eq!(shown(&gateway, "b.test").await, *second.certificate.der());

    // A connection from before goes on.
    let request = b"GET /a HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    connected.write_all(request).await.expect("sent");
    let mut answer = String::new();
    let _ = connected.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn files_are_looked_at_without_being_asked() {
    let authority = authority("us");
    let (folder, default) = folder(&authority);
    let options = GatewayOptions {
        certificate_check: Duration::from_millis(20),
        ..options(folder.path())
    };
    let gateway = Gateway::start(options).await.expect("started");
    assert_eq!(shown(&gateway, "new.test").await, *default.certificate.der());
    let new = identity(&authority, &["new.test"], false);
    new.write(&folder.path().join("more"), "new");
    while shown(&gateway, "new.test").await != *new.certificate.der() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    fs::remove_file(folder.path().join("more/new.crt")).expect("removed");
    while shown(&gateway, "new.test").await != *default.certificate.der() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn permit(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permitted");
}

/// Whether nobody is kept out of a folder here: root may read everything. If so, runs the test again as somebody else.
fn ran_as_somebody_else(test: &str) -> bool {
    let locked = tempfile::tempdir().expect("a folder");
    permit(locked.path(), 0o000);
    if fs::read_dir(locked.path()).is_err() {
        return false;
    }
    let mut again = Command::new(env::current_exe().expect("this binary"));
    again.args(["--exact", test, "--nocapture"]);
    match again.uid(65_534).gid(65_534).current_dir("/").output() {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(error) => println!("SKIPPED: only root can run this binary: {error}"),
    }
    true
}

#[tokio::test]
async fn a_folder_that_cannot_be_read_holds_up_none_of_the_others() {
    if ran_as_somebody_else("certificates::a_folder_that_cannot_be_read_holds_up_none_of_the_others") {
        return;
    }
    let authority = authority("us");
    let (folder, _) = folder(&authority);
    let more = folder.path().join("more");
    let mounted = more.join("mounted");
    fs::create_dir(&mounted).expect("a folder");
    let first = identity(&authority, &["a.test"], false);
    first.write(&mounted, "tls");
    fs::create_dir(more.join("lost+found")).expect("a folder");
    permit(&more.join("lost+found"), 0o000);

    let gateway = Gateway::start(options(folder.path())).await.expect("started");
    assert_eq!(shown(&gateway, "a.test").await, *first.certificate.der());
    let second = identity(&authority, &["a.test"], false);
    second.write(&mounted, "tls");
    let default = identity(&authority, &["default.test"], false);
    default.write(folder.path(), "default");
    assert_eq!(
        gateway.reload_certificates().await,
        [],
        "it was told at the start"
    );
    assert_eq!(shown(&gateway, "a.test").await, *second.certificate.der());
    assert_eq!(
        shown(&gateway, "elsewhere.test").await,
        *default.certificate.der()
    );

    // What was read in a folder stays in use when it cannot be read any more.
    for _ in 0..2 {
        permit(&mounted, 0o000);
        let errors = gateway.reload_certificates().await;
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].file, mounted);
        assert_eq!(gateway.reload_certificates().await, [], "it is told once");
        assert_eq!(shown(&gateway, "a.test").await, *second.certificate.der());
        permit(&mounted, 0o755);
        assert_eq!(gateway.reload_certificates().await, []);
    }
    // So does the default pair's rotation while the whole folder cannot be read.
    permit(&more, 0o000);
    let next = identity(&authority, &["default.test"], false);
    next.write(folder.path(), "default");
    let errors = gateway.reload_certificates().await;
    assert_eq!(errors[0].file, more, "{errors:?}");
    assert_eq!(shown(&gateway, "a.test").await, *second.certificate.der());
    assert_eq!(shown(&gateway, "elsewhere.test").await, *next.certificate.der());
    permit(&more, 0o755);
}

/// Memory of the process that is not shared with anything, in bytes.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status
        .lines()
        .find(|line| line.starts_with("RssAnon"))
        .expect("RssAnon");
    let kilobytes: u64 = line
        .split_whitespace()
        .nth(1)
        .expect("a number")
        .parse()
        .expect("a number");
    kilobytes * 1024
}

/// Runs in a process of its own under nextest, so nothing else allocates.
#[tokio::test]
async fn thousands_of_certificates_take_little_memory() {
    const COUNT: usize = 2500;
    let authority = authority("us");
    let (folder, _) = folder(&authority);
    let more = folder.path().join("more");
    for number in 0..COUNT {
        let name = format!("host-{number}.example.com");
        identity(&authority, &[&name], false).write(&more, &name);
    }
    let before = resident();
    let started = std::time::Instant::now();
    let gateway = Gateway::start(options(folder.path())).await.expect("started");
    let each = resident().saturating_sub(before) / COUNT as u64;
    println!(
        "{COUNT} certificates: {each} bytes each, read in {:?}",
        started.elapsed()
    );
    assert!(each < 20_000, "{each} bytes per certificate");
    let last = shown(&gateway, "host-2499.example.com").await;
    assert_ne!(last, shown(&gateway, "elsewhere.test").await);
}

/// The status of a request for a host on a connection that was made for another one.
async fn status_on(
    gateway: &Gateway,
    identity: Option<&Identity>,
    (connection, host, path): (&str, &str, &str),
) -> u16 {
    let address = gateway.tls_address().expect("an HTTPS listener");
    let config = client_config(identity, &["http/1.1"]);
    let mut stream = connect(&config, address, connection).await.expect("a handshake");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    status(&String::from_utf8_lossy(&answer))
}

#[tokio::test]
async fn a_host_with_another_certificate_is_not_served_on_the_same_connection() {
    let authority = authority("us");
    let (folder, _) = folder(&authority);
    let more = folder.path().join("more");
    identity(&authority, &["a.example.com"], false).write(&more, "exact");
    identity(&authority, &["*.example.com"], false).write(&more, "wildcard");
    let gateway = Gateway::start(options(folder.path())).await.expect("started");
    let upstream = echo().await;
    let guarded = json!({
        "hostnames": ["guarded.example.com"],
        "policies": [{"type": "auth.mtls", "with": {"authorities": [authority.pem()]}}],
    });
    for config in [
        api("open", upstream, json!({})),
        api("guarded", upstream, guarded),
    ] {
        gateway.put_api(config).await.expect("applied");
    }
    let caller = identity(&authority, &["caller.test"], false);
    let shows = Some(&caller);
    // Good for another host, perhaps.
    let other = identity(&crate::authority::authority("others"), &["caller.test"], false);
    let shows_another = Some(&other);
    for (identity, connection, host, path, expected) in [
        (None, "a.example.com", "a.example.com", "/open", 200),
        (None, "A.example.com", "a.Example.com.:443", "/open", 200),
        (None, "a.example.com", "b.example.com", "/open", 421),
        (None, "b.example.com", "a.example.com", "/open", 421),
        (None, "b.example.com", "c.example.com", "/open", 200),
        (None, "b.example.com", "elsewhere.test", "/open", 421),
        (None, "elsewhere.test", "default.test", "/open", 200),
        (None, "a.example.com", "b.example.com", "/nothing", 421),
        (None, "b.example.com", "c.example.com", "/nothing", 404),
        (None, "127.0.0.1", "a.example.com", "/open", 200),
        (None, "b.example.com", "guarded.example.com", "/guarded", 421),
        (
            None,
            "guarded.example.com",
            "guarded.example.com",
            "/guarded",
            403,
        ),
        (shows, "b.example.com", "guarded.example.com", "/guarded", 200),
        (shows, "a.example.com", "guarded.example.com", "/guarded", 421),
        (
            shows_another,
            "b.example.com",
            "guarded.example.com",
            "/guarded",
            421,
        ),
        (
            shows_another,
            "guarded.example.com",
            "guarded.example.com",
            "/guarded",
            403,
        ),
    ] {
        let found = status_on(&gateway, identity, (connection, host, path)).await;
        assert_eq!(
            found, expected,
            "{path} of {host} on a connection for {connection}"
        );
    }
}

/// Browsers share connections of HTTP/2 between hosts. Each caller chooses its certificate by the host it connects to.
#[tokio::test]
async fn a_certificate_for_another_host_on_a_shared_connection_is_answered_421_and_the_connection_goes_on() {
    let (ours, theirs) = (authority("ours"), authority("theirs"));
    let (folder, _) = folder(&ours);
    identity(&ours, &["*.example.com"], false).write(&folder.path().join("more"), "wildcard");
    let gateway = Gateway::start(options(folder.path())).await.expect("started");
    let upstream = echo().await;
    for (name, authority) in [("ours", &ours), ("theirs", &theirs)] {
        let fields = json!({
            "hostnames": [format!("{name}.example.com")],
            "policies": [{"type": "auth.mtls", "with": {"authorities": [authority.pem()]}}],
        });
        gateway
            .put_api(api(name, upstream, fields))
            .await
            .expect("applied");
    }
    let caller = identity(&ours, &["caller.test"], false);
    let address = gateway.tls_address().expect("an HTTPS listener");
    let config = client_config(Some(&caller), &["h2"]);
    let statuses = async |connection: &str, hosts: &[&str]| {
        let stream = connect(&config, address, connection).await.expect("a handshake");
        let io = hyper_util::rt::TokioIo::new(stream);
        let executor = hyper_util::rt::TokioExecutor::new();
        let handshake = hyper::client::conn::http2::handshake(executor, io).await;
        let (mut sender, connection) = handshake.expect("HTTP/2");
        tokio::spawn(connection);
        let mut statuses = Vec::new();
        for host in hosts {
            let (name, _) = host.split_once('.').expect("a name");
            let request = http::Request::get(format!("https://{host}/{name}"));
            let request = request.body(http_body_util::Empty::<bytes::Bytes>::new());
            let answer = sender.send_request(request.expect("a request")).await;
            statuses.push(answer.expect("an answer").status().as_u16());
        }
        statuses
    };
    let hosts = ["ours.example.com", "theirs.example.com", "ours.example.com"];
    assert_eq!(statuses("ours.example.com", &hosts).await, [200, 421, 200]);
    // On a connection of its own the answer is final.
    assert_eq!(statuses("theirs.example.com", &hosts[1..2]).await, [403]);
}

#[tokio::test]
async fn a_trusted_proxy_speaks_for_all_hosts_on_one_connection() {
    let authority = authority("us");
    let (folder, _) = folder(&authority);
    identity(&authority, &["a.example.com"], false).write(&folder.path().join("more"), "exact");
    let options = GatewayOptions {
        trusted_proxies: vec!["127.0.0.0/8".parse().expect("a network")],
        ..options(folder.path())
    };
    let gateway = Gateway::start(options).await.expect("started");
    gateway
        .put_api(api("open", echo().await, json!({})))
        .await
        .expect("applied");
    let place = ("default.test", "a.example.com", "/open");
    assert_eq!(status_on(&gateway, None, place).await, 200);
}
