//! A map whose copies share what they have in common.

use std::{borrow::Borrow, hash::Hash};

use rpds::HashTrieMapSync;

/// Up to so many entries are kept in a list, which takes up less and is searched faster; copying it is copying a line.
const FEW: usize = 16;

/// A copy costs the same however many entries there are, and so does a change to a copy.
#[derive(Debug)]
pub(crate) enum SharedMap<K: Eq + Hash, V> {
    /// Sorted by key.
    Few(Vec<(K, V)>),
    Many(HashTrieMapSync<K, V>),
}

impl<K: Eq + Hash, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Clone for SharedMap<K, V> {
    fn clone(&self) -> Self {
        match self {
            Self::Few(entries) => Self::Few(entries.clone()),
            Self::Many(entries) => Self::Many(entries.clone()),
        }
    }
}

impl<K: Ord + Hash + Clone, V: Clone> SharedMap<K, V> {
    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Few(entries) => entries.is_empty(),
            Self::Many(entries) => entries.is_empty(),
        }
    }

    /// The value of a key.
    pub(crate) fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Ord + Hash + ?Sized,
    {
        match self {
            Self::Few(entries) => place(entries, key).ok().map(|place| &entries[place].1),
            Self::Many(entries) => entries.get(key),
        }
    }

    /// The value of a key, to be changed; other copies keep theirs.
    pub(crate) fn get_mut<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Ord + Hash + ?Sized,
    {
        match self {
            Self::Few(entries) => match place(entries, key) {
                Ok(place) => Some(&mut entries[place].1),
                Err(_) => None,
            },
            Self::Many(entries) => entries.get_mut(key),
        }
    }

    /// Gives a key a value.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        match self {
            Self::Few(entries) => match place(entries, &key) {
                Ok(place) => entries[place].1 = value,
                Err(place) if entries.len() < FEW => {
                    // Most lists stay as short as they are.
                    entries.reserve_exact(1);
                    entries.insert(place, (key, value));
                }
                Err(_) => {
                    let mut many: HashTrieMapSync<K, V> = entries.drain(..).collect();
                    many.insert_mut(key, value);
                    *self = Self::Many(many);
                }
            },
            Self::Many(entries) => {
                entries.insert_mut(key, value);
            }
        }
    }

    /// Changes the value of a key, which is the default if there is none.
    pub(crate) fn change(&mut self, key: K, change: impl FnOnce(&mut V))
    where
        V: Default,
    {
        if let Some(value) = self.get_mut(&key) {
            return change(value);
        }
        let mut value = V::default();
        change(&mut value);
        self.insert(key, value);
    }

    /// Takes a key away with its value.
    pub(crate) fn remove<Q>(&mut self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Ord + Hash + ?Sized,
    {
        match self {
            Self::Few(entries) => {
                if let Ok(place) = place(entries, key) {
                    entries.remove(place);
                }
            }
            Self::Many(entries) => {
                entries.remove_mut(key);
            }
        }
    }
}

fn place<K, V, Q>(entries: &[(K, V)], key: &Q) -> Result<usize, usize>
where
    K: Borrow<Q>,
    Q: Ord + ?Sized,
{
    entries.binary_search_by(|(other, _)| other.borrow().cmp(key))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_map_holds_and_copies_keep_what_they_had(
            changes in prop::collection::vec((0_u8..40, prop::option::of(any::<u8>())), 0..200)
        ) {
            let (mut shared, mut plain) = (SharedMap::default(), BTreeMap::new());
            let mut copies = Vec::new();
            for (key, value) in changes {
                copies.push((shared.clone(), plain.clone()));
                match value {
                    Some(value) => {
                        shared.insert(key, value);
                        plain.insert(key, value);
                    }
                    None => {
                        shared.remove(&key);
                        plain.remove(&key);
                    }
                }
            }
            copies.push((shared, plain));
            for (shared, plain) in copies {
                prop_assert_eq!(shared.is_empty(), plain.is_empty());
                for key in 0..40 {
                    prop_assert_eq!(shared.get(&key), plain.get(&key));
                }
            }
        }
    }
}
