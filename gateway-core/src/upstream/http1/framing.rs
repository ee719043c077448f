//! Where the body of an answer ends (RFC 9112, section 6.3), and its parts until then. Pure: bytes in, parts out.

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, Method, StatusCode, Version, header};
use httparse::{EMPTY_HEADER, Status};
use hyper::body::SizeHint;

use super::{Fault, MAX_HEAD_BYTES, MAX_HEADERS, head};

/// The longest line with the size of a chunk. What follows the size there has no meaning to us.
const MAX_SIZE_LINE: usize = 4 * 1024;

/// What is left of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes.
    Length(u64),
    /// Chunks, of which the size of the next one comes next.
    Chunks,
    /// So many bytes of a chunk, and others after it.
    Chunk(u64),
    /// The end of a chunk's data.
    ChunkEnd,
    /// What may follow the last chunk.
    Trailers,
    /// All that comes until the connection ends.
    UntilEnd,
}

/// What a body goes on with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Data(Bytes),
    Trailers(HeaderMap),
    /// Nothing: it has ended.
    End,
    /// That has not come yet.
    Missing,
}

impl Framing {
    /// Of the answer with this head to a request with this method.
    pub(super) fn of(
        status: StatusCode,
        method: &Method,
        version: Version,
        headers: &HeaderMap,
    ) -> Result<Self, Fault> {
        let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if status.is_informational() || bodiless || *method == Method::HEAD {
            return Ok(Self::Length(0));
        }
        if headers.contains_key(header::TRANSFER_ENCODING) {
            let mut encodings = headers.get_all(header::TRANSFER_ENCODING).iter();
            let encoding = encodings.next().map(|encoding| encoding.as_bytes().trim_ascii());
            let chunked = encoding.is_some_and(|encoding| encoding.eq_ignore_ascii_case(b"chunked"));
            return match chunked && encodings.next().is_none() && version == Version::HTTP_11 {
                true => Ok(Self::Chunks),
                false => Err(Fault::TransferEncoding),
            };
        }
        let mut length = None;
        for value in headers.get_all(header::CONTENT_LENGTH) {
            let said = number(value.as_bytes()).ok_or(Fault::Length)?;
            if length.replace(said).is_some_and(|other| other != said) {
                return Err(Fault::Length);
            }
        }
        Ok(length.map_or(Self::UntilEnd, Self::Length))
    }

    /// Whether nothing of the body is left.
    pub(super) fn is_over(self) -> bool {
        self == Self::Length(0)
    }

    /// The body's next part, which is taken from what has come.
    pub(super) fn next(&mut self, come: &mut Bytes) -> Result<Part, Fault> {
        loop {
            *self = match *self {
                Self::Length(0) => return Ok(Part::End),
                _ if come.is_empty() => return Ok(Part::Missing),
                Self::UntilEnd => return Ok(Part::Data(std::mem::take(come))),
                Self::Length(left) => {
                    let (data, left) = data(come, left);
                    *self = Self::Length(left);
                    return Ok(Part::Data(data));
                }
                Self::Chunk(left) => {
                    let (data, left) = data(come, left);
                    *self = if left == 0 {
                        Self::ChunkEnd
                    } else {
                        Self::Chunk(left)
                    };
                    return Ok(Part::Data(data));
                }
                Self::ChunkEnd if come.starts_with(b"\r\n") => {
                    come.advance(2);
                    Self::Chunks
                }
                Self::ChunkEnd if **come == *b"\r" => return Ok(Part::Missing),
                Self::ChunkEnd => return Err(Fault::ChunkEnd),
                Self::Chunks => match chunk(come)? {
                    None => return Ok(Part::Missing),
                    Some(0) => Self::Trailers,
                    Some(size) => Self::Chunk(size),
                },
                Self::Trailers => {
                    let Some(trailers) = trailers(come)? else {
                        return Ok(Part::Missing);
                    };
                    *self = Self::Length(0);
                    return Ok(match trailers.is_empty() {
                        true => Part::End,
                        false => Part::Trailers(trailers),
                    });
                }
            }
        }
    }

    /// The connection ended: so does the body, or it is not whole.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        match std::mem::replace(self, Self::Length(0)) {
            Self::UntilEnd | Self::Length(0) => Ok(()),
            _ => Err(Fault::Ended),
        }
    }

    /// How much is left, as far as that is known.
    pub(super) fn size_hint(self) -> SizeHint {
        match self {
            Self::Length(left) => SizeHint::with_exact(left),
            _ => SizeHint::default(),
        }
    }
}

/// As much of what is left as has come, and how much is left then.
fn data(come: &mut Bytes, left: u64) -> (Bytes, u64) {
    let length = usize::try_from(left).map_or(come.len(), |left| left.min(come.len()));
    (come.split_to(length), left - length as u64)
}

/// The size of a chunk, once its line has come.
fn chunk(come: &mut Bytes) -> Result<Option<u64>, Fault> {
    // The library takes no digits for zero.
    if !come.first().is_some_and(u8::is_ascii_hexdigit) {
        return Err(Fault::ChunkSize);
    }
    match httparse::parse_chunk_size(come) {
        Ok(Status::Complete((length, size))) => {
            come.advance(length);
            Ok(Some(size))
        }
        Ok(Status::Partial) if come.len() <= MAX_SIZE_LINE => Ok(None),
        Ok(Status::Partial) | Err(_) => Err(Fault::ChunkSize),
    }
}

/// What follows the last chunk, once it has come.
fn trailers(come: &mut Bytes) -> Result<Option<HeaderMap>, Fault> {
    let mut space = [EMPTY_HEADER; MAX_HEADERS];
    match httparse::parse_headers(come, &mut space)? {
        Status::Complete((length, read)) => {
            let trailers = head::headers(come, read)?;
            come.advance(length);
            Ok(Some(trailers))
        }
        Status::Partial if come.len() <= MAX_HEAD_BYTES => Ok(None),
        Status::Partial => Err(Fault::TooLarge),
    }
}

/// Digits only, as others read it, too: no sign, no list.
fn number(bytes: &[u8]) -> Option<u64> {
    let digits = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(bytes).ok()?.parse().ok())?
}

#[cfg(test)]
mod tests;
