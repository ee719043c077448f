//! What people and other tools do on an in-memory gateway behind Gatehouse's back.

use std::io;

use gatehouse_schemas::{identity::ExternalRef, revision::RevisionContent};
use serde_json::Value;

use super::{MemoryGateway, StoredApi};

impl MemoryGateway {
    /// Puts in an API that somebody else made.
    pub fn add_foreign(&self, name: &str, content: RevisionContent) -> io::Result<ExternalRef> {
        self.create(StoredApi::foreign(name, content), &[])
    }

    /// Changes what an API is. Fails if there is none of this identity.
    pub fn edit(
        &self,
        external_ref: &ExternalRef,
        change: impl FnOnce(&mut RevisionContent),
    ) -> io::Result<()> {
        self.edit_api(external_ref, |api| change(&mut api.content))
    }

    /// Gives an API another name. What it is stays the same.
    pub fn rename(&self, external_ref: &ExternalRef, name: &str) -> io::Result<()> {
        self.edit_api(external_ref, |api| name.clone_into(&mut api.name))
    }

    /// Gives an API other tags.
    pub fn set_tags(&self, external_ref: &ExternalRef, tags: &[&str]) -> io::Result<()> {
        self.edit_api(external_ref, |api| {
            api.tags = tags.iter().map(ToString::to_string).collect();
        })
    }

    /// Gives an API a machine-readable description.
    pub fn set_definition(&self, external_ref: &ExternalRef, definition: Value) -> io::Result<()> {
        self.edit_api(external_ref, |api| api.definition = Some(definition))
    }

    /// Takes our mark off an API.
    pub fn lose_mark(&self, external_ref: &ExternalRef) -> io::Result<()> {
        self.edit_api(external_ref, |api| {
            api.mark = None;
            api.secrets.clear();
        })
    }

    /// Deletes an API. Fails if there is none of this identity.
    pub fn delete(&self, external_ref: &ExternalRef) -> io::Result<()> {
        self.change(|contents| contents.apis.remove(external_ref))?
            .map(drop)
            .ok_or_else(|| nothing_there(external_ref))
    }

    fn edit_api(&self, external_ref: &ExternalRef, edit: impl FnOnce(&mut StoredApi)) -> io::Result<()> {
        self.change(|contents| {
            let api = contents.apis.get_mut(external_ref)?;
            edit(api);
            api.refresh();
            api.version += 1;
            Some(())
        })?
        .ok_or_else(|| nothing_there(external_ref))
    }
}

fn nothing_there(external_ref: &ExternalRef) -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        format!("the in-memory gateway holds nothing under `{external_ref}`"),
    )
}
