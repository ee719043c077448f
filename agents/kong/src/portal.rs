//! Definitions of APIs where Kong keeps them: the Developer Portal of Kong Enterprise, and Konnect's API catalogue.
//!
//! A definition is always found for a Kong service. One that is there and cannot be read is told with the reason, so that
//! nobody takes it for one that is not there.

mod catalogue;
mod classic;
mod document;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use gatehouse_connector_sdk::error::Result;

pub(crate) use self::document::{Content, Document};
use crate::client::{Client, node::Edition};

/// What is known of the definitions of a Kong's services.
#[derive(Debug, Default)]
pub(crate) struct Portal {
    documents: BTreeMap<String, Vec<Document>>,
}

/// What a portal has for one service.
#[derive(Debug)]
pub(crate) enum Finding<'a> {
    /// Nothing: what the API is, only its routes say.
    Nothing,
    /// A definition that was read.
    Definition(&'a Document),
    /// Something in a language other than OpenAPI, which is named.
    Other(&'a Document, &'a str),
    /// Something that could not be read, and why.
    Unreadable(&'a Document, &'a str),
}

impl Portal {
    /// Asks the portal that belongs to a Kong about services, given by their ids.
    ///
    /// A Kong without a portal has definitions for none. What concerns a single definition is in its
    /// [`Content`]; an error means that the portal as a whole could not be asked.
    pub(crate) async fn look(client: &Client, edition: Edition, services: &[&str]) -> Result<Self> {
        match edition {
            Edition::OpenSource => Ok(Self::default()),
            Edition::Enterprise => classic::look(client, services).await.map(Self::of),
            Edition::Konnect => catalogue::look(client, services).await.map(Self::of),
        }
    }

    fn of(found: Vec<(String, Document)>) -> Self {
        let mut documents: BTreeMap<String, Vec<Document>> = BTreeMap::new();
        for (service, document) in found {
            documents.entry(service).or_default().push(document);
        }
        Self { documents }
    }

    /// Everything that the portal has for a service.
    pub(crate) fn documents(&self, service: &str) -> &[Document] {
        self.documents.get(service).map_or(&[], Vec::as_slice)
    }

    /// The best that the portal has for a service: a definition before what could not be read, which may have been
    /// one, before anything else.
    pub(crate) fn finding(&self, service: &str) -> Finding<'_> {
        let documents = self.documents(service);
        match documents.iter().min_by_key(|document| document.content.rank()) {
            None => Finding::Nothing,
            Some(best) => match &best.content {
                Content::Definition(_) => Finding::Definition(best),
                Content::Unreadable(reason) => Finding::Unreadable(best, reason),
                Content::Other(language) => Finding::Other(best, language),
            },
        }
    }
}
