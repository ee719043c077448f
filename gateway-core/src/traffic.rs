//! Which of several upstreams a request goes to, and which upstreams get copies of it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use aws_lc_rs::digest;
use gatehouse_schemas::api::{EVERY_REQUEST, Sticky};
use http::{HeaderMap, HeaderName, header};

use crate::api::Route;

/// Upstreams that share requests, each as the route that leads to it.
#[derive(Debug)]
pub(crate) struct Split {
    /// Each with the sum of all weights up to its own.
    shares: Vec<(u64, Arc<Route>)>,
    sticky: Option<Key>,
    draws: Draws,
}

/// Where a request says whose it is.
#[derive(Debug)]
enum Key {
    Header(HeaderName),
    Cookie(String),
}

impl Split {
    /// Routes with their weights; at least one weight is more than 0.
    pub(crate) fn new(
        shares: impl IntoIterator<Item = (u32, Arc<Route>)>,
        sticky: Option<&Sticky>,
    ) -> Result<Self, String> {
        let mut total = 0;
        let weighted = shares.into_iter().map(|(weight, route)| {
            total += u64::from(weight);
            (total, route)
        });
        let shares: Vec<_> = weighted.collect();
        if total == 0 {
            return Err("no upstream of a split has a weight of more than 0".to_owned());
        }
        Ok(Self {
            shares,
            sticky: sticky.map(Key::compile).transpose()?,
            draws: Draws::default(),
        })
    }

    /// The route of a request. The same header or cookie always leads to the same one; if a weight grows, callers
    /// move to its upstream and none away from it, as long as there are two.
    pub(crate) fn choose(&self, headers: &HeaderMap) -> Option<&Arc<Route>> {
        let key = self.sticky.as_ref().and_then(|key| key.of(headers));
        let drawn = key.map_or_else(|| self.draws.next(), hash);
        let total = self.shares.last()?.0;
        let point = scaled(drawn, total);
        let share = self.shares.partition_point(|(up_to, _)| *up_to <= point);
        self.shares.get(share).map(|(_, route)| route)
    }
}

impl Key {
    fn compile(sticky: &Sticky) -> Result<Self, String> {
        Ok(match sticky {
            Sticky::Header(name) => Self::Header(
                HeaderName::try_from(name).map_err(|_| format!("`{name}` is not a header name"))?,
            ),
            Sticky::Cookie(name) => Self::Cookie(name.clone()),
        })
    }

    fn of<'h>(&self, headers: &'h HeaderMap) -> Option<&'h [u8]> {
        match self {
            Self::Header(name) => headers.get(name).map(|value| value.as_bytes()),
            Self::Cookie(name) => headers
                .get_all(header::COOKIE)
                .iter()
                .flat_map(|cookies| cookies.as_bytes().split(|byte| *byte == b';'))
                .find_map(|cookie| {
                    cookie
                        .trim_ascii()
                        .strip_prefix(name.as_bytes())?
                        .strip_prefix(b"=")
                }),
        }
    }
}

/// An upstream that gets copies of some requests.
#[derive(Debug)]
pub(crate) struct Mirror {
    /// Leads there, with the changes that the request's own route makes.
    pub(crate) route: Arc<Route>,
    per_million: u32,
    draws: Draws,
}

impl Mirror {
    pub(crate) fn new(route: Arc<Route>, per_million: u32) -> Self {
        Self {
            route,
            per_million,
            draws: Draws::default(),
        }
    }

    /// Whether this request is one of those that are copied.
    pub(crate) fn wants(&self) -> bool {
        scaled(self.draws.next(), EVERY_REQUEST.into()) < self.per_million.into()
    }
}

/// Numbers spread evenly over all that there are: multiples of the golden ratio. Unlike random ones, they keep
/// to a share over few requests too.
#[derive(Debug, Default)]
struct Draws(AtomicU64);

impl Draws {
    fn next(&self) -> u64 {
        const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
        self.0.fetch_add(GOLDEN, Ordering::Relaxed)
    }
}

/// A number below `total`, as far along as `drawn` is in all numbers.
fn scaled(drawn: u64, total: u64) -> u64 {
    let product = u128::from(drawn) * u128::from(total);
    u64::try_from(product >> 64).unwrap_or(u64::MAX)
}

/// The same on every gateway and after every restart.
fn hash(key: &[u8]) -> u64 {
    let digest = digest::digest(&digest::SHA256, key);
    let first = digest.as_ref().iter().take(8);
    first.fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of so many draws lie below a share of the whole.
    fn below(share: u64, total: u64, draws: u64) -> u64 {
        let drawn = Draws::default();
        let hits = (0..draws).filter(|_| scaled(drawn.next(), total) < share);
        u64::try_from(hits.count()).expect("few")
    }

    #[test]
    fn draws_keep_to_a_share_over_few_requests() {
        for (share, total, draws) in [(1, 2, 10), (1, 10, 100), (7, 10, 50), (1, 100, 500)] {
            let expected = draws * share / total;
            let hits = below(share, total, draws);
            assert!(hits.abs_diff(expected) <= 2, "{share}/{total}: {hits} of {draws}");
        }
        assert_eq!(below(0, 10, 100), 0);
        assert_eq!(below(10, 10, 100), 100);
    }

    #[test]
    fn a_cookie_is_found_among_others_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, "xid=1; id=2;id=3".parse().expect("a value"));
        let cookie = |name: &str| Key::Cookie(name.to_owned());
        assert_eq!(cookie("id").of(&headers), Some(&b"2"[..]));
        assert_eq!(cookie("xid").of(&headers), Some(&b"1"[..]));
        assert_eq!(cookie("i").of(&headers), None);
    }

    #[test]
    fn hashes_spread_callers_by_their_keys() {
        let low = (0..1000).filter(|number| scaled(hash(format!("caller {number}").as_bytes()), 10) == 0);
        let low = low.count();
        assert!((60..140).contains(&low), "{low} of 1000 for a tenth");
        assert_eq!(hash(b"a"), 0xca97_8112_ca1b_bdca);
    }
}
