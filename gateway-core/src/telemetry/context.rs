//! W3C Trace Context: which trace a request belongs to, as `traceparent` and `tracestate` say it.
//!
//! Reading follows levels 1 and 2 of the recommendation. What cannot be read as a whole counts as not there.

mod state;

#[cfg(test)]
mod tests;

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

pub(crate) use self::state::keep_state;

/// Names the trace and the span that a request comes from.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What others who take part in the trace say of it.
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The length of `traceparent` in version 00.
const LENGTH: usize = 55;

/// Flags that are defined; others are neither understood nor passed on.
const SAMPLED: u8 = 0x01;
const RANDOM: u8 = 0x02;

/// The identity of a trace; never all zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceId(pub(crate) [u8; 16]);

/// The identity of a span within its trace; never all zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpanId(pub(crate) [u8; 8]);

/// A span and the trace it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
    flags: u8,
}

impl TraceId {
    /// A new one.
    pub(crate) fn random() -> Self {
        Self(fastrand::u128(1..).to_be_bytes())
    }
}

impl SpanId {
    /// A new one.
    pub(crate) fn random() -> Self {
        Self(fastrand::u64(1..).to_be_bytes())
    }
}

impl Context {
    /// The first span of a new trace.
    pub(crate) fn root(trace: TraceId, sampled: bool) -> Self {
        Self {
            trace,
            span: SpanId::random(),
            flags: RANDOM,
        }
        .sampled(sampled)
    }

    /// Another span of the same trace.
    pub(crate) fn child(self) -> Self {
        Self {
            span: SpanId::random(),
            ..self
        }
    }

    /// The same with this decision about whether it is recorded.
    pub(crate) fn sampled(self, sampled: bool) -> Self {
        let others = self.flags & !SAMPLED;
        Self {
            flags: if sampled { others | SAMPLED } else { others },
            ..self
        }
    }

    /// Whether those who take part in the trace are asked to record it.
    pub(crate) fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The flags as `traceparent` says them.
    pub(crate) fn flags(self) -> u8 {
        self.flags
    }

    /// Reads `traceparent`.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text = text.trim_ascii();
        let (known, more) = text.split_at_checked(LENGTH)?;
        let mut fields = known.split(|byte| *byte == b'-');
        let [version] = bytes(fields.next()?)?;
        let (trace, span) = (bytes(fields.next()?)?, bytes(fields.next()?)?);
        let [flags] = bytes(fields.next()?)?;
        let whole = match version {
            0 => more.is_empty(),
            0xff => false,
            // Later versions may say more, after a dash.
            _ => matches!(more.first(), None | Some(b'-')),
        };
        let given = trace != [0; 16] && span != [0; 8] && fields.next().is_none();
        (whole && given).then_some(Self {
            trace: TraceId(trace),
            span: SpanId(span),
            flags: flags & (SAMPLED | RANDOM),
        })
    }

    /// The context that a request came with; several are none.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut given = headers.get_all(TRACEPARENT).iter();
        let first = given.next()?;
        match given.next() {
            None => Self::parse(first.as_bytes()),
            Some(_) => None,
        }
    }

    /// As `traceparent` says it, in version 00.
    pub(crate) fn header(self) -> HeaderValue {
        let mut text = [b'-'; LENGTH];
        let fields = [
            (0, &[0][..]),
            (3, &self.trace.0[..]),
            (36, &self.span.0[..]),
            (53, &[self.flags][..]),
        ];
        for (start, bytes) in fields {
            let digits = text.get_mut(start..).unwrap_or_default();
            for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
                pair.copy_from_slice(&digits_of(*byte));
            }
        }
        // Hexadecimal digits and dashes are always a header value.
        HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

/// Bytes from lower-case hexadecimal digits, exactly so many.
fn bytes<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        for digit in pair {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            *byte = *byte << 4 | value;
        }
    }
    Some(bytes)
}

fn digits_of(byte: u8) -> [u8; 2] {
    let digit = |value: u8| match value {
        0..=9 => b'0' + value,
        _ => b'a' + value - 10,
    };
    [digit(byte >> 4), digit(byte & 15)]
}

fn write_hexadecimal(bytes: &[u8], formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
}

impl fmt::Display for TraceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hexadecimal(&self.0, formatter)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hexadecimal(&self.0, formatter)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hexadecimal(&self.0, formatter)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hexadecimal(&self.0, formatter)
    }
}
