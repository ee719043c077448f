//! Whose address counts: the connection's, or what a trusted proxy says.

use gatehouse_gateway_core::{
    ClientAddressHeader, Gateway, GatewayOptions, ListenerOptions, ListenerProtocol, StartError,
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{api, document, echo, raw, status};

async fn gateway(trusted: &[&str], header: ClientAddressHeader) -> Gateway {
    let options = GatewayOptions {
        trusted_proxies: trusted
            .iter()
            .map(|network| network.parse().expect("a network"))
            .collect(),
        client_address_header: header,
        worker_threads: Some(1),
        ..GatewayOptions::default()
    };
    let gateway = Gateway::start(options).await.expect("started");
    let filter = json!([{"type": "ip.filter", "with": {"allow": ["192.0.2.0/24"]}}]);
    let upstream = echo().await;
    for config in [
        api("a", upstream, json!({ "policies": filter })),
        api("open", upstream, json!({})),
    ] {
        gateway.put_api(config).await.expect("applied");
    }
    gateway
}

async fn answer(gateway: &Gateway, path: &str, headers: &str) -> String {
    raw(
        gateway,
        &format!("GET {path} HTTP/1.1\r\nHost: a\r\n{headers}Connection: close\r\n\r\n"),
    )
    .await
}

#[tokio::test]
async fn what_callers_say_of_themselves_is_believed_from_trusted_proxies_only() {
    use ClientAddressHeader::{Forwarded, XForwardedFor};
    for (trusted, header, headers, expected) in [
        (&[][..], XForwardedFor, "X-Forwarded-For: 192.0.2.7\r\n", 403),
        (
            &["10.0.0.0/8"],
            XForwardedFor,
            "X-Forwarded-For: 192.0.2.7\r\n",
            403,
        ),
        (
            &["127.0.0.0/8"],
            XForwardedFor,
            "X-Forwarded-For: 192.0.2.7\r\n",
            200,
        ),
        (
            &["127.0.0.0/8"],
            XForwardedFor,
            "X-Forwarded-For: 192.0.2.7, 198.51.100.1\r\n",
            403,
        ),
        (
            &["127.0.0.0/8"],
            XForwardedFor,
            "X-Forwarded-For: 198.51.100.1, 192.0.2.7\r\n",
            200,
        ),
        (
            &["127.0.0.0/8"],
            XForwardedFor,
            "Forwarded: for=192.0.2.7\r\n",
            403,
        ),
        (&["127.0.0.0/8"], Forwarded, "Forwarded: for=192.0.2.7\r\n", 200),
        (&["127.0.0.0/8"], Forwarded, "X-Forwarded-For: 192.0.2.7\r\n", 403),
        (&["127.0.0.0/8"], XForwardedFor, "", 403),
    ] {
        let gateway = gateway(trusted, header).await;
        let answer = answer(&gateway, "/a", headers).await;
        assert_eq!(
            status(&answer),
            expected,
            "{trusted:?} {header:?} {headers:?}: {answer}"
        );
    }
}

#[tokio::test]
async fn only_a_trusted_proxy_says_that_the_caller_used_tls() {
    for (trusted, expected) in [(&[][..], "http"), (&["127.0.0.1"], "https")] {
        let gateway = gateway(trusted, ClientAddressHeader::default()).await;
        let answer = answer(&gateway, "/open", "X-Forwarded-Proto: https\r\n").await;
        let seen = document(&answer);
        assert_eq!(
            seen["headers"]["x-forwarded-proto"],
            json!([expected]),
            "{trusted:?}"
        );
    }
}

async fn with_proxy_header(listener: std::net::SocketAddr, start: &[u8]) -> String {
    let mut stream = TcpStream::connect(listener).await.expect("a connection");
    stream.write_all(start).await.expect("sent");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn the_proxy_protocol_says_the_address() {
    let gateway = gateway(&["127.0.0.1"], ClientAddressHeader::default()).await;
    let listener = ListenerOptions {
        protocol: ListenerProtocol::Http("127.0.0.1:0".parse().unwrap()),
        proxy_protocol: true,
    };
    let address = gateway.add_listener(listener).await.expect("listening");
    let request = b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let mut version_2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    version_2.extend([192, 0, 2, 7, 127, 0, 0, 1, 0, 1, 0, 2]);
    for (header, expected) in [
        (&b"PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n"[..], Some(200)),
        (b"PROXY TCP4 198.51.100.1 127.0.0.1 1 2\r\n", Some(403)),
        (b"PROXY UNKNOWN\r\n", Some(403)),
        (&version_2, Some(200)),
        (b"", None),
        (b"PROXY TCP4 everybody 127.0.0.1 1 2\r\n", None),
    ] {
        let answer = with_proxy_header(address, &[header, request].concat()).await;
        match expected {
            Some(expected) => assert_eq!(status(&answer), expected, "{header:?}: {answer}"),
            None => assert_eq!(answer, "", "{header:?}"),
        }
    }
    // The other listener takes no such header.
    let header = "PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n";
    let answer = raw(&gateway, &format!("{header}GET /a HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    assert_eq!(status(&answer), 400, "{answer}");
}

#[tokio::test]
async fn a_proxy_header_from_anybody_else_is_not_taken() {
    let gateway = gateway(&["10.0.0.0/8"], ClientAddressHeader::default()).await;
    let listener = ListenerOptions {
        protocol: ListenerProtocol::Http("127.0.0.1:0".parse().unwrap()),
        proxy_protocol: true,
    };
    let address = gateway.add_listener(listener).await.expect("listening");
    let start =
        b"PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\nGET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_eq!(with_proxy_header(address, start).await, "");
    let options = GatewayOptions {
        proxy_protocol: true,
        ..GatewayOptions::default()
    };
    let error = Gateway::start(options).await.expect_err("nobody to believe");
    assert!(matches!(error, StartError::UntrustedProxies));
}
