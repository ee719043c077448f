//! Heads of requests and responses: what is refused and what does not travel on.

use http::{HeaderValue, Response};
use serde_json::json;

use crate::support::{api, document, echo, gateway, get, raw, status, upstream};

/// The statuses of all answers on one connection.
fn statuses(answers: &str) -> Vec<u16> {
    let lines = answers.split("HTTP/1.1 ").skip(1);
    lines.map(|line| line[..3].parse().expect("a status")).collect()
}

#[tokio::test]
async fn requests_that_can_be_read_in_two_ways_are_refused_and_the_connection_closes() {
    let gateway = gateway().await;
    gateway
        .put_api(api("a", echo().await, json!({"basePath": "/"})))
        .await
        .expect("applied");
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x5\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "X-A: b\r\n c\r\n",
        "X-A : b\r\n",
        "X-A: b\0c\r\n",
        "Host: other\r\n",
    ] {
        let request =
            format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n0\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(statuses(&raw(&gateway, &request).await), [400], "{fields:?}");
    }
}

#[tokio::test]
async fn a_contradiction_in_a_later_request_is_found_and_earlier_ones_are_answered() {
    let gateway = gateway().await;
    gateway
        .put_api(api("a", echo().await, json!({"basePath": "/"})))
        .await
        .expect("applied");
    let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab\
        POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nc\r\n0\r\n\r\n\
        POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(statuses(&raw(&gateway, request).await), [200, 200, 400]);
}

#[tokio::test]
async fn requests_without_a_usable_target_are_refused() {
    let gateway = gateway().await;
    gateway
        .put_api(api("a", echo().await, json!({"basePath": "/"})))
        .await
        .expect("applied");
    for (request, expected) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /a%2f..%2fb HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405),
    ] {
        let request = request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
        assert_eq!(status(&raw(&gateway, &request).await), expected, "{request:?}");
    }
}

#[tokio::test]
async fn a_target_in_absolute_form_outranks_the_host_header() {
    let gateway = gateway().await;
    let upstream = echo().await;
    gateway
        .put_api(api("a", upstream, json!({"hostnames": ["a.test"]})))
        .await
        .expect("applied");
    let answer = raw(
        &gateway,
        "GET http://a.test/a/x HTTP/1.1\r\nHost: b.test\r\nConnection: close\r\n\r\n",
    );
    let seen = document(&answer.await);
    assert_eq!(seen["target"], "/x");
    assert_eq!(seen["headers"]["x-forwarded-host"], json!(["a.test"]));
    let other = "GET http://b.test/a/x HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&raw(&gateway, other).await), 404);
}

#[tokio::test]
async fn what_speaks_of_one_connection_stays_there() {
    let gateway = gateway().await;
    gateway
        .put_api(api("a", echo().await, json!({})))
        .await
        .expect("applied");
    let request = "GET /a HTTP/1.1\r\nHost: a.test\r\nConnection: close, X-Secret, Host, Content-Length\r\nKeep-Alive: timeout=5\r\n\
        Proxy-Connection: keep-alive\r\nTE: trailers\r\nUpgrade: h2c\r\nX-Secret: 1\r\nX-Kept: 2\r\n\
        X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nX-Request-Id: mine\r\n\r\n";
    let seen = document(&raw(&gateway, request).await);
    let headers = seen["headers"].as_object().expect("headers");
    for gone in [
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "upgrade",
        "x-secret",
    ] {
        assert!(!headers.contains_key(gone), "{gone} in {headers:?}");
    }
    assert_eq!(headers["x-kept"], json!(["2"]));
    assert_eq!(headers["x-forwarded-for"], json!(["203.0.113.9, 127.0.0.1"]));
    assert_eq!(headers["x-forwarded-proto"], json!(["http"]));
    assert_eq!(headers["x-request-id"], json!(["mine"]));
}

#[tokio::test]
async fn a_body_of_unannounced_length_reaches_the_upstream_whatever_the_method() {
    let gateway = gateway().await;
    gateway
        .put_api(api("a", echo().await, json!({})))
        .await
        .expect("applied");
    for method in ["GET", "POST", "DELETE", "OPTIONS"] {
        let request = format!(
            "{method} /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
        );
        let answer = raw(&gateway, &request).await;
        assert_eq!(document(&answer)["body"], "hi", "{method}: {answer}");
    }
}

#[tokio::test]
async fn what_the_upstream_says_of_its_connection_stays_there() {
    let gateway = gateway().await;
    let upstream = upstream(|_| {
        let mut response = Response::new("body".to_owned());
        for (name, value) in [
            ("connection", "x-inner"),
            ("x-inner", "1"),
            ("keep-alive", "timeout=1"),
            ("x-kept", "2"),
        ] {
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        response
    });
    gateway
        .put_api(api("a", upstream.await, json!({})))
        .await
        .expect("applied");
    let answer = get(&gateway, "/a").await;
    assert!(answer.contains("x-kept: 2\r\n"), "{answer}");
    assert!(
        !answer.contains("x-inner") && !answer.contains("keep-alive"),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\nbody"), "{answer}");
}

#[tokio::test]
async fn the_upstream_sees_the_path_that_was_matched() {
    let gateway = gateway().await;
    let url = format!("http://{}/inner/", echo().await);
    let fields = json!({"upstreams": {"main": {"url": url}}});
    gateway
        .put_api(api("a", "127.0.0.1:1".parse().unwrap(), fields))
        .await
        .expect("applied");
    for (asked, seen) in [
        ("/a/x//y/./z?q=%2e", "/inner/x/y/z?q=%2e"),
        ("/a/b/%2e%2e/c%2fd", "/inner/c%2Fd"),
        ("/b/../a", "/inner/"),
        ("/a/%7Euser", "/inner/~user"),
    ] {
        assert_eq!(document(&get(&gateway, asked).await)["target"], seen, "{asked}");
    }
    assert_eq!(status(&get(&gateway, "/a/../b").await), 404);
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let gateway = gateway().await;
    gateway
        .put_api(api("a", echo().await, json!({})))
        .await
        .expect("applied");
    let many: String = (0..200).map(|number| format!("X-{number}: 1\r\n")).collect();
    let answer = raw(&gateway, &format!("GET /a HTTP/1.1\r\nHost: a\r\n{many}\r\n")).await;
    assert_eq!(status(&answer), 431);
    let long = "a".repeat(100_000);
    let answer = raw(
        &gateway,
        &format!("GET /a HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"),
    )
    .await;
    assert!(
        answer.is_empty() || matches!(status(&answer), 400 | 431),
        "{answer}"
    );
}

#[tokio::test]
async fn a_response_whose_chunking_is_called_a_matter_of_the_connection_is_whole() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let _ = stream.read(&mut [0; 4096]).await;
        let answer = "HTTP/1.1 200 OK\r\nConnection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\
            Content-Length: 2\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.read(&mut [0; 4096]).await;
    });
    let gateway = gateway().await;
    gateway
        .put_api(api("a", address, json!({})))
        .await
        .expect("applied");
    let answer = get(&gateway, "/a").await;
    assert!(!answer.contains("content-length: 2"), "{answer}");
    assert!(answer.contains("hello"), "{answer}");
}

#[tokio::test]
async fn a_head_that_does_not_come_to_its_end_is_not_waited_for() {
    let options = gatehouse_gateway_core::GatewayOptions {
        worker_threads: Some(1),
        head_timeout: std::time::Duration::from_millis(50),
        ..Default::default()
    };
    let gateway = gatehouse_gateway_core::Gateway::start(options)
        .await
        .expect("the gateway starts");
    for start in ["", "P", "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "] {
        let waiting = raw(&gateway, start);
        tokio::time::timeout(std::time::Duration::from_secs(5), waiting)
            .await
            .expect("the gateway closes the connection");
    }
}

#[tokio::test]
async fn a_path_named_in_a_header_does_not_reach_the_upstream() {
    let gateway = gateway().await;
    gateway
        .put_api(api("a", echo().await, json!({})))
        .await
        .expect("applied");
    let request = "GET /a/open HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Original-URL: /admin\r\n\
        X-Rewrite-URL: /admin\r\n\r\n";
    let seen = document(&raw(&gateway, request).await);
    assert_eq!(seen["target"], "/open");
    assert!(!seen.to_string().contains("/admin"), "{seen}");
}

/// An upstream that answers every request on a connection with what its path stands for.
async fn odd_upstream() -> std::net::SocketAddr {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let answer = |target: &str| match target {
        "/head" => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        "/304" => "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        "/204" => "HTTP/1.1 204 No Content\r\n\r\n",
        "/103" => {
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok"
        }
        _ => "HTTP/1.1 203 Until\r\n\r\nthe end",
    };
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                loop {
                    let length = stream.read(&mut buffer).await.unwrap_or_default();
                    let head = String::from_utf8_lossy(&buffer[..length]);
                    let target = head.split(' ').nth(1).unwrap_or_default();
                    let _ = stream.write_all(answer(target).as_bytes()).await;
                    if length == 0 || target == "/end" {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn answers_without_a_body_leave_nothing_for_the_next_one() {
    let gateway = gateway().await;
    gateway
        .put_api(api("a", odd_upstream().await, json!({})))
        .await
        .expect("applied");
    let requests: String = [
        ("HEAD", "head"),
        ("GET", "304"),
        ("GET", "204"),
        ("GET", "103"),
        ("GET", "end"),
    ]
    .map(|(method, path)| format!("{method} /a/{path} HTTP/1.1\r\nHost: a\r\n\r\n"))
    .concat();
    let last = "GET /a/304 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answers = raw(&gateway, &(requests + last)).await;
    assert_eq!(statuses(&answers), [200, 304, 204, 201, 203, 304], "{answers}");
    assert!(answers.contains("\r\n\r\n7\r\nthe end\r\n0\r\n\r\n"), "{answers}");
    assert!(answers.contains("content-length: 5\r\n"), "{answers}");
}

#[tokio::test]
async fn a_body_is_asked_for_only_when_somebody_takes_it() {
    let gateway = gateway().await;
    gateway
        .put_api(api("a", echo().await, json!({})))
        .await
        .expect("applied");
    let ask = |path| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi"
        )
    };
    let answers = raw(&gateway, &ask("/a")).await;
    assert_eq!(statuses(&answers), [100, 200], "{answers}");
    assert!(!answers.contains("\"expect\""), "{answers}");
    assert_eq!(statuses(&raw(&gateway, &ask("/b")).await), [404]);
}
