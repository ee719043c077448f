//! HTTP/1 requests that servers have read in two ways. `{t}` stands for the case's own path.

/// One attempt, and what the gateway answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// What is sent, on one connection.
    pub(crate) sent: &'static str,
    /// The statuses of the answers on it. None means that it is closed without one.
    pub(crate) expected: &'static [u16],
    /// Why we differ from nginx or HAProxy, if we do: they forward less or more than we.
    pub(crate) why: &'static str,
}

const fn case(name: &'static str, sent: &'static str, expected: &'static [u16]) -> Case {
    Case {
        name,
        sent,
        expected,
        why: "",
    }
}

const fn differs(
    name: &'static str,
    sent: &'static str,
    expected: &'static [u16],
    why: &'static str,
) -> Case {
    Case {
        name,
        sent,
        expected,
        why,
    }
}

const STRICT_LENGTH: &str =
    "RFC 9112, 6.3: a message with both may be an attempt, and ought to be handled as an error";
const FOLDED: &str = "a folded line is refused, as RFC 9112, 5.2 allows; HAProxy unfolds it";
const BARE_LF: &str = "only CR LF ends a line of a body; nginx and HAProxy take a bare LF";
const A_HOST: &str = "a host is a name and a port; HAProxy forwards anything";
const OTHER_VERSION: &str = "the versions with this syntax are 1.0 and 1.1; others are taken for 1.1 by HAProxy, and by nginx if they begin with 1";
const ONE_CODING: &str = "no other coding than one `chunked` is taken; HAProxy overlooks the comma";

#[rustfmt::skip]
pub(crate) const CORPUS: &[Case] = &[
    // What is in order is served; without these the rest would prove nothing.
    case("a length", "POST {t} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", &[200]),
    case("chunks", "POST {t} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n", &[200]),
    case("two in a row", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nabGET {t}/2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &[200, 200]),
    case("a smuggled-looking body", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 33\r\nConnection: close\r\n\r\nGET {t}/smuggled HTTP/1.1\r\n\r\n    ", &[200]),
    // Content-Length beside Transfer-Encoding.
    differs("CL.TE", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGPOST {t}/2 HTTP/1.1\r\nHost: a\r\n\r\n", &[400], STRICT_LENGTH),
    differs("TE.CL", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n23\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n\r\n0\r\n\r\n", &[400], STRICT_LENGTH),
    differs("CL.0 with TE", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[400], STRICT_LENGTH),
    differs("TE in HTTP/1.0", "POST {t} HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", &[400], "HTTP/1.0 has no Transfer-Encoding; a server that ignores it takes the chunks for a request"),
    // Transfer-Encoding in disguise.
    case("TE twice", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[400]),
    case("TE list chunked twice", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", &[400]),
    case("TE then identity", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", &[400]),
    case("TE identity", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nab", &[400]),
    case("TE gzip, chunked", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", &[400]),
    case("TE xchunked", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", &[400]),
    case("TE in quotes", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", &[400]),
    case("TE with a parameter", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", &[400]),
    differs("TE with a comma", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked,\r\n\r\n0\r\n\r\n", &[400], ONE_CODING),
    case("TE with a vertical tab", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", &[400]),
    case("TE empty", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\nContent-Length: 2\r\n\r\nab", &[400]),
    case("TE with a space before the colon", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", &[400]),
    case("TE with a tab before the colon", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", &[400]),
    differs("TE after a space", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[400], FOLDED),
    differs("TE on a folded line", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", &[400], FOLDED),
    case("TE behind a bare CR", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[400]),
    case("TE with an underscore is another field", "POST {t} HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab", &[200]),
    case("TE in capitals", "POST {t} HTTP/1.1\r\nHost: a\r\nTRANSFER-ENCODING: CHUNKED\r\nConnection: close\r\n\r\n2\r\nab\r\n0\r\n\r\n", &[200]),
    // Content-Length that can be read in two ways.
    case("CL twice, different", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc", &[400]),
    differs("CL twice, the same", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab", &[200], "RFC 9110, 8.6 lets equal values count as one, and one is forwarded; nginx refuses"),
    differs("CL as a list", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\nab", &[400], "a list is no length; HAProxy takes equal ones for one"),
    case("CL as a list, different", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 3\r\n\r\nabc", &[400]),
    case("CL with a sign", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\nab", &[400]),
    case("CL negative", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nContent-Length: -2\r\n\r\nab", &[400]),
    case("CL hexadecimal", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0x2\r\n\r\nab", &[400]),
    case("CL with a space within", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1 2\r\n\r\nab", &[400]),
    case("CL empty", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n", &[400]),
    case("CL too large for a number", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551618\r\n\r\nab", &[400]),
    case("CL with a space before the colon", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nContent-Length : 2\r\n\r\nab", &[400]),
    case("CL of a GET", "GET {t}/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 31\r\nConnection: close\r\n\r\nGET {t}/smuggled HTTP/1.1\r\n\r\n  ", &[200]),
    // Chunk sizes.
    case("a size beyond 64 bits", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000002\r\nab\r\n0\r\n\r\n", &[400]),
    case("a size with a sign", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+2\r\nab\r\n0\r\n\r\n", &[400]),
    case("a size with 0x", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nab\r\n0\r\n\r\n", &[400]),
    case("a size that is none", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n", &[400]),
    case("no size", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\nab\r\n0\r\n\r\n", &[400]),
    case("a space before a size", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n 2\r\nab\r\n0\r\n\r\n", &[400]),
    differs("text behind a size", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2 x\r\nab\r\n0\r\n\r\n", &[400], "a size is digits, and after `;` an extension; nginx takes the rest of the line for one"),
    case("an extension", "POST {t} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2;x=y\r\nab\r\n0\r\n\r\n", &[200]),
    differs("an extension with a bare LF", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x\nab\r\n0\r\n\r\n", &[400], BARE_LF),
    differs("a size that ends in a bare LF", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\nab\r\n0\r\n\r\n", &[400], BARE_LF),
    differs("a chunk that ends in a bare LF", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\n0\r\n\r\n", &[400], BARE_LF),
    differs("a last line that is a bare LF", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\n", &[400], BARE_LF),
    case("a chunk longer than its size", "POST {t}/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n", &[400]),
    case("a trailer that names a length", "POST {t} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nab\r\n0\r\nContent-Length: 9\r\n\r\n", &[200]),
    // Lines and names.
    case("a bare LF after the request line", "GET {t} HTTP/1.1\nHost: a\r\nConnection: close\r\n\r\n", &[200]),
    case("bare LFs only", "GET {t} HTTP/1.1\nHost: a\nConnection: close\n\n", &[200]),
    differs("NUL in a value", "GET {t}/1 HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n", &[400], "no field value holds a NUL; HAProxy forwards it"),
    case("NUL in a name", "GET {t}/1 HTTP/1.1\r\nHost: a\r\nX\0Y: b\r\n\r\n", &[400]),
    case("a bare CR in a value", "GET {t}/1 HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n", &[400]),
    differs("a control character in a value", "GET {t}/1 HTTP/1.1\r\nHost: a\r\nX: b\x01c\r\n\r\n", &[400], "no field value holds control characters; nginx and HAProxy forward them"),
    differs("a folded line", "GET {t}/1 HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", &[400], FOLDED),
    case("a space before a colon", "GET {t}/1 HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", &[400]),
    case("a field without a name", "GET {t}/1 HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", &[400]),
    differs("a line without a colon", "GET {t}/1 HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n", &[400], "a line without a colon is no field; nginx drops it"),
    case("a first line that begins with a space", "GET {t}/1 HTTP/1.1\r\n Host: a\r\n\r\n", &[400]),
    // Whom the request is for.
    differs("no host", "GET {t}/1 HTTP/1.1\r\n\r\n", &[400], "RFC 9112, 3.2: HTTP/1.1 has a host; HAProxy forwards it without one"),
    case("two hosts", "GET {t}/1 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", &[400]),
    differs("the same host twice", "GET {t}/1 HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", &[400], "RFC 9112, 3.2: more than one Host field is refused; HAProxy takes equal ones for one"),
    differs("a host with a space", "GET {t}/1 HTTP/1.1\r\nHost: a b\r\n\r\n", &[400], A_HOST),
    differs("a host with a path", "GET {t}/1 HTTP/1.1\r\nHost: a/b\r\n\r\n", &[400], A_HOST),
    differs("a host with a user", "GET {t}/1 HTTP/1.1\r\nHost: a@b\r\n\r\n", &[400], A_HOST),
    case("absolute form with the same host", "GET http://a{t} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &[200]),
    differs("absolute form with another host", "GET http://b{t} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &[200], "RFC 9112, 3.2.2: the target's host holds, and the upstream gets one host of our own; HAProxy refuses"),
    // Request lines.
    differs("HTTP/0.9", "GET {t}/1\r\n\r\n", &[400], "HTTP/0.9 says nothing of its end; nginx answers it"),
    differs("HTTP/2.0 in words", "GET {t}/1 HTTP/2.0\r\nHost: a\r\n\r\n", &[400], OTHER_VERSION),
    differs("HTTP/1.2", "GET {t}/1 HTTP/1.2\r\nHost: a\r\n\r\n", &[400], OTHER_VERSION),
    case("http in lowercase", "GET {t}/1 http/1.1\r\nHost: a\r\n\r\n", &[400]),
    case("a version that is none", "GET {t}/1 HTTP/x\r\nHost: a\r\n\r\n", &[400]),
    differs("two spaces after the method", "GET  {t}/1 HTTP/1.1\r\nHost: a\r\n\r\n", &[400], "RFC 9112, 3: one space; nginx and HAProxy take more for one"),
    case("a space in the target", "GET {t}/1 b HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    case("a NUL in the target", "GET {t}/1\0b HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    case("a method with a parenthesis", "GE(T {t}/1 HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    // The framing that must not be lost.
    case("Connection names the length", "POST {t} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close, content-length\r\n\r\nab", &[200]),
    differs("an upgrade that hides a second request", "GET {t}/1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nPOST {t}/2 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[200], "HAProxy refuses an upgrade without a key; here it goes on as it is, and when it is refused the connection ends, so that nothing behind it is read"),
    case("an upgrade to h2c", "GET {t} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", &[200]),
];
