use bytes::Buf as _;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
};

use super::*;

/// A connection and its other end.
async fn connected() -> (Connection, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    (
        Connection::new(Stream::Plain(near.expect("connected"))),
        far.expect("accepted").0,
    )
}

fn get(method: Method) -> Request<()> {
    let request = Request::builder().method(method).uri("/x").header("host", "a");
    request.body(()).expect("a request")
}

/// Takes a request and answers with these pieces, one after the other, then closes unless told otherwise.
async fn answer(mut stream: TcpStream, pieces: Vec<Vec<u8>>, closes: bool) -> TcpStream {
    stream.set_nodelay(true).expect("set");
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut request).await.expect("read"), 0);
    }
    for piece in pieces {
        // The other end may have seen enough.
        if stream.write_all(&piece).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    if closes {
        // As above.
        let _ = stream.shutdown().await;
    }
    stream
}

/// What came of an answer: its status, headers without those that frame it, data and trailers; none if it broke off.
type Outcome = Option<(u16, Vec<(String, Vec<u8>)>, Vec<u8>, Vec<(String, Vec<u8>)>)>;

async fn outcome<B>(response: Response<B>) -> Outcome
where
    B: Body<Data = Bytes>,
{
    let listed = |headers: &http::HeaderMap| {
        let framing = ["content-length", "transfer-encoding"];
        let kept = headers
            .iter()
            .filter(|(name, _)| !framing.contains(&name.as_str()));
        let mut listed: Vec<_> = kept
            .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
            .collect();
        listed.sort();
        listed
    };
    let (parts, body) = response.into_parts();
    let body = body.collect().await.ok()?;
    let trailers = body.trailers().map(listed).unwrap_or_default();
    let mut data = body.aggregate();
    let data = data.copy_to_bytes(data.remaining()).to_vec();
    Some((parts.status.as_u16(), listed(&parts.headers), data, trailers))
}

async fn ours(pieces: Vec<Vec<u8>>, method: Method) -> Outcome {
    let (connection, far) = connected().await;
    let request = get(method);
    let exchange = async { outcome(connection.send(&request).await.ok()?).await };
    tokio::join!(exchange, answer(far, pieces, true)).0
}

async fn of_the_library(pieces: Vec<Vec<u8>>, method: Method) -> Outcome {
    let (connection, far) = connected().await;
    let stream = TokioIo::new(connection.into_stream());
    let request = get(method).map(|()| Empty::<Bytes>::new());
    let exchange = async {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.ok()?;
        let driving = tokio::spawn(connection);
        let response = sender.send_request(request).await.ok()?;
        let outcome = outcome(response).await;
        driving.abort();
        outcome
    };
    tokio::join!(exchange, answer(far, pieces, true)).0
}

#[tokio::test]
async fn a_connection_is_used_again_after_a_whole_answer() {
    let (connection, far) = connected().await;
    let whole = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
    let request = get(Method::GET);
    let (response, far) = tokio::join!(connection.send(&request), answer(far, vec![whole.into()], false));
    let mut body = response.expect("an answer").into_body();
    assert!(body.take_connection().is_none(), "the body is still to come");
    assert_eq!((&mut body).collect().await.expect("a body").to_bytes(), "hello");
    let mut connection = body.take_connection().expect("it goes on");
    assert!(connection.is_open());
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    let (response, far) = tokio::join!(
        connection.send(&request),
        answer(far, vec![chunked.into()], false)
    );
    let mut body = response.expect("an answer").into_body();
    assert_eq!((&mut body).collect().await.expect("a body").to_bytes(), "hi");
    let mut connection = body.take_connection().expect("it goes on");
    drop(far);
    while connection.is_open() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_connection_is_not_used_again_after_what_nobody_asked_for() {
    for (answered, why) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n",
            "another answer follows",
        ),
        (
            "HTTP/1.1 204 No Content\r\n\r\nhi",
            "an answer without a body has one",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi",
            "it says that it closes",
        ),
        (
            "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi",
            "it does not say that it stays",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "two framings",
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
            "it is not HTTP any more",
        ),
    ] {
        let (connection, far) = connected().await;
        let request = get(Method::GET);
        let (response, far) = tokio::join!(
            connection.send(&request),
            answer(far, vec![answered.into()], false)
        );
        let mut body = response.expect("an answer").into_body();
        (&mut body).collect().await.expect("a body");
        assert!(body.take_connection().is_none(), "{why}");
        drop(far);
    }
}

#[tokio::test]
async fn unasked_bytes_on_an_idle_connection_are_noticed() {
    let (mut connection, mut far) = connected().await;
    assert!(connection.is_open());
    far.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        .await
        .expect("written");
    while connection.is_open() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn heads_that_announce_others_are_passed_over() {
    let (connection, far) = connected().await;
    let interim = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let answered =
        format!("{interim}HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let request = get(Method::GET);
    let (response, _far) = tokio::join!(
        connection.send(&request),
        answer(far, vec![answered.into_bytes()], false)
    );
    let response = response.expect("an answer");
    assert_eq!(response.status(), 200);
    assert!(response.headers().get("link").is_none());

    let (connection, far) = connected().await;
    let endless = vec![interim.repeat(MAX_HEAD_BYTES / interim.len() + 2).into_bytes()];
    let (response, _far) = tokio::join!(connection.send(&request), answer(far, endless, false));
    assert!(matches!(response.expect_err("too much").fault, Fault::TooLarge));
}

#[tokio::test]
async fn a_failure_says_how_far_the_request_got() {
    for (answered, stage) in [
        ("", Stage::Unanswered),
        ("HTTP/1.1 2", Stage::Answered),
        ("SSH\r\n", Stage::Answered),
    ] {
        let (connection, far) = connected().await;
        let request = get(Method::GET);
        let (response, _far) = tokio::join!(
            connection.send(&request),
            answer(far, vec![answered.into()], true)
        );
        assert_eq!(response.expect_err("no answer").stage, stage, "{answered:?}");
    }
}

/// An answer that may be anything from right to far from it.
fn answers() -> impl Strategy<Value = Vec<u8>> {
    let status = prop_oneof![
        Just("200 OK"),
        Just("204 No Content"),
        Just("304 Not Modified"),
        Just("404"),
        Just("100 Continue"),
        Just("2 x")
    ];
    let version = prop_oneof![4 => Just("HTTP/1.1"), 1 => Just("HTTP/1.0"), 1 => Just("HTTP/3")];
    let header = prop_oneof![
        Just("content-length: 3"),
        Just("Content-Length: 10"),
        Just("content-length: 3, 3"),
        Just("content-length: x"),
        Just("transfer-encoding: chunked"),
        Just("Transfer-Encoding: identity"),
        Just("connection: close"),
        Just("connection: keep-alive"),
        Just("x-a: \t b c "),
        Just("x-a:"),
        Just("bad header: 1"),
        Just("x-\u{e9}: 1"),
        Just("set-cookie: a=1"),
        Just("set-cookie: b=2"),
        Just(" folded"),
    ];
    let body = prop_oneof![
        Just("abc"),
        Just(""),
        Just("0123456789"),
        Just("3\r\nabc\r\n0\r\n\r\n"),
        Just("3;x=y\r\nabc\r\n0\r\nx-end: 1\r\n\r\n"),
        Just("3\r\nabc\r\n"),
        Just("fffffffffffffffff\r\n"),
        Just("\r\n"),
        Just("HTTP/1.1 200 OK\r\n\r\n"),
    ];
    (version, status, prop::collection::vec(header, 0..4), body).prop_map(
        |(version, status, headers, body)| {
            let lines: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
            format!("{version} {status}\r\n{lines}\r\n{body}").into_bytes()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// What both take, both understand alike. Ours takes less.
    #[test]
    fn an_answer_is_what_the_library_takes_it_for(
        answered in answers(),
        cut in any::<prop::sample::Index>(),
        head_only in any::<bool>(),
    ) {
        let (first, second) = answered.split_at(cut.index(answered.len()));
        let pieces = vec![first.to_vec(), second.to_vec()];
        let method = if head_only { Method::HEAD } else { Method::GET };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (ours, theirs) = runtime.block_on(async {
            (ours(pieces.clone(), method.clone()).await, of_the_library(pieces, method).await)
        });
        if ours.is_some() {
            prop_assert_eq!(ours, theirs, "{:?}", String::from_utf8_lossy(&answered));
        }
    }
}
