//! Which APIs of a catalog may be alike, without comparing each with each.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
};

use http::Uri;

use crate::{
    canonical::Fingerprint,
    observed::CatalogEntry,
    revision::{Operation, RevisionContent},
    route::normalise,
};

/// Of what is alike in a thousand places, so many are looked at: it is no evidence any more.
const CANDIDATES_MAX: usize = 64;

/// By what APIs are compared.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shape {
    pub(super) definition: Option<Fingerprint>,
    /// Hashes of method and path below the base path, sorted, each once.
    operations: Vec<u64>,
    /// Host and port of the upstream `main`.
    pub(super) upstream: Option<String>,
    /// Display name and version.
    pub(super) name: (String, String),
}

impl Shape {
    pub(super) fn of(content: &RevisionContent) -> Self {
        let mut operations: Vec<u64> = content.operations.iter().map(hash).collect();
        operations.sort_unstable();
        operations.dedup();
        let main = content.upstreams.get("main");
        let host = main.and_then(|upstream| {
            upstream
                .url
                .parse::<Uri>()
                .ok()?
                .authority()
                .map(ToString::to_string)
        });
        Self {
            definition: content
                .definition
                .as_ref()
                .map(|definition| definition.fingerprint.clone()),
            operations,
            upstream: host.map(|host| host.to_lowercase()),
            name: (content.display_name.to_lowercase(), content.version.clone()),
        }
    }

    /// How many operations two APIs share, if these are nearly all of both and more than a few.
    pub(super) fn shared_operations(&self, other: &Self) -> Option<Shared> {
        let (mut count, mut rest) = (0, other.operations.iter().peekable());
        for operation in &self.operations {
            while rest.next_if(|next| *next < operation).is_some() {}
            count += usize::from(rest.next_if(|next| *next == operation).is_some());
        }
        let of = self.operations.len().max(other.operations.len());
        (count >= OPERATIONS_MIN && count >= needed(of)).then_some(Shared { count, of })
    }
}

/// Fewer operations in common are no evidence: every other API has `GET /health`.
const OPERATIONS_MIN: usize = 3;

/// Four fifths, rounded up.
fn needed(of: usize) -> usize {
    (of * 4).div_ceil(5)
}

/// So many operations that two APIs share, of those of the larger one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shared {
    count: usize,
    of: usize,
}

impl Shared {
    pub(super) fn evidence(self) -> String {
        let Self { count, of } = self;
        if count == of {
            return format!("same {of} operations");
        }
        format!("{count} of {of} operations the same")
    }
}

/// The larger share is the greater.
impl Ord for Shared {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let share = (self.count * other.of).cmp(&(other.count * self.of));
        share.then(self.count.cmp(&other.count))
    }
}

impl PartialOrd for Shared {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

fn hash(operation: &Operation) -> u64 {
    let matched = &operation.r#match;
    let mut hasher = DefaultHasher::new();
    (
        &matched.method,
        normalise(&matched.path),
        &matched.headers,
        &matched.query,
        &matched.path_regex,
        &matched.header_regex,
        &matched.query_regex,
    )
        .hash(&mut hasher);
    hasher.finish()
}

/// The APIs of a catalog that other gateways have, by what may make another one alike.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    shapes: BTreeMap<usize, Shape>,
    definitions: HashMap<Fingerprint, Vec<usize>>,
    names: HashMap<(String, String), Vec<usize>>,
    /// In how many APIs each operation is.
    frequencies: HashMap<u64, usize>,
    /// APIs by their rarest operations.
    operations: HashMap<u64, Vec<usize>>,
}

impl Index {
    /// An index of those that the environment itself does not have.
    pub(crate) fn of(entries: &[CatalogEntry]) -> Self {
        let mut index = Self::default();
        let elsewhere = |(_, entry): &(usize, &CatalogEntry)| entry.external_ref.is_none();
        for (place, entry) in entries.iter().enumerate().filter(elsewhere) {
            let shape = Shape::of(&entry.content);
            for operation in &shape.operations {
                *index.frequencies.entry(*operation).or_default() += 1;
            }
            index.shapes.insert(place, shape);
        }
        for (place, shape) in &index.shapes {
            for operation in rarest(&shape.operations, &index.frequencies) {
                index.operations.entry(operation).or_default().push(*place);
            }
            if let Some(definition) = &shape.definition {
                index
                    .definitions
                    .entry(definition.clone())
                    .or_default()
                    .push(*place);
            }
            index.names.entry(shape.name.clone()).or_default().push(*place);
        }
        index
    }

    /// Those that may be alike, each once, with their places in the catalog.
    pub(super) fn candidates(&self, shape: &Shape) -> BTreeMap<usize, &Shape> {
        let by_definition = shape.definition.as_ref().and_then(|it| self.definitions.get(it));
        let by_operation = rarest(&shape.operations, &self.frequencies);
        let by_operation = by_operation
            .iter()
            .filter_map(|operation| self.operations.get(operation));
        let found = by_definition
            .into_iter()
            .chain(by_operation)
            .chain(self.names.get(&shape.name));
        found
            .flat_map(|places| places.iter().take(CANDIDATES_MAX))
            .filter_map(|place| Some((*place, self.shapes.get(place)?)))
            .collect()
    }
}

/// So many of the rarest operations that two APIs which share four fifths of theirs have one of these in common.
fn rarest(operations: &[u64], frequencies: &HashMap<u64, usize>) -> Vec<u64> {
    if operations.len() < OPERATIONS_MIN {
        return Vec::new();
    }
    let mut ordered = operations.to_vec();
    ordered.sort_unstable_by_key(|operation| {
        (
            frequencies.get(operation).copied().unwrap_or_default(),
            *operation,
        )
    });
    ordered.truncate(operations.len() - needed(operations.len()) + 1);
    ordered
}
