//! Keeping an answer while its body passes through.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};

use super::Expected;
use crate::{
    policy::cache::{
        rules::Lifetime,
        store::{Entry, Key},
    },
    proxy::budget::HeldBody,
};

/// Keeps an answer while its body passes through.
#[derive(Debug)]
pub(in crate::proxy) struct Recorder {
    pub(super) expected: Box<Expected>,
    pub(super) variant: Option<(Arc<[HeaderName]>, Key)>,
    pub(super) headers: HeaderMap,
    pub(super) lifetime: Lifetime,
    /// When the head came, from which its age counts.
    pub(super) received: Instant,
    pub(super) held: HeldBody,
    pub(super) most: u64,
}

impl Recorder {
    /// Takes in a part of the body. Says whether to go on: not if it becomes too large, or if there is no room for it.
    pub(in crate::proxy) fn push(&mut self, data: &[u8]) -> bool {
        let fits = (self.held.len() + data.len()) as u64 <= self.most && self.held.push(data).is_ok();
        if !fits {
            let place = self.variant.as_ref().map_or(&self.expected.place, |(_, key)| key);
            self.expected.caching.store.pass(place, Instant::now());
        }
        fits
    }

    /// The body has come to its end.
    pub(in crate::proxy) fn finish(self) {
        let Self {
            expected,
            variant,
            headers,
            lifetime,
            received,
            held,
            ..
        } = self;
        let entry = Entry {
            headers,
            body: Bytes::copy_from_slice(held.as_ref()),
            lifetime,
            received,
            names: expected.names.clone(),
        };
        expected.caching.store.keep(&expected.key, variant, entry);
    }
}
