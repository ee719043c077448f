//! Bodies that may have to be sent more than once: what has been sent is remembered, up to a limit, while it streams.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body, Frame, SizeHint};

use super::body::{BodyError, RequestBody};

/// The most of a body that is remembered. A larger one is sent once.
const MAX_REMEMBERED: usize = 256 * 1024;

/// The most that is remembered of all bodies of the process together. When it is used up, bodies are sent once.
const MAX_TOGETHER: usize = 64 * 1024 * 1024;

/// What is remembered of all bodies.
static TOGETHER: AtomicUsize = AtomicUsize::new(0);

/// A body and what has been read of it.
#[derive(Debug, Clone)]
pub(crate) struct Replay(Rc<RefCell<Tape>>);

#[derive(Debug)]
struct Tape {
    source: RequestBody,
    length: SizeHint,
    read: Vec<Piece>,
    memory: Memory,
    ended: bool,
    /// Whether it can no longer be sent from its beginning.
    torn: bool,
    /// Whether it was asked for more than has come of it.
    awaited: bool,
    /// Which player may read on; the one of a request that failed must not.
    player: u32,
}

#[derive(Debug)]
enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl Piece {
    fn frame(&self) -> Frame<Bytes> {
        match self {
            Self::Data(bytes) => Frame::data(bytes.clone()),
            Self::Trailers(trailers) => Frame::trailers(trailers.clone()),
        }
    }
}

impl Replay {
    /// A body that is remembered while it is read. Nothing has been read yet.
    pub(crate) fn new(source: RequestBody) -> Self {
        Self::of(source, false)
    }

    /// A body that is not remembered, unless there is none.
    pub(crate) fn once(source: RequestBody) -> Self {
        let torn = !source.is_end_stream();
        Self::of(source, torn)
    }

    fn of(source: RequestBody, torn: bool) -> Self {
        Self(Rc::new(RefCell::new(Tape {
            length: source.size_hint(),
            ended: source.is_end_stream(),
            source,
            read: Vec::new(),
            memory: Memory::of(&TOGETHER),
            torn,
            awaited: false,
            player: 0,
        })))
    }

    /// Whether the rest of it is waited for: the upstream takes it faster than it comes.
    pub(crate) fn is_awaited(&self) -> bool {
        self.0.borrow().awaited
    }

    /// Whether all of it is still there.
    pub(crate) fn is_whole(&self) -> bool {
        !self.0.borrow().torn
    }

    /// The body from its beginning. The one that was played before stops.
    pub(crate) fn play(&self) -> RequestBody {
        let mut tape = self.0.borrow_mut();
        tape.player += 1;
        if tape.ended && tape.read.is_empty() {
            return RequestBody::Empty;
        }
        RequestBody::Played(Player {
            tape: Rc::clone(&self.0),
            number: tape.player,
            next: 0,
            sent: 0,
        })
    }
}

/// One playing of a body.
#[derive(Debug)]
pub(crate) struct Player {
    tape: Rc<RefCell<Tape>>,
    number: u32,
    next: usize,
    sent: u64,
}

impl Player {
    pub(crate) fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let tape = &mut *self.tape.borrow_mut();
        if tape.player != self.number {
            return Poll::Ready(Some(Err(BodyError::Superseded)));
        }
        if let Some(piece) = tape.read.get(self.next) {
            let frame = piece.frame();
            self.next += 1;
            self.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
            return Poll::Ready(Some(Ok(frame)));
        }
        if tape.ended {
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut tape.source).poll_frame(context);
        tape.awaited = polled.is_pending();
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
                tape.remember(frame);
                self.next = tape.read.len();
            }
            Poll::Ready(Some(Err(_))) => tape.tear(),
            Poll::Ready(None) => tape.ended = true,
            Poll::Pending => {}
        }
        polled
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        let tape = self.tape.borrow();
        self.next >= tape.read.len() && tape.ended
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        let tape = self.tape.borrow();
        match tape.length.exact() {
            Some(length) => SizeHint::with_exact(length.saturating_sub(self.sent)),
            None => SizeHint::default(),
        }
    }
}

impl Tape {
    fn remember(&mut self, frame: &Frame<Bytes>) {
        self.ended = self.source.is_end_stream();
        if self.torn {
            return;
        }
        let piece = match (frame.data_ref(), frame.trailers_ref()) {
            (Some(data), _) => Piece::Data(data.clone()),
            (_, Some(trailers)) => Piece::Trailers(trailers.clone()),
            _ => return,
        };
        match self.memory.take(frame.data_ref().map_or(0, Bytes::len)) {
            true => self.read.push(piece),
            false => self.tear(),
        }
    }

    fn tear(&mut self) {
        self.torn = true;
        self.read = Vec::new();
        self.memory = Memory::of(&TOGETHER);
    }
}

/// One body's part of what is remembered of all.
#[derive(Debug)]
struct Memory {
    all: &'static AtomicUsize,
    taken: usize,
}

impl Memory {
    fn of(all: &'static AtomicUsize) -> Self {
        Self { all, taken: 0 }
    }

    /// Takes more, if neither this body nor all together then have too much.
    fn take(&mut self, bytes: usize) -> bool {
        let fits = |all: usize| (all + bytes <= MAX_TOGETHER).then_some(all + bytes);
        let taken =
            self.taken + bytes <= MAX_REMEMBERED && self.all.fetch_update(Relaxed, Relaxed, fits).is_ok();
        if taken {
            self.taken += bytes;
        }
        taken
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.all.fetch_sub(self.taken, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn read(body: RequestBody) -> Result<Bytes, BodyError> {
        body.collect().await.map(|body| body.to_bytes())
    }

    #[tokio::test]
    async fn a_body_can_be_played_again_from_its_beginning() {
        let replay = Replay::new(RequestBody::Whole(Bytes::from_static(b"hello")));
        for _ in 0..3 {
            let body = replay.play();
            assert_eq!(body.size_hint().exact(), Some(5));
            assert!(!body.is_end_stream());
            assert_eq!(read(body).await.expect("whole"), "hello");
        }
        assert!(replay.is_whole());
    }

    #[tokio::test]
    async fn one_that_was_played_before_stops() {
        let replay = Replay::new(RequestBody::Whole(Bytes::from_static(b"hello")));
        let first = replay.play();
        let second = replay.play();
        assert!(matches!(read(first).await, Err(BodyError::Superseded)));
        assert_eq!(read(second).await.expect("whole"), "hello");
    }

    #[tokio::test]
    async fn a_large_body_is_sent_once_and_not_kept() {
        let large = Bytes::from(vec![b'x'; MAX_REMEMBERED + 1]);
        let replay = Replay::new(RequestBody::Whole(large.clone()));
        assert_eq!(read(replay.play()).await.expect("whole"), large);
        assert!(!replay.is_whole());
        assert!(replay.0.borrow().read.is_empty());
        let fits = Replay::new(RequestBody::Whole(large.slice(1..)));
        assert_eq!(read(fits.play()).await.expect("whole").len(), MAX_REMEMBERED);
        assert!(fits.is_whole());
    }

    #[test]
    fn all_bodies_together_are_remembered_up_to_a_limit_and_what_is_forgotten_is_free() {
        static ALL: AtomicUsize = AtomicUsize::new(0);
        let mut bodies: Vec<Memory> = Vec::new();
        for _ in 0..MAX_TOGETHER / MAX_REMEMBERED {
            let mut body = Memory::of(&ALL);
            assert!(body.take(MAX_REMEMBERED) && !body.take(1));
            bodies.push(body);
        }
        assert!(!Memory::of(&ALL).take(1));
        bodies.pop();
        assert!(Memory::of(&ALL).take(MAX_REMEMBERED));
        drop(bodies);
        assert_eq!(ALL.load(Relaxed), 0);
    }

    #[tokio::test]
    async fn a_body_that_is_sent_once_is_not_kept() {
        let once = Replay::once(RequestBody::Whole(Bytes::from_static(b"hello")));
        assert!(!once.is_whole());
        assert_eq!(read(once.play()).await.expect("whole"), "hello");
        assert!(once.0.borrow().read.is_empty());
        assert!(!once.is_awaited(), "it has come to its end");
    }

    #[test]
    fn no_body_stays_none() {
        for none in [Replay::new(RequestBody::Empty), Replay::once(RequestBody::Empty)] {
            assert!(none.play().is_end_stream());
            assert!(none.is_whole());
        }
    }
}
