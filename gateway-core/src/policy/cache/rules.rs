//! What may be kept of answers and for how long: the rules of RFC 9111 and RFC 5861 for a cache that callers share, as
//! far as its directives can be read from headers. Our own, since the libraries for it know no lifetime set by the
//! cache's owner and no stale answers.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

/// The longest an answer is given when it is stale, whatever it says.
const MAX_STALE: Duration = Duration::from_secs(24 * 3_600);

/// The most headers an answer may vary by.
const MAX_VARY: usize = 16;

/// What `Cache-Control` says. Of a directive that is there twice, the stricter value counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Directives {
    pub(crate) no_store: bool,
    pub(crate) no_cache: bool,
    pub(crate) private: bool,
    pub(crate) public: bool,
    pub(crate) must_revalidate: bool,
    pub(crate) only_if_cached: bool,
    pub(crate) max_age: Option<u64>,
    shared_max_age: Option<u64>,
    while_revalidate: Option<u64>,
    if_error: Option<u64>,
}

impl Directives {
    /// Reads them.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut directives = Self::default();
        let mut given = false;
        for value in headers.get_all(header::CACHE_CONTROL) {
            given = true;
            for directive in split(&String::from_utf8_lossy(value.as_bytes())) {
                directives.read(directive);
            }
        }
        if !given
            && headers
                .get(header::PRAGMA)
                .is_some_and(|value| value == "no-cache")
        {
            directives.no_cache = true;
        }
        directives
    }

    fn read(&mut self, directive: &str) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let value = value.trim().trim_matches('"');
        let least = |known: Option<u64>| {
            // What cannot be read is stale (RFC 9111, section 4.2.1); what is too large is for ever.
            let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            let seconds = if is_number {
                value.parse().unwrap_or(u64::MAX)
            } else {
                0
            };
            Some(known.map_or(seconds, |known| known.min(seconds)))
        };
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" => self.no_store = true,
            // Limited to some headers or not: taken as not.
            "no-cache" => self.no_cache = true,
            "private" => self.private = true,
            "public" => self.public = true,
            "must-revalidate" | "proxy-revalidate" => self.must_revalidate = true,
            "only-if-cached" => self.only_if_cached = true,
            "max-age" => self.max_age = least(self.max_age),
            "s-maxage" => self.shared_max_age = least(self.shared_max_age),
            "stale-while-revalidate" => self.while_revalidate = least(self.while_revalidate),
            "stale-if-error" => self.if_error = least(self.if_error),
            _ => {}
        }
    }
}

/// The parts between commas that are not in quotes.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quoted) = (Vec::new(), 0, false);
    for (index, character) in text.char_indices() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// For how long an answer may be given, counted from when it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// How old it was when it came.
    pub(crate) age: Duration,
    pub(crate) fresh: Duration,
    /// How long after that while a newer one is fetched.
    pub(crate) while_revalidate: Duration,
    /// How long after that when no newer one can be had.
    pub(crate) if_error: Duration,
}

/// What an answer may be used for at a certain age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Fresh,
    Stale { while_revalidate: bool, if_error: bool },
}

impl Lifetime {
    /// That of an answer which is older by so much; none if it is of no use any more.
    pub(crate) fn aged(mut self, time: Duration) -> Option<Self> {
        self.age += time;
        let usable = self.fresh + self.while_revalidate.max(self.if_error);
        (usable > self.age).then_some(self)
    }

    /// How an answer that was kept for so long may be used.
    pub(crate) fn after(&self, kept: Duration) -> Use {
        let age = self.age + kept;
        match age.checked_sub(self.fresh) {
            None => Use::Fresh,
            Some(stale) => Use::Stale {
                while_revalidate: stale < self.while_revalidate,
                if_error: stale < self.if_error,
            },
        }
    }
}

/// For how long an answer may be kept; none if not at all. `shared_credential` says that the request had a credential
/// that was checked by nobody but the upstream, and that the answer would be given to others.
pub(crate) fn lifetime(
    status: StatusCode,
    headers: &HeaderMap,
    longest: Duration,
    shared_credential: bool,
    now: SystemTime,
) -> Option<Lifetime> {
    let directives = Directives::of(headers);
    let allowed = directives.public || directives.must_revalidate || directives.shared_max_age.is_some();
    if status != StatusCode::OK
        || directives.no_store
        || directives.no_cache
        || directives.private
        || headers.contains_key(header::SET_COOKIE)
        || headers.contains_key(header::CONTENT_RANGE)
        || is_stream(headers)
        || (shared_credential && !allowed)
    {
        return None;
    }
    let given = directives
        .shared_max_age
        .or(directives.max_age)
        .map(Duration::from_secs);
    let given = given.or_else(|| until_expiry(headers, now));
    let stale = |seconds: Option<u64>| match directives.must_revalidate {
        true => Duration::ZERO,
        false => Duration::from_secs(seconds.unwrap_or(0)).min(MAX_STALE),
    };
    let lifetime = Lifetime {
        age: age(headers),
        fresh: given.map_or(longest, |given| given.min(longest)),
        while_revalidate: stale(directives.while_revalidate),
        if_error: stale(directives.if_error),
    };
    lifetime.aged(Duration::ZERO)
}

/// A stream of events has no end, and nobody is to wait for it.
fn is_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| {
        kind.as_bytes()
            .to_ascii_lowercase()
            .starts_with(b"text/event-stream")
    })
}

fn age(headers: &HeaderMap) -> Duration {
    let age = headers.get(header::AGE).and_then(|value| value.to_str().ok());
    Duration::from_secs(
        age.and_then(|age| age.trim().parse().ok())
            .unwrap_or(0)
            .min(u64::from(u32::MAX)),
    )
}

/// What `Expires` gives, as far as it goes beyond `Date`; a date that cannot be read has passed.
fn until_expiry(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let expires = headers.get(header::EXPIRES)?;
    let made = headers.get(header::DATE).and_then(date).unwrap_or(now);
    Some(
        date(expires)
            .and_then(|expires| expires.duration_since(made).ok())
            .unwrap_or_default(),
    )
}

fn date(value: &HeaderValue) -> Option<SystemTime> {
    httpdate::parse_http_date(value.to_str().ok()?).ok()
}

/// The request headers that an answer varies by, sorted; none if it varies by everything, or by too much.
pub(crate) fn vary(headers: &HeaderMap) -> Option<Vec<HeaderName>> {
    let mut names = Vec::new();
    for value in headers.get_all(header::VARY) {
        for name in value
            .to_str()
            .ok()?
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
        {
            // `*` is no name.
            names.push(
                HeaderName::try_from(name)
                    .ok()
                    .filter(|name| name.as_str() != "*")?,
            );
        }
    }
    names.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    names.dedup();
    (names.len() <= MAX_VARY).then_some(names)
}

/// Whether a caller has this answer already (RFC 9110, section 13.1).
pub(crate) fn has_it_already(request: &HeaderMap, answer: &HeaderMap) -> bool {
    let mut wanted = request.get_all(header::IF_NONE_MATCH).iter().peekable();
    if wanted.peek().is_some() {
        let tag = answer
            .get(header::ETAG)
            .and_then(|tag| tag.to_str().ok())
            .map(opaque);
        return wanted.filter_map(|value| value.to_str().ok()).any(|value| {
            value.trim() == "*" || split(value).into_iter().any(|one| Some(opaque(one)) == tag)
        });
    }
    let since = request.get(header::IF_MODIFIED_SINCE).and_then(date);
    let changed = answer.get(header::LAST_MODIFIED).and_then(date);
    since
        .zip(changed)
        .is_some_and(|(since, changed)| changed <= since)
}

/// An entity tag as weak comparison sees it.
fn opaque(tag: &str) -> &str {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// What answers of 304 say beside what every answer says.
pub(crate) static OF_NOT_MODIFIED: [HeaderName; 7] = [
    header::CACHE_CONTROL,
    header::CONTENT_LOCATION,
    header::DATE,
    header::ETAG,
    header::EXPIRES,
    header::LAST_MODIFIED,
    header::VARY,
];

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(60);

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        lines.iter().map(line).collect()
    }

    fn now() -> SystemTime {
        httpdate::parse_http_date("Sun, 22 Nov 2026 12:00:00 GMT").unwrap()
    }

    /// Age, freshness, stale while revalidated and stale if there is an error, in seconds.
    fn told(lines: &[(&'static str, &'static str)], shared_credential: bool) -> Option<[u64; 4]> {
        let lifetime = lifetime(StatusCode::OK, &headers(lines), TTL, shared_credential, now())?;
        let Lifetime {
            age,
            fresh,
            while_revalidate,
            if_error,
        } = lifetime;
        Some([age, fresh, while_revalidate, if_error].map(|time| time.as_secs()))
    }

    #[test]
    fn answers_live_as_long_as_they_say_and_no_longer_than_the_policy_says() {
        for (lines, expected) in [
            (&[][..], Some([0, 60, 0, 0])),
            (&[("cache-control", "max-age=10")], Some([0, 10, 0, 0])),
            (&[("cache-control", "max-age=100")], Some([0, 60, 0, 0])),
            (
                &[("cache-control", "max-age=10, s-maxage=20")],
                Some([0, 20, 0, 0]),
            ),
            (
                &[
                    ("cache-control", "MAX-AGE=\"10\""),
                    ("cache-control", "max-age=20"),
                ],
                Some([0, 10, 0, 0]),
            ),
            (
                &[("cache-control", "max-age=10"), ("age", "4")],
                Some([4, 10, 0, 0]),
            ),
            (&[("cache-control", "max-age=10"), ("age", "10")], None),
            (&[("cache-control", "max-age=0")], None),
            (&[("cache-control", "max-age=soon")], None),
            (
                &[("cache-control", "max-age=99999999999999999999")],
                Some([0, 60, 0, 0]),
            ),
            (
                &[("expires", "Sun, 22 Nov 2026 12:00:30 GMT")],
                Some([0, 30, 0, 0]),
            ),
            (
                &[
                    ("expires", "Sun, 22 Nov 2026 12:00:30 GMT"),
                    ("date", "Sun, 22 Nov 2026 12:00:20 GMT"),
                ],
                Some([0, 10, 0, 0]),
            ),
            (&[("expires", "0")], None),
            (
                &[("expires", "0"), ("cache-control", "max-age=5")],
                Some([0, 5, 0, 0]),
            ),
            (
                &[(
                    "cache-control",
                    "max-age=5, stale-while-revalidate=7, stale-if-error=9",
                )],
                Some([0, 5, 7, 9]),
            ),
            (
                &[("cache-control", "max-age=0, stale-if-error=9")],
                Some([0, 0, 0, 9]),
            ),
            (
                &[("cache-control", "max-age=5, stale-if-error=9, must-revalidate")],
                Some([0, 5, 0, 0]),
            ),
        ] {
            assert_eq!(told(lines, false), expected, "{lines:?}");
        }
    }

    #[test]
    fn what_is_one_callers_alone_or_has_no_end_is_not_kept() {
        for lines in [
            &[("cache-control", "no-store")][..],
            &[("cache-control", "private, max-age=10")],
            &[("cache-control", "max-age=10, private=\"x-a, x-b\"")],
            &[("cache-control", "no-cache")],
            &[("pragma", "no-cache")],
            &[("set-cookie", "a=b"), ("cache-control", "public, max-age=10")],
            &[("content-type", "Text/Event-Stream; charset=utf-8")],
            &[("content-range", "bytes 0-1/2")],
        ] {
            assert_eq!(told(lines, false), None, "{lines:?}");
        }
        assert_eq!(
            lifetime(StatusCode::NOT_FOUND, &HeaderMap::new(), TTL, false, now()),
            None
        );
    }

    #[test]
    fn answers_to_credentials_that_only_the_upstream_checks_need_its_word_to_be_shared() {
        for (value, kept) in [
            ("max-age=10", false),
            ("public", true),
            ("s-maxage=10", true),
            ("must-revalidate", true),
        ] {
            assert_eq!(told(&[("cache-control", value)], true).is_some(), kept, "{value}");
        }
    }

    #[test]
    fn stale_answers_are_for_as_long_as_the_upstream_allows() {
        let lifetime = lifetime(
            StatusCode::OK,
            &headers(&[
                (
                    "cache-control",
                    "max-age=10, stale-while-revalidate=5, stale-if-error=20",
                ),
                ("age", "2"),
            ]),
            TTL,
            false,
            now(),
        )
        .unwrap();
        let stale = |while_revalidate, if_error| Use::Stale {
            while_revalidate,
            if_error,
        };
        for (kept, expected) in [
            (7, Use::Fresh),
            (8, stale(true, true)),
            (12, stale(true, true)),
            (13, stale(false, true)),
            (28, stale(false, false)),
        ] {
            assert_eq!(lifetime.after(Duration::from_secs(kept)), expected, "{kept}");
        }
    }

    #[test]
    fn vary_is_a_set_of_names_and_a_star_is_everything() {
        let names = |lines| {
            vary(&headers(lines)).map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]), Some(vec![]));
        assert_eq!(
            names(&[("vary", "B, a"), ("vary", "b,")]),
            Some(vec!["a".to_owned(), "b".to_owned()])
        );
        assert_eq!(names(&[("vary", "a, *")]), None);
        assert_eq!(names(&[("vary", "a b")]), None);
    }

    #[test]
    fn a_caller_has_it_already_if_the_tag_or_else_the_date_says_so() {
        let answer = [
            ("etag", "W/\"a,b\""),
            ("last-modified", "Sun, 22 Nov 2026 12:00:00 GMT"),
        ];
        for (request, expected) in [
            (&[][..], false),
            (&[("if-none-match", "\"x\", \"a,b\"")], true),
            (&[("if-none-match", "W/\"a,b\"")], true),
            (&[("if-none-match", "*")], true),
            (&[("if-none-match", "\"a\"")], false),
            (
                &[
                    ("if-none-match", "\"x\""),
                    ("if-modified-since", "Sun, 22 Nov 2026 12:00:00 GMT"),
                ],
                false,
            ),
            (&[("if-modified-since", "Sun, 22 Nov 2026 12:00:00 GMT")], true),
            (&[("if-modified-since", "Sun, 22 Nov 2026 11:59:59 GMT")], false),
            (&[("if-modified-since", "yesterday")], false),
        ] {
            assert_eq!(
                has_it_already(&headers(request), &headers(&answer)),
                expected,
                "{request:?}"
            );
        }
        assert!(!has_it_already(
            &headers(&[("if-none-match", "\"a\"")]),
            &HeaderMap::new()
        ));
    }
}
