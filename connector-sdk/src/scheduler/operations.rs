//! All operations of one account: their buckets, who waits, and who goes next. No clock but the one it is given.
//!
//! A call needs a token of its operation and one of all operations together, if there are such quotas. Only
//! operations with a token compete for the common one, so that a scarce operation holds up no other; among them goes
//! first the higher priority, then the environment that went longest ago, then its operation that went longest ago.

use std::{collections::BTreeMap, time::Duration};

use gatehouse_control_plane_api::agent::Priority;
use gatehouse_schemas::{
    identity::EnvironmentId,
    quota::{Quota, VendorCalls},
};
use tokio::{sync::oneshot, time::Instant};

use super::{
    ALL_OPERATIONS,
    bucket::Bucket,
    permit::Permit,
    queue::{Place, Queue, Turns},
};

/// Refusals of two operations within this time are taken for one of all operations together.
const TOGETHER: Duration = Duration::from_secs(10);

/// The operations of one account.
#[derive(Debug)]
pub(super) struct Operations {
    each: BTreeMap<String, Operation>,
    all: Option<Bucket>,
    environments: Turns<EnvironmentId>,
    operations: Turns<(EnvironmentId, String)>,
    last_number: u64,
    last_refusal: Option<(String, Instant)>,
}

#[derive(Debug)]
struct Operation {
    bucket: Bucket,
    queue: Queue,
}

impl Operation {
    fn new(bucket: Bucket) -> Self {
        Self {
            bucket,
            queue: Queue::default(),
        }
    }
}

/// What comes next.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    /// This waiter of this operation may go now.
    Go(String, Place),
    /// Nobody before this time.
    At(Instant),
    /// Nobody waits.
    Nobody,
}

impl Operations {
    pub(super) fn new(published: &[Quota], now: Instant) -> Self {
        let (all, each): (Vec<_>, Vec<_>) = published
            .iter()
            .partition(|quota| quota.operation == ALL_OPERATIONS);
        let operation = |quota: &&Quota| {
            let bucket = Bucket::published(quota, now);
            (quota.operation.clone(), Operation::new(bucket))
        };
        Self {
            each: each.iter().map(operation).collect(),
            all: all.first().map(|quota| Bucket::published(quota, now)),
            environments: Turns::default(),
            operations: Turns::default(),
            last_number: 0,
            last_refusal: None,
        }
    }

    /// Somebody begins to wait.
    pub(super) fn enter(
        &mut self,
        operation: &str,
        priority: Priority,
        environment: EnvironmentId,
        now: Instant,
    ) -> (Place, oneshot::Receiver<Permit>) {
        self.last_number += 1;
        let place = Place {
            priority,
            environment,
            number: self.last_number,
        };
        let (tell, told) = oneshot::channel();
        self.operation(operation, now).queue.enter(place, tell);
        (place, told)
    }

    /// Somebody goes; with what a permit is told by, unless it was given.
    pub(super) fn leave(&mut self, operation: &str, place: Place) -> Option<oneshot::Sender<Permit>> {
        self.each.get_mut(operation)?.queue.leave(place)
    }

    /// Who goes next, or when to ask again.
    pub(super) fn next(&self, now: Instant) -> Next {
        let mut earliest: Option<Instant> = None;
        let mut first: Option<(&String, Place)> = None;
        for (name, operation) in &self.each {
            let Some(place) = operation.queue.next() else {
                continue;
            };
            let ready = operation.bucket.ready_at(place.priority, now);
            if ready > now {
                earliest = Some(earliest.map_or(ready, |other| other.min(ready)));
            } else if first.is_none_or(|(other, taken)| self.rank(name, place) < self.rank(other, taken)) {
                first = Some((name, place));
            }
        }
        let Some((name, place)) = first else {
            return earliest.map_or(Next::Nobody, Next::At);
        };
        let ready = self
            .all
            .as_ref()
            .map_or(now, |all| all.ready_at(place.priority, now));
        if ready > now {
            return Next::At(earliest.map_or(ready, |other| other.min(ready)));
        }
        Next::Go(name.clone(), place)
    }

    /// The smaller goes first.
    fn rank(&self, operation: &str, place: Place) -> impl Ord + use<> {
        (
            std::cmp::Reverse(place.priority),
            self.environments.last(&place.environment),
            self.operations.last(&(place.environment, operation.to_owned())),
            place.number,
        )
    }

    /// A call is made now.
    pub(super) fn take(&mut self, operation: &str, environment: EnvironmentId, now: Instant) {
        let own = self.operation(operation, now);
        own.bucket.take(now);
        own.queue.served(environment);
        if let Some(all) = &mut self.all {
            all.take(now);
        }
        self.environments.had(environment);
        self.operations.had((environment, operation.to_owned()));
    }

    /// A call that was to be made is not.
    pub(super) fn give_back(&mut self, operation: &str) {
        if let Some(own) = self.each.get_mut(operation) {
            own.bucket.give_back();
        }
        if let Some(all) = &mut self.all {
            all.give_back();
        }
    }

    /// The vendor refused a call for its rate. It does not say which quota it meant: the operation's, unless another
    /// operation was refused as well.
    pub(super) fn refused(&mut self, operation: &str, retry_after: Option<Duration>, now: Instant) {
        self.operation(operation, now).bucket.refused(retry_after, now);
        let together = |(other, at): &(String, Instant)| {
            other != operation && now.saturating_duration_since(*at) < TOGETHER
        };
        if self.last_refusal.as_ref().is_some_and(together)
            && let Some(all) = &mut self.all
        {
            all.refused(retry_after, now);
        }
        self.last_refusal = Some((operation.to_owned(), now));
    }

    /// The vendor took a call.
    pub(super) fn taken(&mut self, operation: &str, now: Instant) {
        self.operation(operation, now).bucket.taken(now);
        if let Some(all) = &mut self.all {
            all.taken(now);
        }
    }

    /// When the last of these calls could be made, behind what waits.
    pub(super) fn ready_for(&self, calls: &VendorCalls, priority: Priority, now: Instant) -> Instant {
        let ahead = |operation: &Operation| operation.queue.ahead_of(priority);
        let own = |(name, &count): (&String, &u64)| {
            let operation = self.each.get(name).filter(|_| count > 0)?;
            let calls = count.saturating_add(ahead(operation));
            Some(operation.bucket.ready_for(calls, priority, now))
        };
        let wanted: u64 = calls.values().fold(0, |sum, count| sum.saturating_add(*count));
        let waiting: u64 = self.each.values().map(ahead).sum();
        let common = self
            .all
            .as_ref()
            .filter(|_| wanted > 0)
            .map(|all| all.ready_for(wanted.saturating_add(waiting), priority, now));
        calls.iter().filter_map(own).chain(common).max().unwrap_or(now)
    }

    fn operation(&mut self, name: &str, now: Instant) -> &mut Operation {
        self.each
            .entry(name.to_owned())
            .or_insert_with(|| Operation::new(Bucket::unlimited(now)))
    }
}
