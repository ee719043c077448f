//! The order of a merged list.

use std::collections::{BTreeMap, BTreeSet};

use crate::named::Name;

/// The names that are left, in the order that both sides mean.
pub(super) struct Order<'a> {
    pub(super) names: Vec<&'a Name>,
    /// Whether both changed the order, in ways that do not go together; then it is ours.
    pub(super) is_contradictory: bool,
}

/// Whether what both have is in another order in one than in the other.
pub(super) fn differs(one: &[Name], other: &[Name]) -> bool {
    let known = |names: &[Name]| names.iter().cloned().collect::<BTreeSet<Name>>();
    let (in_one, in_other) = (known(one), known(other));
    let shared_one = one.iter().filter(|name| in_other.contains(*name));
    let shared_other = other.iter().filter(|name| in_one.contains(*name));
    !shared_one.eq(shared_other)
}

/// Who left the order alone follows the other. If both changed it, each element comes after those that either side has
/// before it; where nobody says, by name.
pub(super) fn merge<'a>(
    base: &'a [Name],
    ours: &'a [Name],
    theirs: &'a [Name],
    left: &BTreeSet<&'a Name>,
) -> Order<'a> {
    let agreed = |names| Order {
        names,
        is_contradictory: false,
    };
    if ours == theirs || theirs == base {
        return agreed(followed(ours, theirs, left));
    }
    if ours == base {
        return agreed(followed(theirs, ours, left));
    }
    match combined(ours, theirs, left) {
        Some(names) => agreed(names),
        None => Order {
            names: followed(ours, theirs, left),
            is_contradictory: true,
        },
    }
}

/// The first order; what only the second has comes after what it follows there.
fn followed<'a>(first: &'a [Name], second: &'a [Name], left: &BTreeSet<&'a Name>) -> Vec<&'a Name> {
    let is_left = |name: &&Name| left.contains(*name);
    let mut names: Vec<&Name> = first.iter().filter(is_left).collect();
    let known: BTreeSet<&Name> = names.iter().copied().collect();
    let mut before: Option<&Name> = None;
    for name in second.iter().filter(is_left) {
        if !known.contains(name) {
            let after = names.iter().position(|other| Some(*other) == before);
            names.insert(after.map_or(0, |position| position + 1), name);
        }
        before = Some(name);
    }
    names
}

/// An order in which both orders hold; none if there is none.
fn combined<'a>(ours: &'a [Name], theirs: &'a [Name], left: &BTreeSet<&'a Name>) -> Option<Vec<&'a Name>> {
    let mut after: BTreeMap<&Name, Vec<&Name>> = BTreeMap::new();
    let mut waits_for: BTreeMap<&Name, usize> = left.iter().map(|name| (*name, 0)).collect();
    for side in [ours, theirs] {
        let side: Vec<&Name> = side.iter().filter(|name| left.contains(*name)).collect();
        for pair in side.windows(2) {
            after.entry(pair[0]).or_default().push(pair[1]);
            *waits_for.entry(pair[1]).or_default() += 1;
        }
    }
    let is_ready = |(name, waits): (&&'a Name, &usize)| (*waits == 0).then_some(*name);
    let mut ready: BTreeSet<&Name> = waits_for.iter().filter_map(is_ready).collect();
    let mut names = Vec::with_capacity(left.len());
    while let Some(name) = ready.pop_first() {
        names.push(name);
        for next in after.remove(name).unwrap_or_default() {
            let waits = waits_for.entry(next).or_default();
            *waits = waits.saturating_sub(1);
            if *waits == 0 {
                ready.insert(next);
            }
        }
    }
    (names.len() == left.len()).then_some(names)
}
