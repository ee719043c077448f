//! Who waits for one operation, and whose turn it is: the highest priority; of it, the environment that had its turn
//! longest ago; in it, who came first.

use std::collections::BTreeMap;

use gatehouse_control_plane_api::agent::Priority;
use gatehouse_schemas::identity::EnvironmentId;
use tokio::sync::oneshot;

use super::permit::Permit;

/// Where somebody waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) priority: Priority,
    pub(super) environment: EnvironmentId,
    /// Rises with every waiter of the account.
    pub(super) number: u64,
}

/// The waiters of one operation.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: BTreeMap<Priority, BTreeMap<EnvironmentId, BTreeMap<u64, oneshot::Sender<Permit>>>>,
    turns: Turns<EnvironmentId>,
}

impl Queue {
    /// Somebody begins to wait.
    pub(super) fn enter(&mut self, place: Place, tell: oneshot::Sender<Permit>) {
        let environments = self.waiting.entry(place.priority).or_default();
        let waiters = environments.entry(place.environment).or_default();
        waiters.insert(place.number, tell);
    }

    /// Somebody goes, with or without a permit.
    pub(super) fn leave(&mut self, place: Place) -> Option<oneshot::Sender<Permit>> {
        let environments = self.waiting.get_mut(&place.priority)?;
        let waiters = environments.get_mut(&place.environment)?;
        let tell = waiters.remove(&place.number);
        if waiters.is_empty() {
            environments.remove(&place.environment);
        }
        if environments.is_empty() {
            self.waiting.remove(&place.priority);
        }
        tell
    }

    /// Whose turn it is.
    pub(super) fn next(&self) -> Option<Place> {
        let (&priority, environments) = self.waiting.last_key_value()?;
        let first = |(&environment, waiters): (&EnvironmentId, &BTreeMap<u64, _>)| {
            let (&number, _) = waiters.first_key_value()?;
            Some(Place {
                priority,
                environment,
                number,
            })
        };
        environments
            .iter()
            .filter_map(first)
            .min_by_key(|place| (self.turns.last(&place.environment), place.number))
    }

    /// Notes that an environment had its turn.
    pub(super) fn served(&mut self, environment: EnvironmentId) {
        self.turns.had(environment);
    }

    /// How many wait with this priority or a higher one.
    pub(super) fn ahead_of(&self, priority: Priority) -> u64 {
        let waiting = self
            .waiting
            .range(priority..)
            .flat_map(|(_, environments)| environments.values());
        waiting
            .map(|waiters| u64::try_from(waiters.len()).unwrap_or(u64::MAX))
            .sum()
    }
}

/// Who had a turn when.
#[derive(Debug)]
pub(super) struct Turns<Key> {
    count: u64,
    last: BTreeMap<Key, u64>,
}

impl<Key> Default for Turns<Key> {
    fn default() -> Self {
        Self {
            count: 0,
            last: BTreeMap::new(),
        }
    }
}

impl<Key: Ord> Turns<Key> {
    /// The number of somebody's last turn; 0 for none so far.
    pub(super) fn last(&self, key: &Key) -> u64 {
        self.last.get(key).copied().unwrap_or_default()
    }

    /// Somebody has a turn.
    pub(super) fn had(&mut self, key: Key) {
        self.count += 1;
        self.last.insert(key, self.count);
    }
}
