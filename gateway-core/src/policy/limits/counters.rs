//! Counters by key in bounded memory.
//!
//! A counter is the moment at which a limit is whole again, so one that lies in the past says nothing and its place
//! is free. The places are rows of [`WAYS`] in several locked parts; a part grows until it has its share of
//! 131,072 keys. In a row without a free place, the counter that is whole again soonest is forgotten: it holds the
//! least. A caller who spends many keys forgets those, not the one that is over its limit.

use std::sync::{Mutex, PoisonError};

/// Parts with a lock of their own; a power of two.
const PARTS: usize = 8;

/// Rows of one part at most; a power of two.
const MAX_ROWS: usize = 2_048;

/// Places in a row.
const WAYS: usize = 8;

/// The counters of one policy: for each key, so many moments as the policy has limits.
#[derive(Debug)]
pub(crate) struct Counters {
    /// Words of one place: the key and its moments.
    width: usize,
    parts: [Mutex<Part>; PARTS],
}

/// Rows one after the other; none before the first key comes.
#[derive(Debug, Default)]
struct Part {
    rows: usize,
    words: Vec<u64>,
}

impl Counters {
    /// No keys yet, with so many moments for each.
    pub(crate) fn new(moments: usize) -> Self {
        Self {
            width: moments + 1,
            parts: Default::default(),
        }
    }

    /// Reads and changes the moments of a key. All of them are 0 for a key that is not known.
    pub(crate) fn change<R>(&self, key: u64, now: u64, change: impl FnOnce(&mut [u64]) -> R) -> R {
        // No key is 0, which says that a place was never used.
        let key = key.max(1);
        let part = &self.parts[key as usize % PARTS];
        let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
        let place = part.place(key, now, self.width);
        match part.words.get_mut(place..place + self.width) {
            Some([own, moments @ ..]) => {
                if *own != key {
                    *own = key;
                    moments.fill(0);
                }
                change(moments)
            }
            _ => change(&mut vec![0; self.width - 1]),
        }
    }

    /// How many keys have a counter that says something.
    #[cfg(test)]
    pub(crate) fn len(&self, now: u64) -> usize {
        let parts = self.parts.iter().map(|part| {
            let part = part.lock().unwrap_or_else(PoisonError::into_inner);
            part.words
                .chunks_exact(self.width)
                .filter(|place| whole_at(place) > now)
                .count()
        });
        parts.sum()
    }

    /// How many words are held.
    #[cfg(test)]
    fn words(&self) -> usize {
        let parts = self.parts.iter();
        parts
            .map(|part| part.lock().unwrap_or_else(PoisonError::into_inner).words.len())
            .sum()
    }
}

/// When the last of a place's limits is whole again.
fn whole_at(place: &[u64]) -> u64 {
    place.iter().skip(1).copied().max().unwrap_or_default()
}

/// Where the row of a key begins.
fn row(key: u64, rows: usize, width: usize) -> usize {
    ((key >> 8) % rows as u64) as usize * WAYS * width
}

impl Part {
    /// Where the key is, or is to be.
    fn place(&mut self, key: u64, now: u64, width: usize) -> usize {
        if self.rows == 0 {
            self.rows = 1;
            self.words = vec![0; WAYS * width];
        }
        loop {
            let (place, free) = self.best_place(key, now, width);
            if free || self.rows >= MAX_ROWS {
                return place;
            }
            self.grow(now, width);
        }
    }

    /// The key's own place, or else the one that is whole again soonest, and whether nothing is lost by taking it.
    fn best_place(&self, key: u64, now: u64, width: usize) -> (usize, bool) {
        let begin = row(key, self.rows, width);
        let row = self.words.get(begin..begin + WAYS * width).unwrap_or_default();
        let mut best = (begin, u64::MAX);
        for (way, place) in row.chunks_exact(width).enumerate() {
            let at = begin + way * width;
            if place.first() == Some(&key) {
                return (at, true);
            }
            let whole = whole_at(place);
            if whole < best.1 {
                best = (at, whole);
            }
        }
        (best.0, best.1 <= now)
    }

    /// Doubles the rows. Each row becomes two, so everything finds a place again.
    fn grow(&mut self, now: u64, width: usize) {
        self.rows *= 2;
        let old = std::mem::replace(&mut self.words, vec![0; self.rows * WAYS * width]);
        for place in old.chunks_exact(width).filter(|place| whole_at(place) > now) {
            let key = place.first().copied().unwrap_or_default();
            let (at, _) = self.best_place(key, now, width);
            if let Some(to) = self.words.get_mut(at..at + width) {
                to.copy_from_slice(place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashMap,
        hash::{BuildHasher as _, RandomState},
    };

    use proptest::prelude::*;

    use super::*;

    const MAX_KEYS: usize = PARTS * MAX_ROWS * WAYS;

    proptest! {
        #[test]
        fn what_fits_is_counted_like_in_a_map(
            changes in prop::collection::vec((0..300_u64, 1..50_u64), 1..1_000),
        ) {
            let counters = Counters::new(2);
            let mut model: HashMap<u64, u64> = HashMap::new();
            let hasher = RandomState::new();
            for (now, (key, more)) in (1_u64..).zip(changes) {
                let later = |at: u64| at.max(now) + more;
                let expected = model.entry(key).or_default();
                *expected = later(*expected);
                let counted = counters.change(hasher.hash_one(key), now, |moments| {
                    // A place that is whole again may have been given to another key in between.
                    moments[0] = later(moments[0]);
                    moments[0]
                });
                prop_assert_eq!(counted, *expected);
            }
        }

    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3))]

        #[test]
        fn memory_is_bounded_and_the_fullest_counters_stay(seed in any::<u64>()) {
            let counters = Counters::new(1);
            let hasher = RandomState::new();
            let full = hasher.hash_one(("full", seed));
            counters.change(full, 1, |moments| moments[0] = 1_000_000);
            for key in 0..(MAX_KEYS as u64 * 2) {
                counters.change(hasher.hash_one((key, seed)), 1, |moments| moments[0] = 2 + key % 1_000);
            }
            prop_assert!(counters.len(1) <= MAX_KEYS);
            prop_assert!(counters.words() <= MAX_KEYS * 2);
            prop_assert_eq!(counters.change(full, 1, |moments| moments[0]), 1_000_000);
        }
    }

    #[test]
    fn a_key_that_came_back_to_zero_gives_its_place_away_without_growth() {
        let counters = Counters::new(1);
        for now in 1..100_000 {
            counters.change(now << 8, now, |moments| moments[0] = now + 1);
        }
        assert!(counters.words() <= PARTS * 2 * WAYS * 2, "{}", counters.words());
    }
}
