//! What all accounts hold, now and as late readers see it.

use std::{collections::BTreeMap, sync::Arc};

use super::model::Api;

/// An account and an identity.
pub(super) type Place = (String, String);

/// The states of one object, the oldest first; none is "not there".
type History = Vec<(u64, Option<Arc<Api>>)>;

/// All objects.
#[derive(Debug, Default)]
pub(super) struct Store {
    objects: BTreeMap<Place, History>,
    /// The source of versions and identities: never given twice.
    counter: u64,
}

impl Store {
    pub(super) fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// An identity that tells nothing of its order.
    pub(super) fn next_id(&mut self) -> String {
        let number = self.next();
        // An odd factor permutes 40-bit numbers: no identity is given twice.
        let mixed = number.wrapping_mul(0x9E_37_79_B9_7F_4A_7C_15) & 0xFF_FFFF_FFFF;
        format!("{mixed:010x}")
    }

    /// What is there now.
    pub(super) fn now(&self, account: &str, id: &str) -> Option<&Arc<Api>> {
        let history = self.objects.get(&(account.to_owned(), id.to_owned()))?;
        history.last()?.1.as_ref()
    }

    /// What a reader sees who sees everything up to this time.
    pub(super) fn seen(&self, account: &str, id: &str, until_ms: u64) -> Option<&Arc<Api>> {
        seen(self.objects.get(&(account.to_owned(), id.to_owned()))?, until_ms)
    }

    /// What a reader sees of an account after an identity, in the order of identities.
    pub(super) fn list<'a>(
        &'a self,
        account: &str,
        after: &str,
        until_ms: u64,
    ) -> impl Iterator<Item = &'a Arc<Api>> {
        let account = account.to_owned();
        let from = (account.clone(), format!("{after}\0"));
        self.objects
            .range(from..)
            .take_while(move |((owner, _), _)| *owner == account)
            .filter_map(move |(_, history)| seen(history, until_ms))
    }

    /// Everything that is there now.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &Arc<Api>)> {
        self.objects.iter().filter_map(|((account, _), history)| {
            let api = history.last()?.1.as_ref()?;
            Some((account.as_str(), api))
        })
    }

    /// Puts a state in place; what nobody can see any more is forgotten.
    pub(super) fn put(&mut self, place: Place, api: Option<Api>, now_ms: u64, horizon_ms: u64) {
        let history = self.objects.entry(place.clone()).or_default();
        history.push((now_ms, api.map(Arc::new)));
        let settled = now_ms.saturating_sub(horizon_ms);
        let visible = history.iter().rposition(|(at, _)| *at <= settled).unwrap_or(0);
        history.drain(..visible);
        if history.iter().all(|(_, state)| state.is_none()) {
            self.objects.remove(&place);
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.objects.clear();
    }

    pub(super) fn restore(&mut self, counter: u64, objects: Vec<(String, Api)>) {
        self.counter = counter;
        for (account, api) in objects {
            self.objects
                .insert((account, api.id.clone()), vec![(0, Some(Arc::new(api)))]);
        }
    }

    pub(super) fn counter(&self) -> u64 {
        self.counter
    }
}

fn seen(history: &History, until_ms: u64) -> Option<&Arc<Api>> {
    let (_, state) = history.iter().rev().find(|(at, _)| *at <= until_ms)?;
    state.as_ref()
}
