//! NDJSON bodies, line by line: however long the body, only one line is in memory.

use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt as _;
use gatehouse_control_plane_api::problem::ProblemKind;

use crate::failure::{Answer, Failure};

/// The longest line, in bytes.
pub(super) const LINE_MAX: usize = 8 * 1024 * 1024;
/// The longest body, in bytes.
pub(super) const BODY_MAX: usize = 64 * 1024 * 1024;

/// Reads the lines of a body that are not empty.
pub(super) struct Lines {
    stream: BodyDataStream,
    buffer: Vec<u8>,
    /// Where in the buffer the next line begins.
    start: usize,
    /// Up to where the buffer is known to hold no end of line.
    searched: usize,
    read: usize,
    ended: bool,
}

impl Lines {
    pub(super) fn of(body: Body) -> Self {
        Self {
            stream: body.into_data_stream(),
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            read: 0,
            ended: false,
        }
    }

    /// The next line, without its end; none after the last.
    pub(super) async fn next(&mut self) -> Answer<Option<Vec<u8>>> {
        loop {
            match self.take_line() {
                Some(line) if line.iter().all(u8::is_ascii_whitespace) => {}
                Some(line) => return Ok(Some(line)),
                None if self.ended => return Ok(None),
                None => self.fill().await?,
            }
        }
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let end = self.buffer[self.searched..]
            .iter()
            .position(|byte| *byte == b'\n');
        match end {
            Some(offset) => {
                let end = self.searched + offset;
                let line = self.buffer[self.start..end].to_vec();
                (self.start, self.searched) = (end + 1, end + 1);
                Some(line)
            }
            None if self.ended && self.start < self.buffer.len() => {
                let line = self.buffer.split_off(self.start);
                (self.start, self.searched) = (self.buffer.len(), self.buffer.len());
                Some(line)
            }
            None => {
                self.searched = self.buffer.len();
                None
            }
        }
    }

    async fn fill(&mut self) -> Answer<()> {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        match self.stream.next().await {
            None => self.ended = true,
            Some(Ok(chunk)) => {
                self.read += chunk.len();
                self.buffer.extend_from_slice(&chunk);
            }
            Some(Err(error)) => return Err(broken_off(error)),
        }
        if self.read > BODY_MAX {
            return Err(too_large("page", BODY_MAX));
        }
        if self.buffer.len() > LINE_MAX && !self.buffer[..=LINE_MAX].contains(&b'\n') {
            return Err(too_large("line", LINE_MAX));
        }
        Ok(())
    }
}

fn too_large(what: &str, limit: usize) -> Failure {
    Failure::new(
        ProblemKind::TooLarge,
        format!(
            "the {what} is larger than the limit of {} MiB",
            limit / (1024 * 1024)
        ),
    )
}

fn broken_off(error: axum::Error) -> Failure {
    Failure::new(
        ProblemKind::MalformedRequest,
        "the body broke off before its end; send the page again",
    )
    .caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(chunks: Vec<Vec<u8>>) -> Answer<Vec<String>> {
        let chunks = futures_util::stream::iter(chunks.into_iter().map(Ok::<_, std::io::Error>));
        let mut lines = Lines::of(Body::from_stream(chunks));
        let mut read = Vec::new();
        while let Some(line) = lines.next().await? {
            read.push(String::from_utf8(line).expect("text"));
        }
        Ok(read)
    }

    #[tokio::test]
    async fn lines_come_whole_however_the_body_is_cut() {
        let body = b"{\"a\":1}\n\n  \n{\"b\":2}\r\n{\"c\":3}";
        for size in 1..=body.len() {
            let chunks = body.chunks(size).map(<[u8]>::to_vec).collect();
            assert_eq!(
                read(chunks).await.expect("lines"),
                ["{\"a\":1}", "{\"b\":2}\r", "{\"c\":3}"],
                "{size}"
            );
        }
        assert!(read(Vec::new()).await.expect("no lines").is_empty());
    }

    #[tokio::test]
    async fn a_line_without_end_is_refused_before_it_fills_the_memory() {
        let chunks = vec![vec![b'x'; 1024 * 1024]; 9];
        let failure = read(chunks).await.expect_err("too long");
        assert_eq!(failure.kind(), ProblemKind::TooLarge);
        let line = [vec![b'x'; LINE_MAX - 1], vec![b'\n']].concat();
        let failure = read(vec![line; 9]).await.expect_err("too many");
        assert!(
            failure.problem().detail.contains("64 MiB"),
            "{}",
            failure.problem().detail
        );
    }
}
