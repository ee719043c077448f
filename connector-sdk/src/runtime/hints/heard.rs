//! What was heard and not yet followed: each API once, however often it was named.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use gatehouse_schemas::identity::ExternalRef;
use tokio::sync::Notify;

use crate::connector::Hint;

/// So many APIs are told apart; with more, everything is looked at.
const NAMED: usize = 1_000;

/// What hints are about.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct About {
    /// These APIs.
    pub(super) apis: BTreeSet<ExternalRef>,
    /// Something that may be about any API.
    pub(super) anything: bool,
}

impl About {
    pub(super) fn is_empty(&self) -> bool {
        self.apis.is_empty() && !self.anything
    }

    fn add(&mut self, hint: Hint) {
        match hint {
            Hint::Api(api) if self.apis.len() < NAMED => {
                self.apis.insert(api);
            }
            Hint::Api(_) | Hint::Something => self.anything = true,
        }
    }
}

/// What was heard and not yet followed.
#[derive(Debug, Default)]
pub(super) struct Heard {
    about: Mutex<About>,
    news: Notify,
}

impl Heard {
    /// Takes in hints.
    pub(super) fn add(&self, hints: impl IntoIterator<Item = Hint>) {
        let mut about = self.lock();
        for hint in hints {
            about.add(hint);
        }
        if !about.is_empty() {
            self.news.notify_one();
        }
    }

    /// Until there is something to follow.
    pub(super) async fn wait(&self) {
        while self.lock().is_empty() {
            self.news.notified().await;
        }
    }

    /// Takes out all of it.
    pub(super) fn take(&self) -> About {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, About> {
        self.about.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn api(number: usize) -> Hint {
        Hint::Api(ExternalRef(format!("route/{number}")))
    }

    #[test]
    fn an_api_that_is_named_often_is_there_once() {
        let heard = Heard::default();
        assert!(heard.wait().now_or_never().is_none());
        heard.add([api(1), api(2), api(1)]);
        assert!(heard.wait().now_or_never().is_some());
        let about = heard.take();
        assert_eq!((about.apis.len(), about.anything), (2, false));
        assert!(heard.take().is_empty());
        heard.add([]);
        assert!(heard.wait().now_or_never().is_none());
    }

    #[test]
    fn a_flood_of_names_is_a_hint_about_anything() {
        let heard = Heard::default();
        heard.add((0..NAMED + 1).map(api));
        let about = heard.take();
        assert_eq!((about.apis.len(), about.anything), (NAMED, true));
    }
}
