//! An upstream that remembers the requests as they arrived, framed by the strictest rules.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// One request as it reached the upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) body: Vec<u8>,
    /// The fields of its head, names in lowercase.
    pub(crate) fields: Vec<(String, String)>,
}

/// The upstream.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Recorded>>>,
}

impl Recorder {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(record(stream, Arc::clone(&all)));
            }
        });
        Self { address, seen }
    }

    /// The requests whose target holds this text.
    pub(crate) fn about(&self, token: &str) -> Vec<Recorded> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let about = seen.iter().filter(|request| request.target.contains(token));
        about.cloned().collect()
    }
}

async fn record(mut stream: TcpStream, seen: Arc<Mutex<Vec<Recorded>>>) {
    let mut bytes = Vec::new();
    loop {
        let Some((request, used)) = parse(&bytes) else {
            if stream.read_buf(&mut bytes).await.unwrap_or_default() == 0 {
                return;
            }
            continue;
        };
        bytes.drain(..used);
        let head = request.method == "HEAD";
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        let answer: &[u8] = match head {
            true => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
            false => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        };
        if stream.write_all(answer).await.is_err() {
            return;
        }
    }
}

/// The first request of some bytes, and how many of them it takes. One that never becomes a request is none.
fn parse(bytes: &[u8]) -> Option<(Recorded, usize)> {
    let end = find(bytes, b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let mut start = lines.next()?.split(' ');
    let fields: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let value = |wanted: &str| {
        fields
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.clone())
    };
    let rest = &bytes[end + 4..];
    let (body, used) = match (value("transfer-encoding"), value("content-length")) {
        (Some(_), _) => chunks(rest)?,
        (None, Some(length)) => {
            let length: usize = length.parse().ok()?;
            (rest.get(..length)?.to_vec(), length)
        }
        (None, None) => (Vec::new(), 0),
    };
    let recorded = Recorded {
        method: start.next()?.to_owned(),
        target: start.next().unwrap_or_default().to_owned(),
        body,
        fields,
    };
    Some((recorded, end + 4 + used))
}

fn chunks(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line = find(&bytes[at..], b"\r\n")?;
        let text = std::str::from_utf8(&bytes[at..at + line]).ok()?;
        let digits = text.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(digits, 16).ok()?;
        at += line + 2;
        if size == 0 {
            // Trailers, to the empty line.
            loop {
                let line = find(&bytes[at..], b"\r\n")?;
                at += line + 2;
                if line == 0 {
                    return Some((body, at));
                }
            }
        }
        body.extend_from_slice(bytes.get(at..at + size)?);
        at += size + 2;
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
