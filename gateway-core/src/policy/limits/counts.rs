//! Counts of quotas: how much of a calendar period's requests is used, by name of what is counted.
//!
//! A count has two parts: what the store that all gateways share is known to hold, and what it has yet to be told.
//! Without such a store everything is in the second part.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use super::count_file::unix_seconds;

/// Parts with a lock of their own.
const PARTS: usize = 16;

/// The most names counted in a part, 200,000 in all. Beyond it those of ended periods are forgotten, then the smallest.
const MAX_PART: usize = 12_500;

/// How much of one period is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// When the period ends, in seconds since 1970-01-01 UTC.
    pub(crate) end: i64,
    /// What the shared store holds at least.
    pub(crate) shared: u64,
    /// What was let through here that it is not known to hold.
    pub(crate) own: u64,
    /// What was let through here without asking it that it was told of since the start.
    pub(crate) told: u64,
}

impl Count {
    /// How much is used as far as is known here.
    pub(crate) fn used(self) -> u64 {
        self.shared.saturating_add(self.own)
    }

    /// What was let through here without asking the shared store, told or not. Telling it twice is as good as once.
    pub(crate) fn alone(self) -> u64 {
        self.told.saturating_add(self.own)
    }

    /// How many more one of so many gateways lets through without asking the others. What is left is divided; with
    /// something left, each has at least one.
    fn share(self, limit: u64, gateways: u32) -> u64 {
        let left = limit.saturating_sub(self.shared);
        (left / u64::from(gateways.max(1))).max(left.min(1))
    }
}

/// All counts of a gateway.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    parts: [Mutex<HashMap<u128, Count>>; PARTS],
    /// Whether something changed since the counts were last written.
    changed: AtomicBool,
}

impl Counts {
    /// Counts a request, as one of so many gateways, if there is something left; says what then is.
    pub(crate) fn take(&self, name: u128, end: i64, limit: u64, gateways: u32) -> Result<u64, ()> {
        let mut part = self.part(name);
        let count = current(&mut part, name, end);
        let share = count.share(limit, gateways);
        if count.own >= share {
            return Err(());
        }
        count.own += 1;
        self.mark_changed();
        Ok(share - count.own)
    }

    /// Takes back what was counted for a request that was refused after all.
    pub(crate) fn give_back(&self, name: u128, end: i64) {
        if let Some(count) = self.part(name).get_mut(&name).filter(|count| count.end == end) {
            count.own = count.own.saturating_sub(1);
            self.mark_changed();
        }
    }

    /// The count as it is known here.
    pub(crate) fn get(&self, name: u128, end: i64) -> Count {
        let part = self.part(name);
        // A period that ended says nothing of this one.
        let known = part.get(&name).filter(|count| count.end == end);
        known.copied().unwrap_or(Count {
            end,
            ..Count::default()
        })
    }

    /// The shared store answered that it holds this much, of which so much was let through here without asking it. What
    /// it says of a period that has ended since is of no use any more.
    pub(crate) fn settle(&self, name: u128, end: i64, held: u64, alone: u64) {
        let mut part = self.part(name);
        let count = current(&mut part, name, end);
        if count.end == end {
            count.shared = count.shared.max(held);
            count.own = count.own.saturating_sub(alone.saturating_sub(count.told));
            count.told = count.told.max(alone);
            self.mark_changed();
        }
    }

    /// Puts in counts that were kept.
    pub(crate) fn restore(&self, kept: impl IntoIterator<Item = (u128, Count)>) {
        for (name, count) in kept {
            *current(&mut self.part(name), name, count.end) = count;
        }
        self.changed.store(false, Relaxed);
    }

    /// Everything that still counts, if something changed since this was last asked.
    pub(crate) fn to_keep(&self, now: i64) -> Option<Vec<(u128, Count)>> {
        if !self.changed.swap(false, Relaxed) {
            return None;
        }
        let mut all = Vec::new();
        for part in &self.parts {
            let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
            part.retain(|_, count| count.end > now);
            all.extend(part.iter().map(|(name, count)| (*name, *count)));
        }
        Some(all)
    }

    /// Says that what was to be kept was not.
    pub(crate) fn mark_changed(&self) {
        self.changed.store(true, Relaxed);
    }

    fn part(&self, name: u128) -> MutexGuard<'_, HashMap<u128, Count>> {
        let part = &self.parts[name as usize % PARTS];
        part.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The count of the period that ends then, or of a later one: a clock that was set back does not begin an old period anew.
fn current(part: &mut HashMap<u128, Count>, name: u128, end: i64) -> &mut Count {
    if part.len() >= MAX_PART && !part.contains_key(&name) {
        forget_some(part, unix_seconds());
    }
    let count = part.entry(name).or_default();
    if end > count.end {
        *count = Count {
            end,
            ..Count::default()
        };
    }
    count
}

/// Makes room: the places of periods that have ended, else a tenth of all, those that hold the least.
fn forget_some(part: &mut HashMap<u128, Count>, now: i64) {
    part.retain(|_, count| count.end > now);
    if part.len() < MAX_PART {
        return;
    }
    let mut uses: Vec<u64> = part.values().map(|count| count.used()).collect();
    let tenth = uses.len() / 10;
    let (_, bound, _) = uses.select_nth_unstable(tenth);
    let bound = *bound;
    let mut left = tenth + 1;
    part.retain(|_, count| {
        let goes = left > 0 && count.used() <= bound;
        left -= usize::from(goes);
        !goes
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the year 2096.
    const END: i64 = 4_000_000_000;

    fn used_up(counts: &Counts, name: u128, end: i64, limit: u64, gateways: u32) -> u64 {
        let takes = std::iter::repeat_with(|| counts.take(name, end, limit, gateways));
        takes.take_while(Result::is_ok).count() as u64
    }

    #[test]
    fn a_period_has_so_many_requests_and_the_next_one_begins_anew() {
        let counts = Counts::default();
        assert_eq!(used_up(&counts, 1, END, 5, 1), 5);
        assert_eq!(used_up(&counts, 2, END, 5, 1), 5);
        assert_eq!(
            used_up(&counts, 1, END, 7, 1),
            2,
            "a higher limit keeps the count"
        );
        assert_eq!(used_up(&counts, 1, END + 1_000, 5, 1), 5);
        assert_eq!(used_up(&counts, 1, END, 5, 1), 0, "a clock that was set back");
    }

    #[test]
    fn one_of_several_gateways_gives_out_its_part_of_what_was_left() {
        let counts = Counts::default();
        counts.settle(1, END, 40, 0);
        assert_eq!(used_up(&counts, 1, END, 100, 3), 20);
        counts.settle(2, END, 99, 0);
        assert_eq!(used_up(&counts, 2, END, 100, 3), 1);
        counts.settle(3, END, 100, 0);
        assert_eq!(used_up(&counts, 3, END, 100, 3), 0);
    }

    #[test]
    fn what_the_shared_store_is_told_counts_once_however_often_it_is_told() {
        let counts = Counts::default();
        assert_eq!(used_up(&counts, 1, END, 3, 1), 3);
        let asked = counts.get(1, END);
        assert_eq!((asked.alone(), asked.used()), (3, 3));
        // Nobody knows whether a question without an answer was heard, so it is asked again.
        assert_eq!(counts.get(1, END).alone(), 3);
        counts.settle(1, END, 10, 3);
        // The answer to the same, asked by another request.
        counts.settle(1, END, 11, 3);
        let count = counts.get(1, END);
        assert_eq!((count.alone(), count.used()), (3, 11));
        counts.take(1, END, 100, 1).expect("there is more");
        let count = counts.get(1, END);
        assert_eq!((count.alone(), count.used()), (4, 12));
    }

    #[test]
    fn an_answer_about_a_period_that_has_ended_leaves_the_next_one_alone() {
        let counts = Counts::default();
        assert_eq!(used_up(&counts, 1, END, 5, 1), 5);
        counts.take(1, END + 1_000, 5, 1).expect("a new period");
        counts.settle(1, END, 100, 5);
        counts.give_back(1, END);
        let count = counts.get(1, END + 1_000);
        assert_eq!((count.alone(), count.used()), (1, 1));
    }

    #[test]
    fn periods_that_have_ended_make_room_first() {
        let counts = Counts::default();
        used_up(&counts, 0, 1_000, 100, 1);
        let is_current = |name: &u128| name / PARTS as u128 % 2 == 1;
        let names = 1..((PARTS * MAX_PART) as u128 + 1_000);
        for name in names.clone() {
            let end = if is_current(&name) { END } else { 1_000 };
            let _ = counts.take(name, end, 100, 1);
        }
        let kept = counts.to_keep(0).expect("changed");
        let current = kept.iter().filter(|(_, count)| count.end == END).count();
        assert_eq!(current, names.filter(is_current).count());
    }

    #[test]
    fn memory_is_bounded_and_the_largest_counts_stay() {
        let counts = Counts::default();
        used_up(&counts, 0, END, 100, 1);
        for name in 1..((PARTS * MAX_PART) as u128 * 2) {
            let _ = counts.take(name, END, 100, 1);
        }
        let kept = counts.to_keep(0).expect("changed");
        assert!(kept.len() <= PARTS * MAX_PART, "{}", kept.len());
        assert_eq!(used_up(&counts, 0, END, 100, 1), 0);
    }

    #[test]
    fn only_what_changed_and_still_counts_is_kept() {
        let counts = Counts::default();
        assert_eq!(counts.to_keep(0), None);
        let _ = counts.take(1, END, 5, 1);
        let _ = counts.take(2, END * 2, 5, 1);
        let kept = counts.to_keep(END).expect("changed");
        assert_eq!(kept.len(), 1);
        assert_eq!(counts.to_keep(END), None);
        let others = Counts::default();
        others.restore(kept);
        assert_eq!(used_up(&others, 2, END * 2, 5, 1), 4);
    }
}
