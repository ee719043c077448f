//! HTTP/1.1 towards upstreams for requests without a body, which are most.
//!
//! Such a request and its answer take turns, so whoever waits for the answer does all of it: one write, and as many reads
//! as the answer needs, into buffers ([`buffer`]) that are there only while something comes. The head is read by `httparse`; here is
//! where an answer ends ([`framing`]) and what is done to get it ([`connection`]).

mod buffer;
pub(crate) mod connection;
mod framing;
mod head;

use std::io;

/// The most bytes that the head of an answer, or its trailers, may have; as much as a caller's head may.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// The most headers that an answer may have, as many as a request.
const MAX_HEADERS: usize = 100;

/// Why there is no answer, or not the whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the connection failed")]
    Connection(#[from] io::Error),
    #[error("the upstream closed the connection before the end of its answer")]
    Ended,
    #[error("the answer cannot be read")]
    Unreadable(#[from] httparse::Error),
    #[error("the head of the answer has more than {} KiB", MAX_HEAD_BYTES / 1024)]
    TooLarge,
    #[error("the answer has no status that is known")]
    Status,
    #[error("the answer has a `Content-Length` that is no number, or several that differ")]
    Length,
    #[error("the answer has a `Transfer-Encoding` other than `chunked`")]
    TransferEncoding,
    #[error("the answer has a chunk without a size")]
    ChunkSize,
    #[error("the answer has a chunk that goes on after its end")]
    ChunkEnd,
}
