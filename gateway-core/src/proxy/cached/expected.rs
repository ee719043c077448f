//! What becomes of the answer that is being waited for: whether it is kept, and what is given in its place.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header, response};
use hyper::body::Body;

use super::{CACHE_STATUS, Recorder};
use crate::{
    policy::cache::{
        Caching,
        rules::{self, Directives, Lifetime, Use},
        store::{Entry, Found, Key, Leader, Names, Turn},
        variant,
    },
    proxy::{budget::HeldBody, head, transformed::OF_THE_BODY},
};

/// How long a caller waits for another one's answer before it asks by itself.
pub(super) const WAIT: Duration = Duration::from_secs(5);

/// With which a caller asks whether what it has is still current.
pub(super) const QUESTIONS: [HeaderName; 2] = [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE];

/// What is to become of the answer that is being waited for.
#[derive(Debug)]
pub(in crate::proxy) struct Expected {
    pub(super) caching: Arc<Caching>,
    pub(super) key: Key,
    /// Where the answer is kept, as far as it is known by which headers answers differ.
    pub(super) place: Key,
    pub(super) names: Names,
    pub(super) method: Method,
    /// The caller's headers.
    pub(super) headers: HeaderMap,
    pub(super) shares_credential: bool,
    pub(super) asked: Instant,
    /// What is kept and no longer fresh.
    pub(super) old: Option<Arc<Entry>>,
    /// Whether it may be given when no newer one can be had.
    pub(super) if_error: bool,
    /// Whether the upstream was asked for something newer than it.
    pub(super) revalidates: bool,
    pub(super) leader: Option<Leader>,
}

/// What the cache has for a request.
pub(super) enum Kept {
    Fresh(Arc<Entry>),
    Stale {
        old: Arc<Entry>,
        while_revalidate: bool,
        if_error: bool,
    },
    Nothing,
    /// Nothing, and waiting for others would be in vain.
    Passing,
}

/// What is kept for a request, and where.
pub(super) fn look(caching: &Caching, key: &Key, headers: &HeaderMap, wanted: &Directives) -> (Key, Kept) {
    let now = Instant::now();
    let (place, found) = caching.store.find(key, |names| variant(key, names, headers), now);
    let entry = match found {
        Found::Nothing => return (place, Kept::Nothing),
        Found::Passing => return (place, Kept::Passing),
        Found::Answer(entry) => entry,
    };
    let too_old = wanted.no_cache || wanted.max_age.is_some_and(|most| entry.age(now).as_secs() > most);
    let kept = match entry.usable(now) {
        Use::Fresh if !too_old => Kept::Fresh(entry),
        Use::Fresh => Kept::Stale {
            old: entry,
            while_revalidate: false,
            if_error: false,
        },
        Use::Stale {
            while_revalidate,
            if_error,
        } => Kept::Stale {
            old: entry,
            while_revalidate: while_revalidate && !too_old,
            if_error,
        },
    };
    (place, kept)
}

impl Expected {
    fn look(&mut self, wanted: &Directives) -> Kept {
        let (place, kept) = look(&self.caching, &self.key, &self.headers, wanted);
        self.place = place;
        kept
    }

    /// Waits for whoever asks the upstream for the same thing. None when it is this one's turn to ask, or when waiting
    /// was in vain.
    pub(super) async fn take_turn(&mut self, wanted: &Directives) -> Option<Arc<Entry>> {
        let deadline = tokio::time::Instant::now() + WAIT;
        loop {
            match self.look(wanted) {
                Kept::Fresh(entry) => return Some(entry),
                Kept::Passing => return None,
                Kept::Stale { .. } | Kept::Nothing => {}
            }
            match self.caching.store.turn(&self.place, WAIT) {
                Turn::Lead(leader) => {
                    self.leader = Some(leader);
                    // Whoever led before may have kept an answer since we looked.
                    return match self.look(wanted) {
                        Kept::Fresh(entry) => {
                            self.leader = None;
                            Some(entry)
                        }
                        _ => None,
                    };
                }
                Turn::Wait(mut ended) => {
                    if tokio::time::timeout_at(deadline, ended.changed()).await.is_err() {
                        return None;
                    }
                }
            }
        }
    }

    /// Whether the answer could be that the caller has it already, which nobody else could be given.
    pub(super) fn asks_for_itself(&self) -> bool {
        self.question().is_none() && QUESTIONS.iter().any(|name| self.headers.contains_key(name))
    }

    /// Asks for something newer than what is kept. What the caller has is compared with the answer to that.
    pub(super) fn revalidate(&mut self, headers: &mut HeaderMap) {
        let Some((question, known)) = self.question() else {
            return;
        };
        for name in QUESTIONS {
            headers.remove(name);
        }
        headers.insert(question, known);
        self.revalidates = true;
    }

    fn question(&self) -> Option<(HeaderName, HeaderValue)> {
        let old = self.old.as_ref()?;
        let known = [header::ETAG, header::LAST_MODIFIED].map(|name| old.headers.get(name));
        let mut questions = QUESTIONS.into_iter().zip(known);
        questions.find_map(|(question, known)| Some((question, known?.clone())))
    }

    /// What was kept, with what the upstream says of it now (RFC 9111, section 4.3.4).
    pub(super) fn renewed(&self, told: &HeaderMap) -> Option<Arc<Entry>> {
        let old = self.old.as_ref()?;
        let mut headers = old.headers.clone();
        let mut told = told.clone();
        clean(&mut told);
        for name in [
            header::CONTENT_LENGTH,
            header::CONTENT_ENCODING,
            header::CONTENT_TYPE,
            header::CONTENT_RANGE,
        ] {
            told.remove(name);
        }
        // Of the upstream's body: where what is kept was made of it, it lost them.
        for name in OF_THE_BODY.iter().filter(|name| !old.headers.contains_key(*name)) {
            told.remove(name);
        }
        for name in told.keys() {
            headers.remove(name);
        }
        headers.extend(unattached(told));
        let lifetime = self.lifetime(StatusCode::OK, &headers);
        let mut names = self.names.clone();
        self.caching.add_tags(&headers, &mut names);
        let entry = Arc::new(Entry {
            body: old.body.clone(),
            lifetime: lifetime.unwrap_or_default(),
            received: Instant::now(),
            headers,
            names,
        });
        if lifetime.is_some() {
            self.caching.store.renew(&self.place, Arc::clone(&entry));
        }
        Some(entry)
    }

    fn lifetime(&self, status: StatusCode, headers: &HeaderMap) -> Option<Lifetime> {
        let lifetime = rules::lifetime(
            status,
            headers,
            self.caching.longest,
            self.shares_credential,
            SystemTime::now(),
        )?;
        // What it aged on its way counts (RFC 9111, section 4.2.3).
        lifetime.aged(self.asked.elapsed())
    }

    /// Takes in an answer, if it may be kept. An answer that may not has nobody wait for the next one.
    pub(super) fn recorder(
        mut self: Box<Self>,
        parts: &response::Parts,
        incoming: &impl Body,
        held: HeldBody,
    ) -> Option<Box<Recorder>> {
        if self.method != Method::GET {
            return None;
        }
        let Some(lifetime) = self.may_keep(parts, incoming) else {
            // That a caller has it already says nothing of what others get.
            if self.old.is_none() && parts.status != StatusCode::NOT_MODIFIED {
                self.caching.store.pass(&self.place, Instant::now());
            }
            return None;
        };
        let vary: Arc<[HeaderName]> = rules::vary(&parts.headers)?.into();
        let variant = (!vary.is_empty()).then(|| {
            let key = variant(&self.key, &vary, &self.headers);
            (vary, key)
        });
        let mut headers = parts.headers.clone();
        clean(&mut headers);
        let headers = unattached(headers);
        self.caching.add_tags(&headers, &mut self.names);
        Some(Box::new(Recorder {
            most: self.caching.store.max_body(),
            received: Instant::now(),
            expected: self,
            variant,
            headers,
            lifetime,
            held,
        }))
    }

    /// For how long the answer may be kept, if it may be.
    fn may_keep(&self, parts: &response::Parts, incoming: &impl Body) -> Option<Lifetime> {
        let length = incoming.size_hint().exact();
        let most = self.caching.store.max_body();
        if !has_an_end(parts) || length.is_some_and(|length| length > most) {
            return None;
        }
        rules::vary(&parts.headers)?;
        self.lifetime(parts.status, &parts.headers)
    }
}

/// Whether the end of a body can be told from a connection that broke.
fn has_an_end(parts: &response::Parts) -> bool {
    parts.version == Version::HTTP_2
        || parts.headers.contains_key(header::CONTENT_LENGTH)
        || parts.headers.contains_key(header::TRANSFER_ENCODING)
}

/// Takes away what is of one connection or one request, and what is said anew each time.
fn clean(headers: &mut HeaderMap) {
    head::strip_hop_by_hop(headers);
    for name in [header::AGE, head::REQUEST_ID, CACHE_STATUS] {
        headers.remove(name);
    }
}

/// The same headers in memory of their own: those of an answer are parts of the buffer in which it came, which may be much
/// larger than what is counted.
fn unattached(mut headers: HeaderMap) -> HeaderMap {
    for value in headers.values_mut() {
        if let Ok(mut copy) = HeaderValue::from_bytes(value.as_bytes()) {
            copy.set_sensitive(value.is_sensitive());
            *value = copy;
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn headers_that_are_kept_hold_on_to_nothing_else() {
        let buffer = Bytes::from(vec![b'x'; 32 * 1024]);
        let value = HeaderValue::from_maybe_shared(buffer.slice(..10)).expect("a value");
        let headers = HeaderMap::from_iter([(header::ETAG, value)]);
        let kept = unattached(headers.clone());
        assert_eq!(kept, headers);
        drop(headers);
        assert!(buffer.is_unique());
    }
}
