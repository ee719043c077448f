//! Heads as HTTP/1.1 writes them: that of a request made, that of an answer read. Pure.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header};
use httparse::{ParserConfig, Status};

use super::{Fault, MAX_HEADERS, framing::Framing};

/// The head of an answer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// How many bytes it takes.
    pub(super) length: usize,
    /// Where its body ends.
    pub(super) framing: Framing,
    /// Whether the connection may be used again after it.
    pub(super) keeps: bool,
}

impl Head {
    /// Whether it only says that another one will come.
    pub(super) fn is_interim(&self) -> bool {
        self.status.is_informational() && self.status != StatusCode::SWITCHING_PROTOCOLS
    }
}

/// The head of a request without a body.
pub(super) fn request(method: &Method, uri: &Uri, headers: &HeaderMap) -> Vec<u8> {
    const AFTER_TARGET: &[u8] = b" HTTP/1.1\r\n";
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let line = method.as_str().len() + 1 + target.len() + AFTER_TARGET.len();
    let of_headers: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + 2 + value.len() + 2)
        .sum();
    let mut bytes = Vec::with_capacity(line + of_headers + 2);
    bytes.extend_from_slice(method.as_str().as_bytes());
    bytes.push(b' ');
    bytes.extend_from_slice(target.as_bytes());
    bytes.extend_from_slice(AFTER_TARGET);
    for (name, value) in headers {
        // There is no body, so nothing may announce one.
        if name == header::TRANSFER_ENCODING || (name == header::CONTENT_LENGTH && value != "0") {
            continue;
        }
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// The head with which these bytes begin, of the answer to a request with this method. None if it has not come wholly.
pub(super) fn answer(bytes: &Bytes, method: &Method) -> Result<Option<Head>, Fault> {
    let mut space = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut read = httparse::Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(&mut read, bytes, &mut space)?;
    let Status::Complete(length) = parsed else {
        return Ok(None);
    };
    let status = read.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(Fault::Status)?;
    let version = match read.version {
        Some(1) => Version::HTTP_11,
        _ => Version::HTTP_10,
    };
    let mut headers = headers(bytes, read.headers)?;
    let framing = Framing::of(status, method, version, &headers)?;
    // Whoever goes by the other framing takes what follows for another answer (RFC 9112, section 6.3).
    let contradictory =
        headers.contains_key(header::TRANSFER_ENCODING) && headers.remove(header::CONTENT_LENGTH).is_some();
    let ends = contradictory || framing == Framing::UntilEnd || status == StatusCode::SWITCHING_PROTOCOLS;
    Ok(Some(Head {
        keeps: !ends && keeps_alive(version, &headers),
        status,
        headers,
        length,
        framing,
    }))
}

/// Headers as they are kept; their values are parts of the bytes in which they came.
pub(super) fn headers(bytes: &Bytes, read: &[httparse::Header<'_>]) -> Result<HeaderMap, Fault> {
    let mut headers = HeaderMap::with_capacity(read.len());
    for header in read {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| httparse::Error::HeaderName)?;
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(header.value));
        headers.append(name, value.map_err(|_| httparse::Error::HeaderValue)?);
    }
    Ok(headers)
}

/// Whether the connection outlasts the answer, as far as its headers say (RFC 9112, section 9.3).
fn keeps_alive(version: Version, headers: &HeaderMap) -> bool {
    let says = |wanted: &str| {
        let values = headers.get_all(header::CONNECTION).iter();
        let mut options = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        options.any(|option| option.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes()))
    };
    match version {
        Version::HTTP_11 => !says("close"),
        _ => says("keep-alive") && !says("close"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_written_with_all_its_headers_and_announces_no_body() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "a"),
            ("x", "1"),
            ("x", "2"),
            ("content-length", "3"),
            ("transfer-encoding", "chunked"),
        ] {
            let name = HeaderName::from_static(name);
            headers.append(name, HeaderValue::from_static(value));
        }
        let uri = Uri::from_static("/orders?page=2");
        let written = request(&Method::GET, &uri, &headers);
        let expected = "GET /orders?page=2 HTTP/1.1\r\nhost: a\r\nx: 1\r\nx: 2\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&written), expected);
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        let written = request(&Method::POST, &Uri::from_static("/"), &headers);
        assert_eq!(
            String::from_utf8_lossy(&written),
            "POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n"
        );
    }

    #[test]
    fn a_head_says_whether_the_connection_may_be_used_again() {
        for (head, keeps) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n", true),
            ("HTTP/1.1 204 No Content\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", true),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: x, Close\r\n\r\n",
                false,
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: x\r\nconnection: close\r\n\r\n",
                false,
            ),
            ("HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\n", false),
            (
                "HTTP/1.0 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive\r\n\r\n",
                true,
            ),
            (
                "HTTP/1.0 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive, close\r\n\r\n",
                false,
            ),
            ("HTTP/1.1 200 OK\r\n\r\n", false),
            ("HTTP/1.1 101 Switching Protocols\r\n\r\n", false),
            // The two lengths differ for whoever reads the other one.
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
                false,
            ),
        ] {
            let read = answer(&Bytes::from_static(head.as_bytes()), &Method::GET);
            let read = read.expect("it can be read").expect("it is whole");
            assert_eq!(read.keeps, keeps, "{head}");
            assert_eq!(read.length, head.len());
        }
    }

    #[test]
    fn a_head_that_cannot_be_read_is_an_error_and_half_a_head_is_none() {
        for (head, told) in [
            ("HTTP/2 200 OK\r\n\r\n", "the answer cannot be read"),
            ("HTTP/1.1 099 X\r\n\r\n", "the answer has no status that is known"),
            ("HTTP/1.1 200 OK\r\nx y: 1\r\n\r\n", "the answer cannot be read"),
            ("HTTP/1.1 200 OK\r\n folded\r\n\r\n", "the answer cannot be read"),
            ("SSH-2.0-x\r\n\r\n", "the answer cannot be read"),
        ] {
            let error = answer(&Bytes::from_static(head.as_bytes()), &Method::GET).expect_err(head);
            assert_eq!(error.to_string(), told, "{head}");
        }
        let head = "HTTP/1.1 200 OK\r\nx: 1\r\n\r\n";
        for end in 0..head.len() {
            let part = Bytes::from_static(&head.as_bytes()[..end]);
            assert!(
                answer(&part, &Method::GET).expect("so far, so good").is_none(),
                "{end}"
            );
        }
    }
}
