//! Bytes back and forth between two ends that only understand each other, until one ends or time is up.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    time::{Duration, Instant, sleep_until, timeout},
};

use super::boundary::Boundary;
use crate::worker::Lifetimes;

/// How many bytes of one direction are on their way at a time.
const BUFFER: usize = 16 * 1024;

/// How long an end may take to be told that it is over.
const FAREWELL: Duration = Duration::from_millis(250);

/// Close, 1001: the end is going away (RFC 6455, section 7.4.1). Servers do not mask.
const GOING_AWAY: [u8; 4] = [0x88, 0x02, 0x03, 0xe9];

/// The same as a client says it, with a mask of zeroes.
const GOING_AWAY_MASKED: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9];

/// Why a tunnel ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Both ends were done.
    Whole,
    /// Nothing moved for too long.
    Idle,
    /// It lived for as long as it may.
    Lifetime,
    /// The gateway stops.
    Stopped,
}

/// Carries bytes until both ends are done. An end that is not done when time is up is told so with a close frame,
/// unless another frame is half on its way to it.
pub(super) async fn run<C, U>(
    caller: C,
    upstream: U,
    lifetimes: Lifetimes,
    stopped: impl Future<Output = ()>,
) -> io::Result<Ended>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let started = Instant::now();
    let mut tunnel = Tunnel {
        caller,
        upstream,
        up: Direction::new(started),
        down: Direction::new(started),
    };
    let ended = {
        let lifetime = async {
            match lifetimes.whole.and_then(|whole| started.checked_add(whole)) {
                Some(end) => sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        let mut lifetime = std::pin::pin!(lifetime);
        let mut stopped = std::pin::pin!(stopped);
        loop {
            let idle_since = tunnel.up.moved.max(tunnel.down.moved);
            let half_open = tunnel.is_half_open();
            let limit = match half_open {
                true => lifetimes.half_open.min(lifetimes.idle),
                false => lifetimes.idle,
            };
            tokio::select! {
                done = poll_fn(|context| tunnel.poll(context, half_open)) => {
                    if done? {
                        break Ended::Whole;
                    }
                }
                () = &mut lifetime => break Ended::Lifetime,
                () = &mut stopped => break Ended::Stopped,
                () = idle(idle_since, limit) => {
                    if tunnel.up.moved.max(tunnel.down.moved) == idle_since {
                        break Ended::Idle;
                    }
                }
            }
        }
    };
    if ended != Ended::Whole {
        // Whoever does not take it in time is cut off without it.
        let _ = timeout(FAREWELL, tunnel.say_goodbye()).await;
    }
    Ok(ended)
}

async fn idle(since: Instant, limit: Duration) {
    match since.checked_add(limit) {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

struct Tunnel<C, U> {
    caller: C,
    upstream: U,
    up: Direction,
    down: Direction,
}

impl<C, U> Tunnel<C, U>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    /// Whether both ends are done; pending as long as there is no more to say than before.
    fn poll(&mut self, context: &mut Context<'_>, half_open: bool) -> Poll<io::Result<bool>> {
        let up = self.up.poll(&mut self.caller, &mut self.upstream, context)?;
        let down = self.down.poll(&mut self.upstream, &mut self.caller, context)?;
        match (up, down) {
            (Poll::Ready(()), Poll::Ready(())) => Poll::Ready(Ok(true)),
            _ if self.is_half_open() && !half_open => Poll::Ready(Ok(false)),
            _ => Poll::Pending,
        }
    }

    /// Whether one end is done.
    fn is_half_open(&self) -> bool {
        self.up.state != State::Open || self.down.state != State::Open
    }

    async fn say_goodbye(&mut self) -> io::Result<()> {
        let to_caller = self.down.end(&mut self.caller, &GOING_AWAY);
        let to_upstream = self.up.end(&mut self.upstream, &GOING_AWAY_MASKED);
        let (caller, upstream) = tokio::join!(to_caller, to_upstream);
        caller.and(upstream)
    }
}

/// One direction: what has been read and not yet written.
struct Direction {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Of what has been written.
    boundary: Boundary,
    moved: Instant,
    unflushed: bool,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The reading end is done; the writing end is to be told.
    Ending,
    Done,
}

impl Direction {
    fn new(now: Instant) -> Self {
        Self {
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
            boundary: Boundary::default(),
            moved: now,
            unflushed: false,
            state: State::Open,
        }
    }

    fn poll<R, W>(&mut self, from: &mut R, to: &mut W, context: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            while self.start < self.end {
                let pending = self.buffer.get(self.start..self.end).unwrap_or_default();
                let written = ready!(Pin::new(&mut *to).poll_write(context, pending))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.boundary.follow(pending.get(..written).unwrap_or_default());
                self.start += written;
                self.unflushed = true;
                self.moved = Instant::now();
            }
            match self.state {
                State::Done => return Poll::Ready(Ok(())),
                State::Ending => {
                    ready!(Pin::new(&mut *to).poll_shutdown(context))?;
                    self.state = State::Done;
                }
                State::Open => {
                    let mut buffer = ReadBuf::new(&mut self.buffer);
                    match Pin::new(&mut *from).poll_read(context, &mut buffer) {
                        Poll::Ready(result) => result?,
                        Poll::Pending => {
                            // Only when there is no more to send along.
                            if self.unflushed {
                                ready!(Pin::new(&mut *to).poll_flush(context))?;
                                self.unflushed = false;
                            }
                            return Poll::Pending;
                        }
                    }
                    (self.start, self.end) = (0, buffer.filled().len());
                    self.moved = Instant::now();
                    if self.end == 0 {
                        self.state = State::Ending;
                    }
                }
            }
        }
    }

    /// Sends what is left and a last frame, if it can stand there, and ends the direction.
    async fn end<W: AsyncWrite + Unpin>(&mut self, to: &mut W, frame: &[u8]) -> io::Result<()> {
        if self.state == State::Done {
            return Ok(());
        }
        let left = self.buffer.get(self.start..self.end).unwrap_or_default();
        to.write_all(left).await?;
        self.boundary.follow(left);
        self.start = self.end;
        if self.boundary.is_clear() {
            to.write_all(frame).await?;
        }
        to.shutdown().await
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, duplex};

    use super::*;

    const FOREVER: Lifetimes = Lifetimes {
        idle: Duration::MAX,
        half_open: Duration::MAX,
        whole: None,
    };

    #[tokio::test]
    async fn silence_and_age_end_a_tunnel_with_a_word_to_both_sides() {
        let limit = Duration::from_millis(400);
        let idle = Lifetimes {
            idle: limit,
            ..FOREVER
        };
        let whole = Lifetimes {
            whole: Some(limit),
            ..FOREVER
        };
        for (lifetimes, expected, lives) in [(idle, Ended::Idle, 600), (whole, Ended::Lifetime, 400)] {
            let (mut caller, ours) = duplex(64);
            let (mut upstream, theirs) = duplex(64);
            let started = Instant::now();
            let talk = async {
                tokio::time::sleep(limit / 2).await;
                caller.write_all(&[0x81, 0x80, 1, 2, 3, 4]).await.unwrap();
            };
            let (ended, ()) = tokio::join!(run(ours, theirs, lifetimes, std::future::pending()), talk);
            assert_eq!(ended.unwrap(), expected);
            assert!(started.elapsed() >= Duration::from_millis(lives), "{expected:?}");
            let mut heard = Vec::new();
            caller.read_to_end(&mut heard).await.unwrap();
            assert_eq!(heard, GOING_AWAY);
            heard.clear();
            upstream.read_to_end(&mut heard).await.unwrap();
            assert_eq!(
                heard,
                [&[0x81, 0x80, 1, 2, 3, 4][..], &GOING_AWAY_MASKED].concat()
            );
        }
    }

    #[tokio::test]
    async fn an_end_alone_is_not_waited_for_as_long_as_both() {
        let (caller, ours) = duplex(64);
        let (mut upstream, theirs) = duplex(64);
        drop(caller);
        let started = Instant::now();
        let limit = Duration::from_millis(200);
        let lifetimes = Lifetimes {
            half_open: limit,
            ..FOREVER
        };
        let (ended, heard) = tokio::join!(run(ours, theirs, lifetimes, std::future::pending()), async {
            let mut heard = Vec::new();
            upstream.read_to_end(&mut heard).await.unwrap();
            heard
        });
        assert_eq!(ended.unwrap(), Ended::Idle);
        assert!(started.elapsed() >= limit);
        assert!(heard.is_empty(), "{heard:?}");
    }

    #[tokio::test]
    async fn nothing_is_put_into_the_middle_of_a_frame() {
        let (mut caller, ours) = duplex(64);
        let (mut upstream, theirs) = duplex(64);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let test = async {
            upstream.write_all(&[0x82, 5, 1, 2]).await.unwrap();
            let mut heard = [0; 4];
            caller.read_exact(&mut heard).await.unwrap();
            stop.send(()).unwrap();
            let mut rest = Vec::new();
            caller.read_to_end(&mut rest).await.unwrap();
            assert!(rest.is_empty(), "{rest:?}");
        };
        let stopped = async { drop(stopped.await) };
        let (ended, ()) = tokio::join!(run(ours, theirs, FOREVER, stopped), test);
        assert_eq!(ended.unwrap(), Ended::Stopped);
    }

    #[tokio::test]
    async fn each_direction_ends_by_itself() {
        let (mut caller, ours) = duplex(64);
        let (mut upstream, theirs) = duplex(64);
        let answer = "a".repeat(100_000);
        let asking = async {
            caller.write_all(b"question").await.unwrap();
            caller.shutdown().await.unwrap();
            let mut heard = String::new();
            caller.read_to_string(&mut heard).await.unwrap();
            heard
        };
        let answering = async {
            let mut heard = String::new();
            upstream.read_to_string(&mut heard).await.unwrap();
            upstream.write_all(answer.as_bytes()).await.unwrap();
            upstream.shutdown().await.unwrap();
            heard
        };
        let running = run(ours, theirs, FOREVER, std::future::pending());
        let (ended, heard, asked) = tokio::join!(running, asking, answering);
        assert_eq!((ended.unwrap(), asked.as_str()), (Ended::Whole, "question"));
        assert_eq!(heard, answer);
    }
}
