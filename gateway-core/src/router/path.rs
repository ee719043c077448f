//! Request paths in one canonical form, so that no spelling of a path slips past its route's policies.
//!
//! Routes are matched on decoded segments. What goes to the upstream is the same path written plainly:
//! dot segments resolved, doubled slashes merged, escapes of unreserved characters undone. Where an
//! upstream might still read a path in another way (an escaped slash, a `;` parameter), the other readings
//! are kept too, and the caller refuses the request if one of them leads to another route.

use std::borrow::Cow;

/// Stands for an escaped slash in match keys; control characters never occur in them otherwise.
pub(crate) const ESCAPED_SLASH: u8 = 0x01;

/// A request's path, ready to be matched and forwarded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NormalPath<'a> {
    /// What the upstream is sent (before the base path is taken away); begins with a slash.
    pub(crate) forward: Cow<'a, str>,
    /// Decoded segments joined by `/`, without a slash at either end.
    pub(crate) key: Cow<'a, [u8]>,
    /// Whether the path ends in a slash; the root does not.
    pub(crate) trailing_slash: bool,
    /// The key as upstreams would see it that strip `;` parameters, or decode slashes first.
    pub(crate) alternates: Vec<Vec<u8>>,
}

/// The path has no safe meaning: an invalid escape, a control character, a hidden dot segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the path has an invalid or misleading escape")]
pub(crate) struct MisleadingPath;

impl<'a> NormalPath<'a> {
    /// Reads a path as it came; it must begin with a slash.
    pub(crate) fn parse(raw: &'a str) -> Result<Self, MisleadingPath> {
        if !raw.starts_with('/') {
            return Err(MisleadingPath);
        }
        if is_plain(raw.as_bytes()) {
            return Ok(Self::plain(raw));
        }
        rewrite(raw)
    }

    fn plain(raw: &'a str) -> Self {
        let inner = &raw.as_bytes()[1..];
        let key = inner.strip_suffix(b"/").unwrap_or(inner);
        Self {
            forward: Cow::Borrowed(raw),
            trailing_slash: key.len() != inner.len(),
            key: Cow::Borrowed(key),
            alternates: Vec::new(),
        }
    }

    /// What is left for the upstream when the first segments, the base path, are taken away.
    pub(crate) fn below(&self, base_segments: usize) -> &str {
        let path = self.forward.as_ref();
        let mut rest = path;
        for _ in 0..base_segments {
            rest = match rest.get(1..).and_then(|inner| inner.find('/')) {
                Some(end) => &rest[end + 1..],
                None => "/",
            };
        }
        rest
    }
}

/// Whether the path is its own canonical form.
fn is_plain(path: &[u8]) -> bool {
    let mut previous = 0;
    for &byte in path {
        let odd = match byte {
            b'%' | b';' | b'\\' => true,
            b'/' | b'.' => previous == b'/',
            _ => byte < 0x21 || byte == 0x7f,
        };
        if odd {
            return false;
        }
        previous = byte;
    }
    true
}

fn rewrite<'a>(raw: &str) -> Result<NormalPath<'a>, MisleadingPath> {
    let mut segments: Vec<Segment> = Vec::new();
    let mut trailing_slash = false;
    for text in raw.as_bytes()[1..].split(|byte| *byte == b'/') {
        let segment = Segment::parse(text)?;
        trailing_slash = true;
        match segment.key.as_slice() {
            b"" | b"." => {}
            b".." => {
                segments.pop();
            }
            _ => {
                trailing_slash = false;
                segments.push(segment);
            }
        }
    }
    trailing_slash &= !segments.is_empty();
    Ok(assemble(&segments, trailing_slash))
}

fn assemble<'a>(segments: &[Segment], trailing_slash: bool) -> NormalPath<'a> {
    let mut forward = String::from(if segments.is_empty() { "/" } else { "" });
    let mut key = Vec::new();
    for segment in segments {
        if !key.is_empty() {
            key.push(b'/');
        }
        key.extend_from_slice(&segment.key);
        forward.push('/');
        forward.push_str(&segment.forward);
    }
    if trailing_slash {
        forward.push('/');
    }
    let alternates = alternates(&key);
    NormalPath {
        forward: Cow::Owned(forward),
        key: Cow::Owned(key),
        trailing_slash,
        alternates,
    }
}

/// The other readings of a key, where there are any.
fn alternates(key: &[u8]) -> Vec<Vec<u8>> {
    let odd = |byte: &u8| matches!(*byte, ESCAPED_SLASH | b'\\' | b';');
    if !key.iter().any(odd) {
        return Vec::new();
    }
    let decoded: Vec<u8> = key.iter().map(|byte| slash_if_escaped(*byte)).collect();
    let mut alternates = vec![without_parameters(&decoded)];
    if decoded != key {
        // Here a parameter reaches over what would have been a slash.
        alternates.push(without_parameters(key));
    }
    alternates
}

fn without_parameters(key: &[u8]) -> Vec<u8> {
    let mut other = Vec::with_capacity(key.len());
    for segment in key.split(|byte| *byte == b'/') {
        let bare = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        if !bare.is_empty() {
            if !other.is_empty() {
                other.push(b'/');
            }
            other.extend_from_slice(bare);
        }
    }
    other
}

fn slash_if_escaped(byte: u8) -> u8 {
    match byte {
        ESCAPED_SLASH | b'\\' => b'/',
        other => other,
    }
}

struct Segment {
    key: Vec<u8>,
    forward: String,
}

impl Segment {
    fn parse(text: &[u8]) -> Result<Self, MisleadingPath> {
        let key = decode(text)?;
        if hides_dots(&key) {
            return Err(MisleadingPath);
        }
        let forward = encode(text)?;
        Ok(Self { key, forward })
    }
}

/// Undoes every escape of one segment. Escaped slashes stay recognisable.
pub(crate) fn decode(text: &[u8]) -> Result<Vec<u8>, MisleadingPath> {
    let mut key = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        let decoded = match byte {
            b'%' => match escaped(&mut bytes)? {
                b'/' => ESCAPED_SLASH,
                other if other < 0x20 || other == 0x7f => return Err(MisleadingPath),
                other => other,
            },
            b'\\' => return Err(MisleadingPath),
            other if other < 0x20 || other == 0x7f => return Err(MisleadingPath),
            other => other,
        };
        key.push(decoded);
    }
    Ok(key)
}

/// Writes one segment plainly: escapes of unreserved characters undone, the others in capitals.
fn encode(text: &[u8]) -> Result<String, MisleadingPath> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        if byte != b'%' {
            plain.push(byte);
            continue;
        }
        let decoded = escaped(&mut bytes)?;
        if decoded.is_ascii_alphanumeric() || matches!(decoded, b'-' | b'.' | b'_' | b'~') {
            plain.push(decoded);
        } else {
            plain.extend_from_slice(format!("%{decoded:02X}").as_bytes());
        }
    }
    String::from_utf8(plain).map_err(|_| MisleadingPath)
}

fn escaped(bytes: &mut std::slice::Iter<'_, u8>) -> Result<u8, MisleadingPath> {
    let mut digit = || bytes.next().and_then(|byte| char::from(*byte).to_digit(16));
    let (Some(high), Some(low)) = (digit(), digit()) else {
        return Err(MisleadingPath);
    };
    u8::try_from(high * 16 + low).map_err(|_| MisleadingPath)
}

/// Whether an upstream that decodes slashes or strips parameters would find `.` or `..` in the segment.
fn hides_dots(key: &[u8]) -> bool {
    let dots = |part: &[u8]| matches!(part, b"." | b"..");
    !dots(key)
        && key
            .split(|byte| slash_if_escaped(*byte) == b'/')
            .any(|part| dots(part.split(|byte| *byte == b';').next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, forward: &str, key: &str) {
        let path = NormalPath::parse(raw).expect("a meaningful path");
        assert_eq!(path.forward, forward, "forwarded for {raw}");
        assert_eq!(String::from_utf8_lossy(&path.key), key, "matched for {raw}");
        let again = NormalPath::parse(&path.forward).expect("a meaningful path");
        assert_eq!(again.forward, path.forward, "the form is stable");
        assert_eq!(again.key, path.key, "the form means the same");
    }

    #[test]
    fn plain_paths_stay_as_they_are() {
        check("/", "/", "");
        check("/a/b.c", "/a/b.c", "a/b.c");
        check("/a/b/", "/a/b/", "a/b");
        assert!(matches!(
            NormalPath::parse("/a/b").unwrap().forward,
            Cow::Borrowed(_)
        ));
    }

    #[test]
    fn dot_segments_are_resolved_however_they_are_spelled() {
        check("/a/../b", "/b", "b");
        check("/a/%2e%2E/b", "/b", "b");
        check("/a/./b/.", "/a/b/", "a/b");
        check("/../../a", "/a", "a");
        check("/a/..", "/", "");
        check("/..a/.b", "/..a/.b", "..a/.b");
    }

    #[test]
    fn doubled_slashes_and_needless_escapes_vanish() {
        check("//a///b", "/a/b", "a/b");
        check("/%61dmin", "/admin", "admin");
        check("/a%3ab", "/a%3Ab", "a:b");
        check("/caf%c3%a9", "/caf%C3%A9", "café");
    }

    #[test]
    fn paths_without_a_safe_meaning_are_refused() {
        for raw in [
            "/a/..%2fb",
            "/a%2f..%2fb",
            "/a%5c..%5cb",
            "/a/..;/b",
            "/a/.;x=1/b",
            "/%zz",
            "/%2",
            "/%00",
            "/a%0d%0ab",
            "/a\\b",
            "*",
            "a",
        ] {
            assert_eq!(NormalPath::parse(raw), Err(MisleadingPath), "{raw}");
        }
    }

    #[test]
    fn escaped_slashes_and_parameters_have_other_readings() {
        let alternates = |raw| {
            let path = NormalPath::parse(raw).unwrap();
            let keys = path.alternates.into_iter().map(String::from_utf8);
            keys.collect::<Result<Vec<_>, _>>().unwrap()
        };
        assert_eq!(alternates("/a%2Fb/c"), ["a/b/c", "a\u{1}b/c"]);
        assert_eq!(alternates("/a%5Cb"), ["a/b", "a\\b"]);
        assert_eq!(alternates("/a;v=1/b"), ["a/b"]);
        assert_eq!(alternates("/a%3Bv/b"), ["a/b"]);
        assert_eq!(alternates("/a;v%2Fb"), ["a/b", "a"]);
        assert!(alternates("/a%20b").is_empty());
    }

    #[test]
    fn the_base_path_is_taken_away_by_segments() {
        let below = |raw, count| NormalPath::parse(raw).unwrap().below(count).to_owned();
        assert_eq!(below("/orders/v1/items/7", 2), "/items/7");
        assert_eq!(below("/orders/v1", 2), "/");
        assert_eq!(below("/orders/v1/", 2), "/");
        assert_eq!(below("/items", 0), "/items");
    }
}
