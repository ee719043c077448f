//! What is base path and what operation, what the upstream's own path and what is written anew.

use gatehouse_connector_sdk::schemas::route::Segment;

use super::places::{Place, path_of};

/// How places are laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// The base path, segment by segment.
    base: Vec<String>,
    /// The path of the upstream's URL.
    upstream: Vec<String>,
}

impl Layout {
    /// A layout in which as few places as can be are asked for by another path at the upstream.
    pub(super) fn of<'p>(places: impl Iterator<Item = &'p Place> + Clone) -> Self {
        let found = Self::plain(places.clone()).or_else(|| Self::said(places.clone()));
        found.unwrap_or_else(|| Self {
            base: common(places.clone().map(|place| &place.path[..])),
            upstream: common(places.map(|place| &place.upstream[..])),
        })
    }

    /// The layout in which every place is asked for by what it is below the base path, if there is one.
    fn plain<'p>(mut places: impl Iterator<Item = &'p Place> + Clone) -> Option<Self> {
        let all = places.clone();
        let first = places.next()?;
        let (base, upstream) = split(first);
        if base.iter().chain(upstream).any(|segment| !is_literal(segment)) {
            return None;
        }
        if !places.all(|place| split(place) == (base, upstream)) {
            return None;
        }
        let said = all.clone().all(|place| place.base.is_some());
        let more = if said {
            Vec::new()
        } else {
            common(all.map(|place| &place.path[base.len()..]))
        };
        Some(Self {
            base: [base, &more].concat(),
            upstream: [upstream, &more].concat(),
        })
    }

    /// The layout that some places say, if they agree and the others fit in.
    fn said<'p>(places: impl Iterator<Item = &'p Place> + Clone) -> Option<Self> {
        let mut saying = places.clone().filter(|place| place.base.is_some()).map(split);
        let (base, upstream) = saying.next()?;
        let literal = base.iter().chain(upstream).all(|segment| is_literal(segment));
        let mut others = places;
        let fit = others.all(|it| it.path.starts_with(base) && it.upstream.starts_with(upstream));
        (literal && fit && saying.all(|it| it == (base, upstream))).then(|| Self {
            base: base.to_vec(),
            upstream: upstream.to_vec(),
        })
    }

    /// The base path.
    pub(super) fn base_path(&self) -> String {
        path_of(&self.base)
    }

    /// The path of the upstream's URL, empty if it has none.
    pub(super) fn upstream_path(&self) -> String {
        match &self.upstream[..] {
            [] => String::new(),
            segments => path_of(segments),
        }
    }

    /// The path of a place below the base path.
    pub(super) fn path(&self, place: &Place) -> String {
        path_of(place.path.get(self.base.len()..).unwrap_or_default())
    }

    /// The path below the upstream's own that a place is asked for, if it is another than that of the place.
    pub(super) fn rewrite(&self, place: &Place) -> Option<String> {
        let below = place.upstream.get(self.upstream.len()..).unwrap_or_default();
        let same = Some(below) == place.path.get(self.base.len()..);
        (!same).then(|| path_of(below).replace("...}", "}"))
    }
}

/// What differs between the path of a place and what the upstream is asked for, without what both end in.
fn split(place: &Place) -> (&[String], &[String]) {
    let ends = place.path.iter().rev().zip(place.upstream.iter().rev());
    let same = ends.take_while(|(one, other)| one == other).count();
    let same = match place.base {
        Some(base) => place.path.len() - base,
        None => same,
    };
    let before = |segments: &'_ [String]| segments.len().saturating_sub(same);
    (
        &place.path[..before(&place.path)],
        &place.upstream[..before(&place.upstream)],
    )
}

/// The literal segments that all paths begin with.
fn common<'p>(mut paths: impl Iterator<Item = &'p [String]>) -> Vec<String> {
    let first = paths.next().unwrap_or_default();
    let literal = first.iter().take_while(|segment| is_literal(segment)).count();
    let shared = paths.fold(literal, |shared, path| {
        let same = first
            .iter()
            .zip(path)
            .take_while(|(one, other)| one == other)
            .count();
        shared.min(same)
    });
    first[..shared].to_vec()
}

/// A slash at the end is no segment of a base path.
fn is_literal(segment: &str) -> bool {
    !segment.is_empty() && matches!(Segment::of(segment), Segment::Literal(_))
}
