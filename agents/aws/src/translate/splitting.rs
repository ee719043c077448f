//! A way to make several APIs of one that is too large: by the beginnings of its paths.

use std::collections::{BTreeMap, BTreeSet};

use super::{Kind, paths::Place};

/// How many beginnings of paths are named for one API.
const SHOWN: usize = 40;

/// Operations that stay together.
#[derive(Debug)]
struct Group {
    /// What their paths begin with.
    below: String,
    /// Whether it is that path alone, and none below it.
    is_one_path: bool,
    /// How much of what AWS counts they are, the beginning of their paths included.
    weight: usize,
}

/// What one of the APIs is to have.
#[derive(Debug, Default)]
struct Part {
    groups: Vec<Group>,
    /// The resources on the way to the groups, which the API has once.
    way: BTreeSet<String>,
}

impl Part {
    /// How much it weighs, with one more group.
    fn weight_with(&self, kind: Kind, group: Option<&Group>) -> usize {
        let groups = self.groups.iter().chain(group);
        let root = usize::from(kind == Kind::Rest);
        let mut way = self.way.clone();
        way.extend(group.into_iter().flat_map(|group| way_to(kind, group)));
        root + way.len() + groups.map(|group| group.weight).sum::<usize>()
    }

    fn take(&mut self, kind: Kind, group: Group) {
        self.way.extend(way_to(kind, &group));
        self.groups.push(group);
    }
}

/// The resources above a group, the root aside.
fn way_to(kind: Kind, group: &Group) -> Vec<String> {
    let ends = group.below.match_indices('/').map(|(at, _)| at).skip(1);
    match kind {
        Kind::Rest => ends
            .filter_map(|end| group.below.get(..end).map(str::to_owned))
            .collect(),
        Kind::Http => Vec::new(),
    }
}

/// A way to make several APIs of one, none larger than `largest`.
pub(super) fn proposal(kind: Kind, places: &[Place<'_>], largest: usize) -> String {
    let mut groups = Vec::new();
    let all: Vec<&Place<'_>> = places.iter().collect();
    group("", &all, (kind, largest), &mut groups);
    let parts = parted(groups, (kind, largest));
    if parts.iter().any(|part| part.weight_with(kind, None) > largest) {
        return "one of its paths alone is too long; shorten it, or deploy the API to another gateway"
            .to_owned();
    }
    format!("make it {} APIs: {}", parts.len(), told(kind, &parts))
}

/// Groups by the next segment of the paths; a group that is too heavy is divided further.
fn group(prefix: &str, places: &[&Place<'_>], (kind, largest): (Kind, usize), groups: &mut Vec<Group>) {
    let mut below: BTreeMap<String, Vec<&Place<'_>>> = BTreeMap::new();
    for place in places {
        let rest = place.path.get(prefix.len()..).unwrap_or_default();
        let next = rest.trim_start_matches('/').split('/').next().unwrap_or_default();
        below.entry(format!("{prefix}/{next}")).or_default().push(place);
    }
    for (beginning, places) in below {
        let is_one_path = beginning.ends_with('/');
        let below = match beginning.trim_end_matches('/') {
            "" => "/".to_owned(),
            trimmed => trimmed.to_owned(),
        };
        let weight = weight(kind, &below, &places);
        if !is_one_path && weight + 1 > largest {
            group(&below, &places, (kind, largest), groups);
        } else {
            groups.push(Group {
                below,
                is_one_path,
                weight,
            });
        }
    }
}

/// Resources from the beginning of the paths on, or routes.
fn weight(kind: Kind, below: &str, places: &[&Place<'_>]) -> usize {
    if kind == Kind::Http {
        return places.len();
    }
    let mut resources = BTreeSet::from([below]);
    for place in places {
        let ends = place.path.match_indices('/').map(|(at, _)| at);
        resources.extend(
            ends.filter(|end| *end > below.len())
                .filter_map(|end| place.path.get(..end)),
        );
        resources.insert(&place.path);
    }
    resources.len()
}

/// The heaviest first, each to the first part that it fits into. A part that is nearly full is left alone, so that few
/// beginnings describe it.
fn parted(mut groups: Vec<Group>, (kind, largest): (Kind, usize)) -> Vec<Part> {
    groups.sort_by(|one, other| (other.weight, &one.below).cmp(&(one.weight, &other.below)));
    let mut parts: Vec<Part> = Vec::new();
    for group in groups {
        let is_open = |part: &&mut Part| {
            part.weight_with(kind, None) * 10 < largest * 9 && part.weight_with(kind, Some(&group)) <= largest
        };
        match parts.iter_mut().find(is_open) {
            Some(part) => part.take(kind, group),
            None => {
                let mut part = Part::default();
                part.take(kind, group);
                parts.push(part);
            }
        }
    }
    parts
}

/// Each part by the beginnings of its paths; the one that has the most of them is what is left.
fn told(kind: Kind, parts: &[Part]) -> String {
    let rest = (0..parts.len()).max_by_key(|at| parts.get(*at).map_or(0, |part| part.groups.len()));
    let mut named: Vec<String> = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        if Some(at) != rest {
            let weight = part.weight_with(kind, None);
            named.push(format!(
                "one with the operations below {} ({weight})",
                names(&part.groups)
            ));
        }
    }
    if let Some(part) = rest.and_then(|at| parts.get(at)) {
        named.push(format!("one with all others ({})", part.weight_with(kind, None)));
    }
    named.join("; ")
}

fn names(groups: &[Group]) -> String {
    let name = |group: &Group| match group.is_one_path {
        true => format!("`{}` itself", group.below),
        false => format!("`{}`", group.below),
    };
    let mut names: Vec<String> = groups.iter().map(name).collect();
    names.sort();
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}
