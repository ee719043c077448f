//! Buffers to read into. Each worker's thread has a few of its own, and takes the one that was used last, which is still
//! in the processor's caches. So a connection on which nothing comes has none.

use std::{
    cell::RefCell,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

/// How much is read at a time: an answer of 16 KiB and its head, and less than a first-level cache.
const SIZE: usize = 32 * 1024;

/// What has no more bytes is copied, so that little does not hold on to much.
const LITTLE: usize = 4 * 1024;

/// How many free buffers a thread keeps. More are needed only while callers do not take what they asked for.
const KEPT: usize = 16;

thread_local! {
    static FREE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer; it is free again when this goes.
struct Buffer(Vec<u8>);

/// Reads more to what has come; gives the number of bytes, which is zero at the end.
pub(super) fn poll_read(
    stream: Pin<&mut impl AsyncRead>,
    come: &mut Bytes,
    context: &mut Context<'_>,
) -> Poll<std::io::Result<usize>> {
    let mut buffer = Buffer::take();
    buffer.0.extend_from_slice(come);
    let length = ready!(poll_read_buf(stream, context, &mut buffer.0))?;
    *come = buffer.into_bytes();
    Poll::Ready(Ok(length))
}

impl Buffer {
    fn take() -> Self {
        let free = FREE.with_borrow_mut(Vec::pop);
        Self(free.unwrap_or_else(|| Vec::with_capacity(SIZE)))
    }

    fn into_bytes(self) -> Bytes {
        match self.0.len() <= LITTLE {
            true => Bytes::copy_from_slice(&self.0),
            false => Bytes::from_owner(self),
        }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut buffer = std::mem::take(&mut self.0);
        // A thread that ends keeps none.
        let _ = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if free.len() < KEPT && buffer.capacity() <= 2 * SIZE {
                buffer.clear();
                free.push(buffer);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free() -> Vec<usize> {
        FREE.with_borrow(|free| free.iter().map(Vec::capacity).collect())
    }

    fn read(mut stream: &[u8], come: &'static [u8]) -> (usize, Bytes) {
        let mut come = Bytes::from_static(come);
        let mut context = Context::from_waker(std::task::Waker::noop());
        let Poll::Ready(length) = poll_read(Pin::new(&mut stream), &mut come, &mut context) else {
            panic!("it is there");
        };
        (length.expect("read"), come)
    }

    #[test]
    fn little_is_copied_and_much_is_lent() {
        assert!(free().is_empty());
        let little = read(b"def", b"abc");
        assert_eq!(little, (3, Bytes::from_static(b"abcdef")));
        assert_eq!(free(), [SIZE], "its buffer is free already");
        let (length, much) = read(&[7; SIZE + 1], b"");
        assert_eq!((length, &*much), (SIZE, &[7; SIZE][..]));
        assert!(free().is_empty());
        let part = much.slice(10..20);
        drop(much);
        assert!(free().is_empty(), "a part is still in use");
        drop(part);
        assert_eq!(free(), [SIZE]);
        assert_eq!(read(b"", b"").0, 0);
    }

    #[test]
    fn a_thread_keeps_a_few_buffers_of_the_usual_size() {
        let all: Vec<_> = (0..2 * KEPT).map(|_| Buffer::take()).collect();
        drop(all);
        assert_eq!(free(), [SIZE; KEPT]);
        let mut large = Buffer::take();
        large.0.resize(3 * SIZE, 0);
        drop(large);
        assert_eq!(free().len(), KEPT - 1);
    }
}
