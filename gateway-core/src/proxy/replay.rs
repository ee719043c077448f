//! Bodies that may have to be sent more than once: what has been sent is remembered, up to a limit, while it streams.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body, Frame, SizeHint};

use super::body::{BodyError, RequestBody};

/// The most of a body that is remembered. A larger one is sent once.
const MAX_REMEMBERED: usize = 256 * 1024;

/// A body and what has been read of it.
#[derive(Debug, Clone)]
pub(crate) struct Replay(Rc<RefCell<Tape>>);

#[derive(Debug)]
struct Tape {
    source: RequestBody,
    length: SizeHint,
    read: Vec<Piece>,
    bytes: usize,
    ended: bool,
    /// Whether it can no longer be sent from its beginning.
    torn: bool,
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
    /// Nothing has been read yet.
    pub(crate) fn new(source: RequestBody) -> Self {
        Self(Rc::new(RefCell::new(Tape {
            length: source.size_hint(),
            ended: source.is_end_stream(),
            source,
            read: Vec::new(),
            bytes: 0,
            torn: false,
            player: 0,
        })))
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
        self.bytes += frame.data_ref().map_or(0, Bytes::len);
        match self.bytes > MAX_REMEMBERED {
            true => self.tear(),
            false => self.read.push(piece),
        }
    }

    fn tear(&mut self) {
        self.torn = true;
        self.read = Vec::new();
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
    fn no_body_stays_none() {
        assert!(Replay::new(RequestBody::Empty).play().is_end_stream());
    }
}
