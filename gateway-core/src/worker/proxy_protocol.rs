//! The PROXY protocol: whose connection a load balancer passes on, said before its first byte.

use std::{io, net::IpAddr};

use proxy_header::{Error, ParseConfig, ProxyHeader};
use tokio::{io::AsyncReadExt as _, net::TcpStream};

/// Version 2 says its length after so many bytes; version 1 is never shorter.
const FIXED: usize = 15 + 1;

/// The first bytes of version 2.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The longest header taken. Version 1 has at most 107 bytes; what version 2 adds to addresses is not read.
const MAX_BYTES: usize = 4 * 1024;

/// Reads the header to its last byte and no further. The address is none if the proxy speaks for itself, as for
/// health checks.
pub(super) async fn read(stream: &mut TcpStream) -> io::Result<Option<IpAddr>> {
    let mut header = Vec::with_capacity(256);
    loop {
        match missing(&header)? {
            Missing::Bytes(count) => {
                let start = header.len();
                header.resize(start + count, 0);
                stream.read_exact(&mut header[start..]).await?;
            }
            Missing::Line => read_line(stream, &mut header).await?,
            Missing::Nothing => return address(&header),
        }
        if header.len() > MAX_BYTES {
            return Err(invalid("its PROXY header is too long"));
        }
    }
}

/// What is still to be read of a header.
#[derive(Debug, PartialEq, Eq)]
enum Missing {
    Bytes(usize),
    /// Up to the next line feed.
    Line,
    Nothing,
}

fn missing(header: &[u8]) -> io::Result<Missing> {
    // The shortest header of version 1 ends before the length of version 2 does.
    if header.len() < FIXED - 1 {
        return Ok(Missing::Bytes(FIXED - 1 - header.len()));
    }
    if header.starts_with(b"PROXY ") {
        return Ok(match header.ends_with(b"\n") {
            true => Missing::Nothing,
            false => Missing::Line,
        });
    }
    if !header.starts_with(SIGNATURE) {
        return Err(invalid("it does not begin with a PROXY header"));
    }
    let Some([high, low]) = header.get(FIXED - 2..FIXED) else {
        return Ok(Missing::Bytes(FIXED - header.len()));
    };
    let whole = FIXED + usize::from(u16::from_be_bytes([*high, *low]));
    if whole > MAX_BYTES {
        return Err(invalid("its PROXY header is too long"));
    }
    Ok(match whole.checked_sub(header.len()) {
        None | Some(0) => Missing::Nothing,
        Some(rest) => Missing::Bytes(rest),
    })
}

/// Looks before it reads, so that nothing behind the line is taken.
async fn read_line(stream: &mut TcpStream, header: &mut Vec<u8>) -> io::Result<()> {
    let mut ahead = [0; 128];
    let length = stream.peek(&mut ahead).await?;
    let ahead = &ahead[..length];
    let line = ahead.iter().position(|byte| *byte == b'\n');
    let wanted = line.map_or(length, |end| end + 1);
    if wanted == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let start = header.len();
    header.resize(start + wanted, 0);
    stream.read_exact(&mut header[start..]).await?;
    match header.len() > 107 {
        true => Err(invalid("its PROXY header is too long")),
        false => Ok(()),
    }
}

fn address(header: &[u8]) -> io::Result<Option<IpAddr>> {
    let config = ParseConfig {
        include_tlvs: false,
        ..ParseConfig::default()
    };
    match ProxyHeader::parse(header, config) {
        Ok((parsed, length)) if length == header.len() => {
            Ok(parsed.proxied_address().map(|address| address.source.ip()))
        }
        Ok(_) | Err(Error::BufferTooShort) => Err(invalid("its PROXY header contradicts itself")),
        Err(error) => Err(invalid(error)),
    }
}

fn invalid(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::AsyncWriteExt as _,
        net::{TcpListener, TcpStream},
    };

    use super::*;

    /// What is read of a stream of these bytes, and what is left of it.
    async fn read_from(pieces: &[&[u8]]) -> (Result<Option<IpAddr>, String>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        sender.set_nodelay(true).unwrap();
        let (mut receiver, _) = listener.accept().await.unwrap();
        let sending = async {
            for piece in pieces {
                sender.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            drop(sender);
        };
        let (read, ()) = tokio::join!(read(&mut receiver), sending);
        let mut rest = Vec::new();
        let _ = receiver.read_to_end(&mut rest).await;
        (read.map_err(|error| error.to_string()), rest)
    }

    fn version_2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut header = SIGNATURE.to_vec();
        header.extend([command, family]);
        header.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        header.extend(body);
        header
    }

    #[tokio::test]
    async fn both_versions_say_the_address_and_leave_the_rest() {
        let four = [192, 0, 2, 7, 10, 0, 0, 1, 0x1f, 0x90, 0, 80];
        let with_more = [&four[..], &[0x04, 0, 1, 0]].concat();
        let mut six = [0; 36];
        six[..16].copy_from_slice(&"2001:db8::7".parse::<std::net::Ipv6Addr>().unwrap().octets());
        for (header, expected) in [
            (
                b"PROXY TCP4 192.0.2.7 10.0.0.1 8080 80\r\n".to_vec(),
                Some("192.0.2.7"),
            ),
            (
                b"PROXY TCP6 2001:db8::7 ::1 8080 80\r\n".to_vec(),
                Some("2001:db8::7"),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN whatever it is\r\n".to_vec(), None),
            (version_2(0x21, 0x11, &four), Some("192.0.2.7")),
            (version_2(0x21, 0x11, &with_more), Some("192.0.2.7")),
            (version_2(0x21, 0x21, &six), Some("2001:db8::7")),
            (version_2(0x20, 0x00, &[]), None),
            (version_2(0x20, 0x11, &four), None),
        ] {
            let expected = expected.map(|address| address.parse().unwrap());
            let (read, rest) = read_from(&[&[&header[..], b"GET /\n"].concat()]).await;
            assert_eq!((read, &rest[..]), (Ok(expected), &b"GET /\n"[..]), "{header:?}");
            let bytes: Vec<&[u8]> = header.chunks(1).collect();
            assert_eq!(read_from(&bytes).await.0, Ok(expected), "{header:?}");
        }
    }

    #[tokio::test]
    async fn anything_else_is_refused() {
        let long = [b"PROXY TCP4 192.0.2.7 10.0.0.1 ", &[b'1'; 100][..], b"\r\n"].concat();
        for bytes in [
            &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            b"PROXY TCP4 192.0.2.7 10.0.0.1 8080\r\n",
            b"PROXY TCP4 here 10.0.0.1 8080 80\r\n",
            b"PROXY TCP4 2001:db8::7 ::1 8080 80\r\n",
            b"PROXY TCP4 192.0.2.7",
            b"",
            &long,
            &version_2(0x21, 0x11, &[1, 2, 3]),
            &version_2(0x31, 0x11, &[0; 12]),
            &version_2(0x21, 0x11, &[0; 5000]),
        ] {
            let (read, _) = read_from(&[bytes]).await;
            assert!(read.is_err(), "{bytes:?}: {read:?}");
        }
    }
}
