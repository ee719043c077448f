use http::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers
}

/// The data of a body and its trailers, when its bytes come in these pieces and the connection ends then; and what is
/// left of them.
fn read(
    mut framing: Framing,
    pieces: impl IntoIterator<Item = Bytes>,
) -> Result<(Vec<u8>, HeaderMap, Bytes), Fault> {
    let mut pieces = pieces.into_iter();
    let (mut data, mut trailers) = (Vec::new(), HeaderMap::new());
    let mut come = Bytes::new();
    loop {
        match framing.next(&mut come)? {
            Part::Data(part) => {
                assert!(!part.is_empty(), "a part brings something");
                data.extend_from_slice(&part);
            }
            Part::Trailers(all) => trailers = all,
            Part::End => return Ok((data, trailers, come)),
            Part::Missing => match pieces.next() {
                Some(piece) => come = [come, piece].concat().into(),
                None => framing.end()?,
            },
        }
    }
}

fn whole(framing: Framing, bytes: &'static str) -> Result<(String, HeaderMap, String), Fault> {
    let (data, trailers, left) = read(framing, [Bytes::from_static(bytes.as_bytes())])?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((text(&data), trailers, text(&left)))
}

#[test]
fn the_head_says_where_the_body_ends() {
    let get = Method::GET;
    for (method, status, lines, expected) in [
        (&get, 200, &[("content-length", "5")][..], Framing::Length(5)),
        (
            &get,
            200,
            &[("content-length", "5"), ("content-length", "5")],
            Framing::Length(5),
        ),
        (&get, 200, &[("transfer-encoding", "chunked")], Framing::Chunks),
        (&get, 200, &[("transfer-encoding", " Chunked ")], Framing::Chunks),
        (
            &get,
            200,
            &[("transfer-encoding", "chunked"), ("content-length", "5")],
            Framing::Chunks,
        ),
        (&get, 200, &[], Framing::UntilEnd),
        (&get, 204, &[("content-length", "5")], Framing::Length(0)),
        (&get, 304, &[("content-length", "5")], Framing::Length(0)),
        (&get, 304, &[("transfer-encoding", "chunked")], Framing::Length(0)),
        (&get, 103, &[("content-length", "5")], Framing::Length(0)),
        (&get, 101, &[], Framing::Length(0)),
        (&Method::HEAD, 200, &[("content-length", "5")], Framing::Length(0)),
        (&Method::HEAD, 200, &[], Framing::Length(0)),
    ] {
        let status = StatusCode::from_u16(status).expect("a status");
        let framing = Framing::of(status, method, Version::HTTP_11, &headers(lines));
        assert_eq!(
            framing.expect("it is clear"),
            expected,
            "{method} {status} {lines:?}"
        );
    }
}

#[test]
fn a_head_that_does_not_say_clearly_where_the_body_ends_is_an_error() {
    for (version, lines, told) in [
        (
            Version::HTTP_11,
            &[("content-length", "+5")][..],
            "`Content-Length`",
        ),
        (
            Version::HTTP_11,
            &[("content-length", "5, 5")],
            "`Content-Length`",
        ),
        (Version::HTTP_11, &[("content-length", "")], "`Content-Length`"),
        (Version::HTTP_11, &[("content-length", "0x5")], "`Content-Length`"),
        (
            Version::HTTP_11,
            &[("content-length", "18446744073709551616")],
            "`Content-Length`",
        ),
        (
            Version::HTTP_11,
            &[("content-length", "5"), ("content-length", "6")],
            "`Content-Length`",
        ),
        (
            Version::HTTP_11,
            &[("transfer-encoding", "gzip")],
            "`Transfer-Encoding`",
        ),
        (
            Version::HTTP_11,
            &[("transfer-encoding", "gzip, chunked")],
            "`Transfer-Encoding`",
        ),
        (
            Version::HTTP_11,
            &[("transfer-encoding", "chunked"), ("transfer-encoding", "gzip")],
            "`Transfer-Encoding`",
        ),
        (
            Version::HTTP_11,
            &[("transfer-encoding", "")],
            "`Transfer-Encoding`",
        ),
        (
            Version::HTTP_10,
            &[("transfer-encoding", "chunked")],
            "`Transfer-Encoding`",
        ),
    ] {
        let error = Framing::of(StatusCode::OK, &Method::GET, version, &headers(lines));
        let error = error.expect_err("it is not clear").to_string();
        assert!(error.contains(told), "{lines:?}: {error}");
    }
}

#[test]
fn a_body_ends_where_it_should_and_leaves_the_rest() {
    let chunks = "3;name=\"x\"\r\nabc\r\n0A \r\n0123456789\r\n0\r\n\r\nrest";
    for (framing, bytes, data, left) in [
        (Framing::Length(5), "hello", "hello", ""),
        (Framing::Length(5), "helloHTTP/1.1", "hello", "HTTP/1.1"),
        (Framing::UntilEnd, "hello", "hello", ""),
        (Framing::Chunks, "0\r\n\r\n", "", ""),
        (Framing::Chunks, chunks, "abc0123456789", "rest"),
    ] {
        let read = whole(framing, bytes).expect("it can be read");
        assert_eq!((&*read.0, &*read.2), (data, left), "{bytes}");
    }
}

#[test]
fn trailers_come_after_the_last_chunk() {
    let (data, trailers, left) =
        whole(Framing::Chunks, "1\r\na\r\n0\r\nx-sum: 1\r\nx-sum: 2\r\n\r\n").expect("chunks");
    assert_eq!((&*data, &*left), ("a", ""));
    assert_eq!(trailers, headers(&[("x-sum", "1"), ("x-sum", "2")]));
}

#[test]
fn a_body_that_is_cut_off_or_malformed_is_an_error() {
    for (framing, bytes, told) in [
        (Framing::Length(5), "hell", "before the end"),
        (Framing::Chunks, "", "before the end"),
        (Framing::Chunks, "3\r\nab", "before the end"),
        (Framing::Chunks, "3\r\nabc", "before the end"),
        (Framing::Chunks, "3\r\nabc\r", "before the end"),
        (Framing::Chunks, "3\r\nabc\r\n", "before the end"),
        (Framing::Chunks, "0\r\n", "before the end"),
        (Framing::Chunks, "0\r\nx: 1\r\n", "before the end"),
        (Framing::Chunks, "\r\n\r\n", "without a size"),
        (Framing::Chunks, "x\r\n", "without a size"),
        (Framing::Chunks, "-1\r\n", "without a size"),
        (Framing::Chunks, "0x3\r\nabc\r\n", "without a size"),
        (Framing::Chunks, "11111111111111111\r\n", "without a size"),
        (Framing::Chunks, "3\nabc\r\n", "without a size"),
        (Framing::Chunks, "3\r\nabcd\r\n", "after its end"),
        (Framing::Chunks, "3\r\nabc\n0\r\n\r\n", "after its end"),
        (Framing::Chunks, "0\r\nno header\r\n\r\n", "cannot be read"),
    ] {
        let error = whole(framing, bytes).expect_err(bytes).to_string();
        assert!(error.contains(told), "{bytes:?}: {error}");
    }
}

#[test]
fn what_goes_on_without_an_end_is_an_error() {
    let size = format!("3;{}", "x".repeat(MAX_SIZE_LINE));
    let trailers = format!("0\r\nx: {}", "y".repeat(MAX_HEAD_BYTES));
    for (bytes, told) in [(size, "without a size"), (trailers, "KiB")] {
        let error = read(Framing::Chunks, [Bytes::from(bytes)]).expect_err("too long");
        assert!(error.to_string().contains(told), "{error}");
    }
}

proptest! {
    #[test]
    fn chunks_are_the_same_in_whatever_pieces_they_come(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        trailer in prop::option::of("[a-z]{1,8}"),
    ) {
        let mut bytes = Vec::new();
        for chunk in &chunks {
            bytes.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n");
        if let Some(value) = &trailer {
            bytes.extend_from_slice(format!("x-end: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\nnext");
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        cuts.dedup();
        let bytes = Bytes::from(bytes);
        let pieces: Vec<Bytes> = cuts.windows(2).map(|ends| bytes.slice(ends[0]..ends[1])).collect();
        let (data, trailers, left) = read(Framing::Chunks, pieces).expect("they are right");
        prop_assert_eq!(data, chunks.concat());
        prop_assert_eq!(trailers.get("x-end").map(HeaderValue::as_bytes), trailer.as_deref().map(str::as_bytes));
        // Pieces that were not needed are not taken.
        prop_assert!(b"next".starts_with(&left));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for framing in [Framing::Length(50), Framing::Chunks, Framing::UntilEnd, Framing::Trailers] {
            // Whether they are an answer is another matter.
            let _ = read(framing, [Bytes::from(bytes.clone())]);
        }
        let _ = head::answer(&Bytes::from(bytes), &Method::GET);
    }
}
