//! All APIs at one moment, and how one moment follows another.

use std::collections::{BTreeMap, BTreeSet};

use super::{Refused, paths, validity};
use crate::client::documents::{Api, Document, Listing, Summary};

/// What every position of a listing begins with.
const AFTER: &str = "after:";

/// All APIs at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    apis: BTreeMap<String, Api>,
    damaged: BTreeSet<String>,
    /// The last version given to anything: an API that is removed and made again does not get an old one.
    version: u64,
}

/// What must be there for a change to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    /// `If-Match`: this version.
    pub if_match: Option<String>,
    /// `If-None-Match: *`: nothing.
    pub if_none_match: Option<String>,
}

impl Condition {
    fn check(&self, id: &str, present: Option<&Api>) -> Result<(), Refused> {
        let moved = |what: &str| Err(Refused::new(412, "moved", format!("`{id}` {what}")));
        if self.if_none_match.is_some() && present.is_some() {
            return moved("is there already");
        }
        let version = present.map(|present| format!("\"{}\"", present.version));
        match &self.if_match {
            Some(_) if self.if_match != version => moved("is not at this version any more"),
            _ => Ok(()),
        }
    }
}

impl Table {
    pub(super) fn apis(&self) -> impl Iterator<Item = &Api> {
        self.apis.values()
    }

    /// A page of the listing.
    pub(super) fn list(
        &self,
        position: Option<&str>,
        limit: usize,
        label: Option<(&str, &str)>,
    ) -> Result<Listing, Refused> {
        let after = position.map(|position| position.strip_prefix(AFTER).ok_or_else(|| not_taken(position)));
        let after = after.transpose()?;
        let is_wanted = |api: &&Api| {
            let labels = &api.document.labels;
            label.is_none_or(|(name, value)| labels.get(name).is_some_and(|own| own == value))
        };
        let apis = self
            .apis()
            .filter(|api| after.is_none_or(|after| api.id.as_str() > after));
        let mut apis = apis.filter(is_wanted).peekable();
        let items: Vec<_> = apis.by_ref().take(limit).map(summary).collect();
        let next = apis
            .peek()
            .and(items.last())
            .map(|last| format!("{AFTER}{}", last.id));
        Ok(Listing { items, next })
    }

    pub(super) fn get(&self, id: &str) -> Result<&Api, Refused> {
        match self.apis.get(id) {
            None => Err(not_found(id)),
            Some(_) if self.damaged.contains(id) => Err(Refused::new(
                500,
                "damaged",
                format!("what is stored of `{id}` is damaged"),
            )),
            Some(api) => Ok(api),
        }
    }

    pub(super) fn put(
        &mut self,
        id: &str,
        document: Document,
        condition: &Condition,
    ) -> Result<Api, Refused> {
        condition.check(id, self.apis.get(id))?;
        validity::check(&document.service)?;
        let same_place = |other: &&Api| other.document.service.base_path == document.service.base_path;
        if let Some(other) = self.apis().filter(same_place).find(|other| other.id != id) {
            let (place, owner) = (&document.service.base_path, &other.id);
            return Err(Refused::new(
                409,
                "place-taken",
                format!("`{place}` belongs to `{owner}`"),
            ));
        }
        self.version += 1;
        let api = Api {
            id: id.to_owned(),
            version: self.version,
            document,
        };
        self.damaged.remove(id);
        self.apis.insert(id.to_owned(), api.clone());
        Ok(api)
    }

    pub(super) fn delete(&mut self, id: &str, condition: &Condition) -> Result<(), Refused> {
        let present = self.apis.get(id).ok_or_else(|| not_found(id))?;
        condition.check(id, Some(present))?;
        self.version += 1;
        self.apis.remove(id);
        self.damaged.remove(id);
        Ok(())
    }

    pub(super) fn damage(&mut self, id: &str) {
        self.damaged.insert(id.to_owned());
    }

    /// The API that a request is for, and what is left of its path at the upstream.
    pub(super) fn route<'a>(&self, method: &str, path: &'a str) -> Result<(&Api, &'a str), Refused> {
        let nothing = || Refused::new(404, "not-found", "nothing is served here");
        let reached = |api: &&Api| paths::below(&api.document.service.base_path, path).is_some();
        let reached = self
            .apis()
            .filter(|api| !self.damaged.contains(&api.id))
            .filter(reached);
        let api = reached.max_by_key(|api| api.document.service.base_path.len());
        let api = api.ok_or_else(nothing)?;
        let rest = paths::below(&api.document.service.base_path, path).unwrap_or(path);
        let routes = &api.document.service.routes;
        let mut fitting = routes
            .iter()
            .filter(|route| paths::matches(&route.path, rest))
            .peekable();
        if routes.is_empty() {
            return Ok((api, rest));
        }
        fitting.peek().ok_or_else(nothing)?;
        let mut methods = fitting.map(|route| route.method.as_str());
        match methods.any(|own| own == "*" || own == method) {
            true => Ok((api, rest)),
            false => Err(Refused::new(
                405,
                "no-such-method",
                "the API has no such operation",
            )),
        }
    }
}

fn summary(api: &Api) -> Summary {
    Summary {
        id: api.id.clone(),
        version: api.version,
        name: api.document.service.name.clone(),
        tags: api.document.tags.clone(),
    }
}

fn not_found(id: &str) -> Refused {
    Refused::new(404, "not-found", format!("there is no API `{id}`"))
}

fn not_taken(position: &str) -> Refused {
    let error = format!("{position:?} is no position of this listing");
    Refused::new(400, "position-not-taken", error)
}
