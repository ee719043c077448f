//! The cloud: accounts and regions, who may call, quotas, faults, and what Lambda functions decide.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, Method};
use serde_json::Value;

use crate::clock::Clock;
use crate::control::{self, ControlRequest};
use crate::data::Traffic;
use crate::faults::Faults;
use crate::identity::AccessKey;
use crate::options::{Decision, FakeAwsOptions};
use crate::place::Place;
use crate::queues::Queues;
use crate::quotas::Buckets;

/// An account and a region.
pub(crate) type PlaceName = (String, String);

/// Everything that calls share.
#[derive(Debug)]
pub(crate) struct Cloud {
    pub(crate) options: FakeAwsOptions,
    pub(crate) faults: Faults,
    pub(crate) traffic: Traffic,
    pub(crate) queues: Queues,
    buckets: Mutex<Buckets>,
    places: Mutex<BTreeMap<PlaceName, Place>>,
    /// Access keys that STS has given out.
    sessions: Mutex<Vec<AccessKey>>,
    decisions: Mutex<HashMap<(String, String), Decision>>,
}

impl Cloud {
    pub(crate) fn new(options: FakeAwsOptions) -> io::Result<Self> {
        for key in &options.access_keys {
            key.check()?;
        }
        Ok(Self {
            options,
            faults: Faults::default(),
            traffic: Traffic::new()?,
            queues: Queues::default(),
            buckets: Mutex::default(),
            places: Mutex::default(),
            sessions: Mutex::default(),
            decisions: Mutex::default(),
        })
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.options.clock
    }

    /// Looks at or changes what an account has in a region.
    pub(crate) fn in_place<T>(&self, name: &PlaceName, act: impl FnOnce(&mut Place) -> T) -> T {
        act(locked(&self.places).entry(name.clone()).or_default())
    }

    /// Looks through what all accounts have in all regions.
    pub(crate) fn anywhere<T>(&self, find: impl FnMut((&PlaceName, &mut Place)) -> Option<T>) -> Option<T> {
        locked(&self.places).iter_mut().find_map(find)
    }

    /// The access key with an id.
    pub(crate) fn access_key(&self, id: &str) -> Option<AccessKey> {
        let configured = self.options.access_keys.iter().find(|key| key.id == id);
        configured
            .cloned()
            .or_else(|| locked(&self.sessions).iter().find(|key| key.id == id).cloned())
    }

    /// Remembers an access key that STS gives out.
    pub(crate) fn open_session(&self, key: AccessKey) {
        locked(&self.sessions).push(key);
    }

    pub(crate) fn buckets(&self) -> MutexGuard<'_, Buckets> {
        locked(&self.buckets)
    }

    /// What a Lambda function says of a token from now on.
    pub(crate) fn decide(&self, function: &str, token: &str, decision: Decision) {
        locked(&self.decisions).insert((function.to_owned(), token.to_owned()), decision);
    }

    /// What a Lambda function says of a token.
    pub(crate) fn decision(&self, function: &str, token: &str) -> Decision {
        let decisions = locked(&self.decisions);
        let said = decisions.get(&(function.to_owned(), token.to_owned()));
        said.copied().unwrap_or(Decision::Deny)
    }

    /// A region of the account that the first access key belongs to.
    pub(crate) fn own(&self, region: &str) -> PlaceName {
        let account = self.options.access_keys.first().map(|key| key.account.clone());
        (account.unwrap_or_default(), region.to_owned())
    }

    /// A call past signature, permissions, quotas and faults.
    pub(crate) fn call(&self, region: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let (Ok(method), Ok(uri)) = (method.parse::<Method>(), path.parse()) else {
            return (400, Value::from("the method or the path is none of HTTP"));
        };
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let place = self.own(region);
        let request = ControlRequest::new(method, &uri, HeaderMap::new(), body.into());
        let answer = control::perform(self, &place, &request);
        let body = serde_json::from_slice(&answer.body).unwrap_or_default();
        (answer.status, body)
    }
}

/// A lock whose former holder may have died: a test sees what was there.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
