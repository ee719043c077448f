//! HTTP/2 by hand: frames and headers exactly as a test writes them, so that they can be wrong.

use std::{collections::BTreeMap, io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection, and what has come back on it.
#[derive(Debug)]
pub(crate) struct Frames {
    stream: TcpStream,
    read: Vec<u8>,
    /// Status of each stream, once it has one.
    pub(crate) statuses: BTreeMap<u32, u16>,
    /// Error code of each stream that was reset.
    pub(crate) resets: BTreeMap<u32, u32>,
    /// The error code with which the connection was ended.
    pub(crate) goaway: Option<u32>,
    pub(crate) closed: bool,
}

impl Frames {
    /// Connects, and says that it speaks HTTP/2.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.expect("somebody listens");
        stream.write_all(PREFACE).await.expect("taken");
        let mut frames = Self {
            stream,
            read: Vec::new(),
            statuses: BTreeMap::new(),
            resets: BTreeMap::new(),
            goaway: None,
            closed: false,
        };
        frames.send(SETTINGS, 0, 0, &[]).await.expect("taken");
        frames
    }

    /// Sends one frame.
    pub(crate) async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        self.stream.write_all(&frame(kind, flags, stream, payload)).await
    }

    /// Sends bytes that are frames already.
    pub(crate) async fn send_all(&mut self, frames: &[u8]) -> io::Result<()> {
        self.stream.write_all(frames).await
    }

    /// Reads until this holds, or until the other side closed the connection.
    pub(crate) async fn read_until(&mut self, mut done: impl FnMut(&Self) -> bool) {
        let reading = async {
            while !self.closed && !done(self) {
                let read = self.stream.read_buf(&mut self.read).await;
                self.closed = read.unwrap_or_default() == 0;
                while let Some((kind, flags, stream, payload)) = self.next() {
                    self.note(kind, flags, stream, &payload).await;
                }
            }
        };
        assert!(timeout(PATIENCE, reading).await.is_ok(), "no answer in time");
    }

    /// What became of a stream, in words.
    pub(crate) async fn outcome(&mut self, stream: u32) -> String {
        self.read_until(|frames| {
            frames.statuses.contains_key(&stream)
                || frames.resets.contains_key(&stream)
                || frames.goaway.is_some()
        })
        .await;
        match (self.statuses.get(&stream), self.resets.get(&stream), self.goaway) {
            (Some(status), _, _) => status.to_string(),
            (None, Some(_), _) => "reset".to_owned(),
            (None, None, Some(_)) => "connection ended".to_owned(),
            (None, None, None) => "closed".to_owned(),
        }
    }

    fn next(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let [a, b, c, kind, flags, d, e, f, g] = *self.read.first_chunk::<9>()?;
        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let payload = self.read.get(9..9 + length)?.to_vec();
        self.read.drain(..9 + length);
        Some((kind, flags, u32::from_be_bytes([d & 0x7f, e, f, g]), payload))
    }

    async fn note(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        match kind {
            HEADERS => {
                self.statuses.entry(stream).or_insert_with(|| status(payload));
            }
            RST_STREAM => {
                self.resets.insert(stream, code(payload));
            }
            GOAWAY => self.goaway = Some(code(payload.get(4..).unwrap_or_default())),
            SETTINGS if flags & ACK == 0 => drop(self.send(SETTINGS, ACK, 0, &[]).await),
            PING if flags & ACK == 0 => drop(self.send(PING, ACK, 0, payload).await),
            _ => {}
        }
    }
}

fn code(payload: &[u8]) -> u32 {
    payload
        .first_chunk()
        .map_or(u32::MAX, |bytes| u32::from_be_bytes(*bytes))
}

/// One frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("small").to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Fields as literals that are not indexed and not compressed (RFC 7541, section 6.2.2).
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            length(&mut block, text.len());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

fn length(block: &mut Vec<u8>, length: usize) {
    if length < 127 {
        block.push(u8::try_from(length).expect("small"));
        return;
    }
    block.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).expect("small") | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).expect("small"));
}

/// The status at the beginning of a header block (RFC 7541); every server sends it first.
fn status(block: &[u8]) -> u16 {
    const INDEXED: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    let mut at = 0;
    // Changes of the table's size come before.
    while block.get(at).is_some_and(|byte| byte & 0xe0 == 0x20) {
        at += if block[at] & 0x1f == 0x1f { 2 } else { 1 };
        while block.get(at - 1).is_some_and(|byte| at > 1 && byte & 0x80 != 0) {
            at += 1;
        }
    }
    let first = *block.get(at).expect("a header");
    if first & 0x80 != 0 {
        let index = usize::from(first & 0x7f);
        return INDEXED[index.checked_sub(8).expect("a status")];
    }
    let length = usize::from(block[at + 1] & 0x7f);
    let value = &block[at + 2..at + 2 + length];
    let text = match block[at + 1] & 0x80 {
        0 => String::from_utf8_lossy(value).into_owned(),
        _ => digits(value),
    };
    text.parse().expect("a status")
}

/// Digits in the Huffman code of RFC 7541, appendix B: 0, 1 and 2 have five bits, the others six.
fn digits(bytes: &[u8]) -> String {
    let bits: Vec<u8> = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    let (mut text, mut at) = (String::new(), 0);
    while text.len() < 3 {
        let value = |count: usize| {
            bits[at..at + count]
                .iter()
                .fold(0_u8, |value, bit| value << 1 | bit)
        };
        let (digit, used) = match value(5) {
            low @ 0..=2 => (low, 5),
            _ => (value(6) - 0x19 + 3, 6),
        };
        text.push(char::from(b'0' + digit));
        at += used;
    }
    text
}

#[test]
fn statuses_are_read_in_each_form() {
    assert_eq!(status(&[0x88]), 200);
    assert_eq!(status(&[0x20, 0x8c]), 400);
    assert_eq!(status(&[0x3f, 0xe1, 0x1f, 0x8d]), 404);
    assert_eq!(status(&[0x08, 3, b'4', b'3', b'1']), 431);
    assert_eq!(status(&[0x48, 0x82, 0x64, 0x02]), 302);
}
