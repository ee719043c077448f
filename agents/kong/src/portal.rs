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

use gatehouse_connector_sdk::error::{Error, ErrorKind, Result, chain};

pub(crate) use self::document::{Content, Document};
use crate::client::{Client, node::Edition};

/// What is known of the definitions of a Kong's services.
#[derive(Debug, Default)]
pub(crate) struct Portal {
    documents: BTreeMap<String, Vec<Document>>,
    /// In place of all documents, if the portal may not be read.
    refused: Option<Document>,
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
    /// [`Content`], and so is a portal that the token may not read: services are found without it. An error means that
    /// it could not be asked now.
    pub(crate) async fn look(client: &Client, edition: Edition, services: &[&str]) -> Result<Self> {
        let found = match edition {
            Edition::OpenSource => Ok(Vec::new()),
            Edition::Enterprise => classic::look(client, services).await,
            Edition::Konnect => catalogue::look(client, services).await,
        };
        match found {
            Ok(found) => Ok(Self::of(found)),
            Err(error) if matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::NotFound) => {
                Ok(Self::refused(&error))
            }
            Err(error) => Err(error),
        }
    }

    fn refused(error: &Error) -> Self {
        let refused = Document {
            place: "the portal".to_owned(),
            content: Content::Unreadable(chain(error)),
        };
        Self {
            documents: BTreeMap::new(),
            refused: Some(refused),
        }
    }

    fn of(found: Vec<(String, Document)>) -> Self {
        let mut documents: BTreeMap<String, Vec<Document>> = BTreeMap::new();
        for (service, document) in found {
            documents.entry(service).or_default().push(document);
        }
        Self {
            documents,
            refused: None,
        }
    }

    /// Everything that the portal has for a service.
    pub(crate) fn documents(&self, service: &str) -> &[Document] {
        let documents = self.documents.get(service).map(Vec::as_slice);
        documents.unwrap_or(self.refused.as_slice())
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
