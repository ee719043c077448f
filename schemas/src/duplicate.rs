//! The same API on several gateways: found by evidence, decided by people.

mod index;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(crate) use self::index::Index;
use self::index::{Shape, Shared};
use crate::{
    identity::ResourceName,
    observed::{CatalogView, ObservedApi},
};

/// An API of the catalog that a finding may be another place of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Duplicate {
    /// The catalog's API.
    pub api: ResourceName,
    /// What speaks for it, the strongest first: `same definition`, `same 12 operations`, `same upstream`, `same name`.
    pub evidence: Vec<String>,
}

/// So many are offered.
const OFFERED_MAX: usize = 5;

/// The APIs of the catalog that a finding may be another place of, the likeliest first, at most 5. Those that its own
/// gateway has are not among them.
///
/// The same definition, or nearly the same operations, make two APIs alike; so do the same upstream and the same name
/// and version together. One of these last two alone does not: many APIs are called `api v1`, and many stand behind
/// one host.
pub fn duplicates(observed: &ObservedApi, catalog: &CatalogView) -> Vec<Duplicate> {
    let shape = Shape::of(&observed.content);
    let mut alike: Vec<(Likeness, &ResourceName)> = catalog
        .likeness()
        .candidates(&shape)
        .into_iter()
        .filter_map(|(place, other)| {
            Some((Likeness::of(&shape, other)?, &catalog.entries().get(place)?.name))
        })
        .collect();
    alike.sort_by(|(one, name), (other, other_name)| other.cmp(one).then(name.cmp(other_name)));
    let offered = alike.into_iter().take(OFFERED_MAX);
    offered
        .map(|(likeness, name)| Duplicate {
            api: name.clone(),
            evidence: likeness.evidence(),
        })
        .collect()
}

/// What speaks for two APIs being one. In its order, the likelier is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Likeness {
    definition: bool,
    operations: Option<Shared>,
    upstream: bool,
    name: bool,
}

impl Likeness {
    fn of(one: &Shape, other: &Shape) -> Option<Self> {
        let likeness = Self {
            definition: one.definition.is_some() && one.definition == other.definition,
            operations: one.shared_operations(other),
            upstream: one.upstream.is_some() && one.upstream == other.upstream,
            name: one.name == other.name,
        };
        let strong = likeness.definition || likeness.operations.is_some();
        (strong || likeness.upstream && likeness.name).then_some(likeness)
    }

    fn evidence(self) -> Vec<String> {
        let told = |holds: bool, text: &str| holds.then(|| text.to_owned());
        [
            told(self.definition, "same definition"),
            self.operations.map(Shared::evidence),
            told(self.upstream, "same upstream"),
            told(self.name, "same name"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

#[cfg(test)]
mod tests;
