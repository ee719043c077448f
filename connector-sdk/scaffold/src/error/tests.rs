//! What each refusal becomes.

use super::*;

fn check(status: u16, code: &str, retry_after: Option<u64>, expected: (ErrorKind, Retry)) {
    let call = Call {
        operation: "PutApi",
        object: "orders",
        gateway: "http://127.0.0.1:7001",
        environment: "local",
    };
    let trouble = Trouble::Refused {
        status,
        refusal: Refusal {
            code: code.to_owned(),
            error: "says the gateway".to_owned(),
        },
        retry_after: retry_after.map(Duration::from_secs),
    };
    let error = from_gateway(call, trouble);
    assert_eq!((error.kind(), error.retry()), expected, "{status} {code}");
    let begins = format!(
        "the gateway of environment `local` refused PutApi of `orders` with {status}, says the gateway; "
    );
    assert!(error.message().starts_with(&begins), "{error}");
}

#[test]
fn every_refusal_has_a_kind_and_a_verdict_on_retrying() {
    use ErrorKind::*;
    check(400, "invalid", None, (Invalid, Retry::Never));
    check(400, "position-not-taken", None, (Conflict, Retry::Never));
    check(401, "unknown-token", None, (Unauthorized, Retry::Never));
    check(403, "may-not-write", None, (Forbidden, Retry::Never));
    check(404, "not-found", None, (NotFound, Retry::Never));
    check(409, "place-taken", None, (Conflict, Retry::Never));
    check(412, "moved", None, (Conflict, Retry::Backoff));
    check(500, "", None, (Unavailable, Retry::Backoff));
    check(500, "damaged", None, (Unexpected, Retry::Never));
    check(301, "", None, (Unexpected, Retry::Never));
}

#[test]
fn a_gateway_that_says_when_to_come_back_is_believed() {
    let wait = Retry::After(Duration::from_secs(7));
    check(429, "", Some(7), (ErrorKind::RateLimited, wait));
    check(429, "", None, (ErrorKind::RateLimited, Retry::Backoff));
    check(503, "", Some(7), (ErrorKind::Unavailable, wait));
}
