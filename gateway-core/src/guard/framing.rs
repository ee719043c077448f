//! How the requests on an HTTP/1 connection are framed: where each head and body ends.
//!
//! The HTTP library quietly lets `Transfer-Encoding` win over a `Content-Length` beside it. Two servers
//! that settle this differently see different requests in the same bytes, so here it is an error. Pure:
//! bytes in, verdict out. Where this and the library would disagree, this is the stricter one.

/// The longest line of a head; the library takes no longer heads either.
const MAX_LINE: usize = 64 * 1024;

/// Follows the framing across reads.
#[derive(Debug, Default)]
pub(super) struct Framing {
    state: State,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    head: Head,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Head,
    /// So many bytes of a body are left.
    Body(u64),
    ChunkSize,
    /// So many bytes of a chunk are left.
    Chunk(u64),
    ChunkEnd,
    Trailers,
    /// A WebSocket; no longer requests.
    Opaque,
}

/// What the head so far says of its message.
#[derive(Debug, Default)]
struct Head {
    started: bool,
    length: Option<u64>,
    chunked: bool,
    websocket: bool,
}

/// The framing is contradictory or unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Contradiction;

impl Framing {
    /// Follows the next bytes. An error says at which of them the framing became wrong; that is before the
    /// end of the head, or of the line, that is to blame.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Result<(), (usize, Contradiction)> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            at += match self.state {
                State::Opaque => rest.len(),
                State::Body(left) => self.skip(left, rest.len(), State::Body, State::Head),
                State::Chunk(left) => self.skip(left, rest.len(), State::Chunk, State::ChunkEnd),
                State::Head | State::ChunkSize | State::ChunkEnd | State::Trailers => {
                    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                        return self.keep(rest).map_err(|error| (at, error));
                    };
                    self.line_end(&rest[..end]).map_err(|error| (at + end, error))?;
                    end + 1
                }
            };
        }
        Ok(())
    }

    /// Whether the caller has begun a body and not ended it.
    pub(super) fn owes_body(&self) -> bool {
        !matches!(self.state, State::Head | State::Opaque)
    }

    fn skip(&mut self, left: u64, available: usize, same: fn(u64) -> State, next: State) -> usize {
        let skipped = usize::try_from(left).map_or(available, |left| left.min(available));
        let left = left - skipped as u64;
        self.state = if left == 0 { next } else { same(left) };
        skipped
    }

    fn keep(&mut self, part: &[u8]) -> Result<(), Contradiction> {
        if self.line.len() + part.len() > MAX_LINE {
            return Err(Contradiction);
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    fn line_end(&mut self, end: &[u8]) -> Result<(), Contradiction> {
        if self.line.is_empty() {
            return self.line(end);
        }
        self.keep(end)?;
        let line = std::mem::take(&mut self.line);
        self.line(&line)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Contradiction> {
        let complete = line.strip_suffix(b"\r");
        if complete.is_none() && self.owes_body() {
            // Only in a head does the library take a bare LF for the end of a line.
            return Err(Contradiction);
        }
        let line = complete.unwrap_or(line);
        match self.state {
            State::Head => return self.head_line(line),
            State::ChunkSize => {
                self.state = match chunk_size(line)? {
                    0 => State::Trailers,
                    size => State::Chunk(size),
                };
            }
            State::ChunkEnd if line.is_empty() => self.state = State::ChunkSize,
            State::ChunkEnd => return Err(Contradiction),
            State::Trailers if line.is_empty() => self.state = State::Head,
            State::Trailers | State::Body(_) | State::Chunk(_) | State::Opaque => {}
        }
        Ok(())
    }

    fn head_line(&mut self, line: &[u8]) -> Result<(), Contradiction> {
        if !self.head.started {
            // Empty lines before a request mean nothing.
            self.head.started = !line.is_empty();
            return Ok(());
        }
        match line.first() {
            None => self.head_end(),
            Some(b' ' | b'\t') => return Err(Contradiction),
            Some(b'c' | b'C' | b't' | b'T' | b'u' | b'U') => return self.head.field(line),
            Some(_) => {}
        }
        Ok(())
    }

    fn head_end(&mut self) {
        let head = std::mem::take(&mut self.head);
        self.state = match head {
            Head { websocket: true, .. } => State::Opaque,
            Head { chunked: true, .. } => State::ChunkSize,
            Head {
                length: Some(length), ..
            } if length > 0 => State::Body(length),
            _ => State::Head,
        };
    }
}

impl Head {
    fn field(&mut self, line: &[u8]) -> Result<(), Contradiction> {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return Err(Contradiction);
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = number(value, 10)?;
            if self.chunked || self.length.is_some_and(|other| other != length) {
                return Err(Contradiction);
            }
            self.length = Some(length);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            // Any other coding would reach the upstream without being named.
            if self.chunked || self.length.is_some() || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Contradiction);
            }
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(b"upgrade") {
            self.websocket |= value.eq_ignore_ascii_case(b"websocket");
        }
        Ok(())
    }
}

fn chunk_size(line: &[u8]) -> Result<u64, Contradiction> {
    let digits = line.split(|byte| matches!(byte, b';' | b' ' | b'\t')).next();
    number(digits.unwrap_or_default(), 16)
}

/// A number in digits alone: no sign, no list, nothing too large.
fn number(digits: &[u8], radix: u32) -> Result<u64, Contradiction> {
    let valid = !digits.is_empty() && digits.iter().all(|byte| char::from(*byte).is_digit(radix));
    let text = std::str::from_utf8(digits).ok().filter(|_| valid);
    text.and_then(|text| u64::from_str_radix(text, radix).ok())
        .ok_or(Contradiction)
}

/// Fails if a message cut into reads in one way is framed otherwise than in another.
#[cfg(any(test, fuzzing))]
pub(crate) fn framing_is_the_same_in_every_cut(bytes: &[u8]) {
    let framed = |size: usize| {
        let (mut framing, mut at) = (Framing::default(), 0);
        for part in bytes.chunks(size) {
            if let Err((offset, error)) = framing.follow(part) {
                assert!(offset < part.len(), "blames a byte that was not read: {bytes:?}");
                return Err((at + offset, error));
            }
            at += part.len();
        }
        Ok((framing.state, framing.line))
    };
    let whole = framed(bytes.len().max(1));
    for size in [1, 2, 3, 7] {
        assert_eq!(framed(size), whole, "{bytes:?} in reads of {size}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The framing after these bytes, however they are cut into reads.
    fn check(bytes: &str, expected: Result<State, Contradiction>) {
        for size in [1, 2, 7, bytes.len().max(1)] {
            let mut framing = Framing::default();
            let followed = bytes
                .as_bytes()
                .chunks(size)
                .try_for_each(|part| framing.follow(part));
            let result = followed.map(|()| framing.state).map_err(|(_, error)| error);
            assert_eq!(result, expected, "{bytes:?} in reads of {size}");
        }
    }

    fn head(fields: &str) -> String {
        format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
    }

    #[test]
    fn bodies_end_where_their_length_says() {
        check(&head(""), Ok(State::Head));
        check(&(head("Content-Length: 5\r\n") + "he"), Ok(State::Body(3)));
        check(
            &(head("Content-Length: 5\r\n") + "hello" + &head("content-length:0\r\n")),
            Ok(State::Head),
        );
        check(
            &(head("Content-Length: 5\r\nContent-Length: 5\r\n") + "hello"),
            Ok(State::Head),
        );
    }

    #[test]
    fn chunked_bodies_end_after_their_trailers() {
        let body = "5;x=y\r\nhello\r\n0A\r\n0123456789\r\n0\r\nT: v\r\n\r\n";
        check(&(head("Transfer-Encoding: Chunked\r\n") + body), Ok(State::Head));
        check(
            &(head("Transfer-Encoding: chunked\r\n") + "5\r\nhe"),
            Ok(State::Chunk(3)),
        );
        check(
            &(head("Transfer-Encoding: chunked\r\n") + "5\r\nhelloworld\r\n"),
            Err(Contradiction),
        );
    }

    #[test]
    fn only_crlf_ends_a_line_of_a_body() {
        let chunked = head("Transfer-Encoding: chunked\r\n");
        for body in [
            "2\nab\r\n",
            "2\r\nab\n",
            "2\r\nab\r\n0\n",
            "0\r\n\n",
            "0\r\nT: v\n",
        ] {
            check(&(chunked.clone() + body), Err(Contradiction));
        }
        check(
            "POST / HTTP/1.1\nHost: a\nContent-Length: 5\n\nhe",
            Ok(State::Body(3)),
        );
    }

    #[test]
    fn contradictions_are_found() {
        for fields in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: +5\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: \r\n",
            "Content-Length: 99999999999999999999999\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: identity\r\n",
            "X: a\r\n b\r\n",
        ] {
            check(&head(fields), Err(Contradiction));
        }
    }

    #[test]
    fn contradictions_in_later_requests_are_found_too() {
        let both = head("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n");
        check(&(head("") + &both), Err(Contradiction));
        check(
            &(head("Content-Length: 2\r\n") + "ab" + &both),
            Err(Contradiction),
        );
        check(
            &(head("Transfer-Encoding: chunked\r\n") + "0\r\n\r\n" + &both),
            Err(Contradiction),
        );
        check(
            &(head(&format!("Content-Length: {}\r\n", both.len())) + &both),
            Ok(State::Head),
        );
    }

    #[test]
    fn websockets_are_left_alone() {
        let both = head("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n");
        check(&(head("Upgrade: WebSocket\r\n") + &both), Ok(State::Opaque));
        check(&(head("Upgrade: h2c\r\n") + &both), Err(Contradiction));
    }
}
