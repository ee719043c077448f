//! What is different about gRPC calls: how long they may take, and how they are refused.
//!
//! Bodies and trailers of a call pass like any others, frame by frame.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// What `grpc-message` escapes beside everything that is not printable ASCII.
const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');

/// Whether a request with these headers is a gRPC call: `application/grpc`, alone or with a message format. gRPC-Web
/// is something else.
pub(super) fn is_call(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else {
        return false;
    };
    let rest = kind.as_bytes().strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

/// How long the caller waits, if the call says so: at most eight digits and a unit.
pub(super) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(TIMEOUT)?.to_str().ok()?;
    let unit = text.chars().next_back()?;
    let digits = text.strip_suffix(unit)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        'H' => Duration::from_secs(count * 60 * 60),
        'M' => Duration::from_secs(count * 60),
        'S' => Duration::from_secs(count),
        'm' => Duration::from_millis(count),
        'u' => Duration::from_micros(count),
        'n' => Duration::from_nanos(count),
        _ => return None,
    })
}

/// Says a refusal as gRPC does: in the head of an answer that has nothing else, whose HTTP status is 200.
pub(super) fn refuse(status: StatusCode, detail: &str, headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(STATUS, HeaderValue::from(code(status)));
    let message = utf8_percent_encode(detail, ESCAPED).to_string();
    if let Ok(message) = HeaderValue::try_from(message) {
        headers.insert(MESSAGE, message);
    }
}

/// The gRPC status that tells best what an HTTP status means here. Beyond gRPC's own table, which is for answers of
/// somebody who does not know gRPC: what takes too long is DEADLINE_EXCEEDED, and what is too much RESOURCE_EXHAUSTED.
fn code(status: StatusCode) -> u16 {
    match status {
        StatusCode::UNAUTHORIZED => 16,
        StatusCode::FORBIDDEN => 7,
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => 12,
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::TOO_MANY_REQUESTS => 8,
        StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT => 4,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => 14,
        StatusCode::BAD_REQUEST => 13,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn calls_are_known_by_their_content_type() {
        for (kind, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc; charset=utf-8", true),
            ("application/grpc-web", false),
            ("application/grpc-web+proto", false),
            ("application/json", false),
        ] {
            assert_eq!(is_call(&headers(header::CONTENT_TYPE, kind)), expected, "{kind}");
        }
        assert!(!is_call(&HeaderMap::new()));
    }

    #[test]
    fn timeouts_have_a_unit() {
        for (text, expected) in [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("3S", Some(Duration::from_secs(3))),
            ("100m", Some(Duration::from_millis(100))),
            ("5u", Some(Duration::from_micros(5))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("999999999S", None),
            ("S", None),
            ("", None),
            ("1", None),
            ("1x", None),
            ("-1S", None),
            ("+1S", None),
        ] {
            assert_eq!(timeout(&headers(TIMEOUT, text)), expected, "{text:?}");
        }
    }

    #[test]
    fn a_refusal_is_all_in_its_head() {
        let mut headers = HeaderMap::new();
        refuse(StatusCode::FORBIDDEN, "100 % no\u{e9}", &mut headers);
        assert_eq!(headers[&STATUS], "7");
        assert_eq!(headers[&MESSAGE], "100 %25 no%C3%A9");
        assert_eq!(headers[header::CONTENT_TYPE], "application/grpc");
    }
}
