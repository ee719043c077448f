//! What belongs to a REST API and is made, listed, read, changed and deleted alike.

use super::patch::{Patch, patches};
use crate::control::{AwsError, Call, Page, Reply, page};
use crate::place::{Definition, Entities, Entity, Place};

/// How a member is changed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    Truth,
    Integer,
}

/// A collection of an API.
#[derive(Debug)]
pub(super) struct Collection {
    pub(super) of: fn(&mut Definition) -> &mut Entities,
    /// The part of the path that names one of them.
    pub(super) label: &'static str,
    /// What is said when there is no such one.
    pub(super) missing: &'static str,
    /// The members that can be changed.
    pub(super) changeable: &'static [(&'static str, Kind)],
}

impl Collection {
    pub(super) fn list(&self, call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
        let all = (self.of)(&mut call.rest_api(place)?.definition);
        page(call, Page::REST, all, Clone::clone)
    }

    pub(super) fn found<'p>(
        &self,
        call: &Call<'_>,
        place: &'p mut Place,
    ) -> Result<&'p mut Entity, AwsError> {
        let all = (self.of)(&mut call.rest_api(place)?.definition);
        all.get_mut(call.label(self.label))
            .ok_or_else(|| AwsError::not_found(self.missing))
    }

    pub(super) fn read(&self, call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
        Ok(Reply::of(self.found(call, place)?.clone()))
    }

    /// Keeps a new one under its id or name.
    pub(super) fn put(
        &self,
        call: &Call<'_>,
        place: &mut Place,
        key: &str,
        made: Entity,
    ) -> Result<Reply, AwsError> {
        let all = (self.of)(&mut call.rest_api(place)?.definition);
        all.insert(key.to_owned(), made.clone());
        Ok(Reply::of(made))
    }

    pub(super) fn update(&self, call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
        let patches = patches(call)?;
        let found = self.found(call, place)?;
        let mut changed = found.clone();
        for patch in &patches {
            self.apply(&mut changed, patch)?;
        }
        *found = changed.clone();
        Ok(Reply::of(changed))
    }

    fn apply(&self, entity: &mut Entity, patch: &Patch) -> Result<(), AwsError> {
        let name = patch.path.trim_start_matches('/');
        match self.changeable.iter().find(|(known, _)| *known == name) {
            Some((_, Kind::Text)) => patch.set_text(entity, name),
            Some((_, Kind::Truth)) => patch.set_bool(entity, name),
            Some((_, Kind::Integer)) => patch.set_integer(entity, name),
            None => {
                let paths: Vec<String> = self
                    .changeable
                    .iter()
                    .map(|(name, _)| format!("/{name}"))
                    .collect();
                let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
                Err(patch.invalid(&paths))
            }
        }
    }

    pub(super) fn delete(&self, call: &Call<'_>, place: &mut Place) -> Result<Reply, AwsError> {
        self.found(call, place)?;
        let all = (self.of)(&mut call.rest_api(place)?.definition);
        all.remove(call.label(self.label));
        Ok(Reply::Empty)
    }
}
