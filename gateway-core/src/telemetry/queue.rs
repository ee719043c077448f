//! What waits to be exported: so much at most, in records and in bytes. Whoever puts something in never waits.

use std::{
    fmt, mem,
    sync::{Mutex, PoisonError},
};

use tokio::sync::Notify;

use super::counts::{Counts, Lost};

/// How many bytes one queue holds at most, roughly.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// How many bytes one batch has at most, roughly: collectors refuse requests beyond some megabytes.
const BATCH_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Something that waits.
pub(super) trait Record {
    /// How many spans or log records it becomes.
    fn records(&self) -> usize;
    /// About how many bytes it takes up.
    fn bytes(&self) -> usize;
}

/// A queue of one signal.
pub(super) struct Queue<T> {
    held: Mutex<Held<T>>,
    max: usize,
    batch: usize,
    /// Is told when there is a batch.
    filled: Notify,
    pub(super) counts: Counts,
}

struct Held<T> {
    items: Vec<T>,
    records: usize,
    bytes: usize,
}

impl<T> Default for Held<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            records: 0,
            bytes: 0,
        }
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Queue")
            .field("max", &self.max)
            .finish_non_exhaustive()
    }
}

impl<T: Record> Queue<T> {
    /// Nothing waits yet.
    pub(super) fn new(max: usize, batch: usize) -> Self {
        Self {
            held: Mutex::default(),
            max,
            batch: batch.clamp(1, max.max(1)),
            filled: Notify::new(),
            counts: Counts::default(),
        }
    }

    /// Puts something in, or drops and counts it if there is no room.
    pub(super) fn push(&self, item: T) {
        let (records, bytes) = (item.records(), item.bytes());
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.records + records > self.max || held.bytes + bytes > BYTES_MAX {
            drop(held);
            return self.counts.lost(Lost::QueueFull, records);
        }
        let before = held.records;
        held.records += records;
        held.bytes += bytes;
        held.items.push(item);
        let filled = before < self.batch && held.records >= self.batch;
        drop(held);
        if filled {
            self.filled.notify_one();
        }
    }

    /// Resolves when there was a batch.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Takes the oldest out, one batch at most; nothing if nothing waits.
    pub(super) fn take(&self) -> Vec<T> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut count, mut records, mut bytes) = (0, 0, 0);
        for item in &held.items {
            let fits = records + item.records() <= self.batch && bytes + item.bytes() <= BATCH_BYTES_MAX;
            // One that is too large on its own goes alone.
            if count > 0 && !fits {
                break;
            }
            count += 1;
            records += item.records();
            bytes += item.bytes();
        }
        held.records -= records;
        held.bytes -= bytes;
        if count == held.items.len() {
            return mem::take(&mut held.items);
        }
        held.items.drain(..count).collect()
    }

    /// Gives up what waits, and counts it.
    pub(super) fn give_up(&self) {
        let held = mem::take(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner));
        self.counts.lost(Lost::NotSent, held.records);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    struct Item(usize, usize);

    impl Record for Item {
        fn records(&self) -> usize {
            self.0
        }

        fn bytes(&self) -> usize {
            self.1
        }
    }

    fn taken(queue: &Queue<Item>) -> Vec<usize> {
        queue.take().iter().map(|item| item.0).collect()
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let queue = Queue::new(5, 3);
        for records in [2, 2, 2, 1] {
            queue.push(Item(records, 10));
        }
        assert_eq!(queue.counts.of(Lost::QueueFull), 2);
        assert_eq!(taken(&queue), [2]);
        assert_eq!(taken(&queue), [2, 1]);
        assert!(taken(&queue).is_empty());
        queue.push(Item(4, 10));
        // One that is larger than a batch goes alone.
        queue.push(Item(1, 10));
        assert_eq!(taken(&queue), [4]);
        assert_eq!(taken(&queue), [1]);
    }

    #[test]
    fn bytes_are_bounded_as_well() {
        let queue = Queue::new(1000, 100);
        for _ in 0..9 {
            queue.push(Item(1, BATCH_BYTES_MAX));
        }
        assert_eq!(queue.counts.of(Lost::QueueFull), 1);
        for _ in 0..8 {
            assert_eq!(taken(&queue), [1]);
        }
        assert!(taken(&queue).is_empty());
    }

    #[test]
    fn a_batch_is_told_once() {
        let queue = Queue::new(10, 2);
        queue.push(Item(1, 1));
        assert!(queue.filled().now_or_never().is_none());
        queue.push(Item(1, 1));
        queue.push(Item(1, 1));
        assert!(queue.filled().now_or_never().is_some());
        assert!(queue.filled().now_or_never().is_none());
        queue.give_up();
        assert_eq!(queue.counts.of(Lost::NotSent), 3);
        assert!(taken(&queue).is_empty());
    }
}
