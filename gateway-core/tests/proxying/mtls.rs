//! `auth.mtls`: who is let in with which certificate.

use std::{net::SocketAddr, sync::Arc};

use gatehouse_gateway_core::{ApiConfig, Gateway, GatewayOptions, TlsOptions};
use rustls::ClientConfig;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::{
    authority::{Authority, Identity, authority, client_config, connect, identity},
    support::{api, document, echo, raw, status},
};

async fn secure_gateway() -> (Gateway, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    identity(&authority("us"), &["localhost"], false).write(folder.path(), "own");
    let options = GatewayOptions {
        tls: Some(TlsOptions {
            listen: "127.0.0.1:0".parse().unwrap(),
            certificate_file: folder.path().join("own.crt"),
            key_file: folder.path().join("own.key"),
            certificate_dir: None,
        }),
        worker_threads: Some(1),
        ..GatewayOptions::default()
    };
    (Gateway::start(options).await.expect("started"), folder)
}

fn guarded(name: &str, upstream: SocketAddr, authority: &Authority, allowed: &[&str]) -> ApiConfig {
    let policy = json!({
        "type": "auth.mtls",
        "with": {"authorities": [authority.pem()], "allowedNames": allowed},
    });
    let limit =
        json!({"type": "ratelimit", "with": {"limits": [{"requests": 1, "per": "hour"}], "key": "consumer"}});
    let policies = match name {
        "limited" => json!([policy, limit]),
        _ => json!([policy]),
    };
    api(name, upstream, json!({ "policies": policies }))
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, path: &str, last: bool) -> String {
    let end = if last { "Connection: close\r\n" } else { "" };
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{end}\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    loop {
        let read = stream.read_buf(&mut answer).await.unwrap_or(0);
        let text = String::from_utf8_lossy(&answer);
        let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            length.is_some_and(|length| body.len() >= length.parse().expect("a length"))
        });
        if read == 0 || whole {
            return text.into_owned();
        }
    }
}

async fn call(gateway: &Gateway, config: &Arc<ClientConfig>, path: &str) -> String {
    let address = gateway.tls_address().expect("an HTTPS listener");
    let mut stream = connect(config, address, "localhost").await.expect("a handshake");
    ask(&mut stream, path, true).await
}

fn as_client(identity: Option<&Identity>) -> Arc<ClientConfig> {
    client_config(identity, &["http/1.1"])
}

#[tokio::test]
async fn only_certificates_of_the_apis_own_authorities_open_it() {
    let (gateway, _folder) = secure_gateway().await;
    let (ours, theirs) = (authority("ours"), authority("theirs"));
    let upstream = echo().await;
    for config in [
        guarded("a", upstream, &ours, &[]),
        guarded("b", upstream, &theirs, &[]),
        guarded(
            "named",
            upstream,
            &ours,
            &["b.test", "spiffe://corp/billing", "x@corp.test"],
        ),
        api("open", upstream, json!({})),
    ] {
        gateway.put_api(config).await.expect("applied");
    }
    let good = identity(&ours, &["a.test"], false);
    let other = identity(&theirs, &["b.test"], false);
    let expired = identity(&ours, &["b.test"], true);
    let service = identity(&ours, &["a.test", "spiffe://corp/billing"], false);
    let person = identity(&ours, &["x@corp.test"], false);
    let pretender = identity(&authority("ours"), &["b.test"], false);
    for (who, identity, path, expected) in [
        ("good", Some(&good), "/a", 200),
        ("good elsewhere", Some(&good), "/b", 403),
        ("other", Some(&other), "/b", 200),
        ("other elsewhere", Some(&other), "/a", 403),
        ("nobody", None, "/a", 403),
        ("nobody in the open", None, "/open", 200),
        ("expired", Some(&expired), "/a", 403),
        ("expired in the open", Some(&expired), "/open", 200),
        ("of an authority with the same name", Some(&pretender), "/a", 403),
        ("unnamed", Some(&good), "/named", 403),
        ("service", Some(&service), "/named", 200),
        ("person", Some(&person), "/named", 200),
    ] {
        let answer = call(&gateway, &as_client(identity), path).await;
        assert_eq!(status(&answer), expected, "{who}: {answer}");
        if expected == 403 {
            let kind = &document(&answer)["type"];
            assert_eq!(kind, "https://gatehouse.dev/problems/gateway/forbidden", "{who}");
        }
    }
    let plain = raw(
        &gateway,
        "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(status(&plain), 403, "{plain}");
}

#[tokio::test]
async fn one_connection_opens_only_what_its_certificate_does() {
    let (gateway, _folder) = secure_gateway().await;
    let (ours, theirs) = (authority("ours"), authority("theirs"));
    let upstream = echo().await;
    for config in [
        guarded("a", upstream, &ours, &[]),
        guarded("b", upstream, &theirs, &[]),
    ] {
        gateway.put_api(config).await.expect("applied");
    }
    let good = identity(&ours, &["a.test"], false);
    let address = gateway.tls_address().expect("an HTTPS listener");
    let mut stream = connect(&as_client(Some(&good)), address, "localhost")
        .await
        .expect("a handshake");
    for (path, expected) in [("/a", 200), ("/b", 403), ("/a", 200), ("/b", 403)] {
        let answer = ask(&mut stream, path, false).await;
        assert_eq!(status(&answer), expected, "{path}: {answer}");
    }
    // Another policy is another judgement, on the same connection as well.
    gateway
        .put_api(guarded("a", upstream, &theirs, &[]))
        .await
        .expect("applied");
    assert_eq!(status(&ask(&mut stream, "/a", true).await), 403);
}

#[tokio::test]
async fn the_consumer_is_the_name_in_the_certificate() {
    let (gateway, _folder) = secure_gateway().await;
    let ours = authority("ours");
    gateway
        .put_api(guarded("limited", echo().await, &ours, &[]))
        .await
        .expect("applied");
    let (one, two) = (
        identity(&ours, &["one.test"], false),
        identity(&ours, &["two.test"], false),
    );
    for (identity, expected) in [(&one, 200), (&one, 429), (&two, 200), (&two, 429)] {
        let answer = call(&gateway, &as_client(Some(identity)), "/limited").await;
        assert_eq!(status(&answer), expected, "{answer}");
    }
}

/// A session is resumed without certificates being shown again. It must be worth no more than the first one was.
#[tokio::test]
async fn a_resumed_session_is_held_to_the_same() {
    let (gateway, _folder) = secure_gateway().await;
    let ours = authority("ours");
    let upstream = echo().await;
    gateway
        .put_api(api("open", upstream, json!({})))
        .await
        .expect("applied");
    let good = identity(&ours, &["a.test"], false);
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        gateway
            .remove_api(&guarded("a", upstream, &ours, &[]).external_ref)
            .await
            .expect("removed");
        let (nobody, somebody) = (only(version, None), only(version, Some(&good)));
        assert_eq!(status(&call(&gateway, &nobody, "/open").await), 200);
        assert_eq!(status(&call(&gateway, &somebody, "/open").await), 200);
        gateway
            .put_api(guarded("a", upstream, &ours, &[]))
            .await
            .expect("applied");
        for _ in 0..3 {
            assert_eq!(status(&call(&gateway, &nobody, "/a").await), 403, "{version:?}");
            assert_eq!(status(&call(&gateway, &somebody, "/a").await), 200, "{version:?}");
        }
        // What the policy does not trust any more does not come in with an old session either.
        gateway
            .put_api(guarded("a", upstream, &authority("new"), &[]))
            .await
            .expect("applied");
        assert_eq!(status(&call(&gateway, &somebody, "/a").await), 403, "{version:?}");
    }
}

fn only(
    version: &'static rustls::SupportedProtocolVersion,
    identity: Option<&Identity>,
) -> Arc<ClientConfig> {
    crate::authority::client_config_with(identity, &["http/1.1"], &[version])
}

#[tokio::test]
async fn nobody_can_make_up_a_certificate_in_a_header() {
    let (gateway, _folder) = secure_gateway().await;
    let ours = authority("ours");
    let upstream = echo().await;
    for config in [
        guarded("a", upstream, &ours, &[]),
        api("open", upstream, json!({})),
    ] {
        gateway.put_api(config).await.expect("applied");
    }
    let made_up = "X-Forwarded-Client-Cert: Hash=1;URI=spiffe://corp/billing\r\nX-Client-Cert: abc\r\nClient-Cert: :YQ==:\r\n\
        X-SSL-Client-Cert: a\r\nForwarded: for=10.0.0.1\r\n";
    for (path, expected) in [("/a", 403), ("/open", 200)] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{made_up}Connection: close\r\n\r\n");
        let answer = raw(&gateway, &request).await;
        assert_eq!(status(&answer), expected, "{answer}");
        if expected == 200 {
            let seen: Value = document(&answer);
            let headers = seen["headers"].as_object().expect("headers");
            let left: Vec<&String> = headers
                .keys()
                .filter(|name| name.contains("cert") || *name == "forwarded")
                .collect();
            assert!(left.is_empty(), "{left:?}");
        }
    }
}

/// Before any API asks, and after.
#[tokio::test]
async fn a_listener_for_certain_authorities_refuses_everybody_else_in_the_handshake() {
    let (ours, theirs) = (authority("ours"), authority("theirs"));
    let folder = tempfile::tempdir().expect("a folder");
    identity(&authority("us"), &["localhost"], false).write(folder.path(), "own");
    let file = folder.path().join("authorities.pem");
    let start = async |authorities: &str| {
        std::fs::write(&file, authorities).expect("written");
        let options = GatewayOptions {
            tls: Some(TlsOptions {
                listen: "127.0.0.1:0".parse().unwrap(),
                certificate_file: folder.path().join("own.crt"),
                key_file: folder.path().join("own.key"),
                certificate_dir: None,
            }),
            client_authorities_file: Some(file.clone()),
            worker_threads: Some(1),
            ..GatewayOptions::default()
        };
        Gateway::start(options).await
    };
    for unusable in ["", "no PEM"] {
        let refused = start(unusable).await.expect_err("there is no authority in it");
        assert!(refused.to_string().contains("authorities.pem"), "{refused}");
    }
    let gateway = start(&ours.pem()).await.expect("started");
    let upstream = echo().await;
    gateway
        .put_api(api("open", upstream, json!({})))
        .await
        .expect("applied");
    let good = identity(&ours, &["a.test"], false);
    let expired = identity(&ours, &["a.test"], true);
    let other = identity(&theirs, &["a.test"], false);
    for guard in [None, Some(guarded("a", upstream, &theirs, &[]))] {
        if let Some(guard) = guard {
            gateway.put_api(guard).await.expect("applied");
            assert_eq!(status(&call(&gateway, &as_client(Some(&good)), "/a").await), 403);
        }
        assert_eq!(
            status(&call(&gateway, &as_client(Some(&good)), "/open").await),
            200
        );
        for identity in [None, Some(&expired), Some(&other)] {
            let answer = in_handshake(&gateway, identity).await;
            assert!(answer.is_err(), "{answer:?}");
        }
    }
    std::fs::write(&file, theirs.pem()).expect("written");
    assert_eq!(gateway.reload_certificates().await, []);
    only_lets_in(&gateway, &other, &good).await;
    std::fs::write(&file, "no PEM").expect("written");
    let errors = gateway.reload_certificates().await;
    assert_eq!(
        errors.iter().map(|error| &error.file).collect::<Vec<_>>(),
        [&file]
    );
    assert_eq!(gateway.reload_certificates().await, [], "it is told once");
    only_lets_in(&gateway, &other, &good).await;
}

async fn only_lets_in(gateway: &Gateway, one: &Identity, other: &Identity) {
    assert_eq!(status(&call(gateway, &as_client(Some(one)), "/open").await), 200);
    let answer = in_handshake(gateway, Some(other)).await;
    assert!(answer.is_err(), "{answer:?}");
}

/// What a caller gets at a listener that refuses some in the handshake.
async fn in_handshake(gateway: &Gateway, identity: Option<&Identity>) -> std::io::Result<String> {
    let address = gateway.tls_address().expect("an HTTPS listener");
    // With TLS 1.3, callers hear of it only after they have sent something.
    let mut stream = connect(&as_client(identity), address, "localhost").await?;
    let request = "GET /open HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.map(|_| answer)
}

#[tokio::test]
async fn a_caller_that_was_not_asked_is_sent_to_a_new_connection() {
    let (gateway, _folder) = secure_gateway().await;
    let ours = authority("ours");
    let upstream = echo().await;
    gateway
        .put_api(api("open", upstream, json!({})))
        .await
        .expect("applied");
    let good = as_client(Some(&identity(&ours, &["a.test"], false)));
    let address = gateway.tls_address().expect("an HTTPS listener");
    let mut early = connect(&good, address, "localhost").await.expect("a handshake");
    assert_eq!(status(&ask(&mut early, "/open", false).await), 200);
    gateway
        .put_api(guarded("a", upstream, &ours, &[]))
        .await
        .expect("applied");
    let answer = ask(&mut early, "/a", false).await;
    assert_eq!(status(&answer), 403);
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert_eq!(status(&call(&gateway, &good, "/a").await), 200);
}
