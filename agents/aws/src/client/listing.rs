//! Listings, which AWS answers page by page.

use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use gatehouse_connector_sdk::error::{Error, ErrorKind, Result};

use super::{Account, Clients};

/// As many as a page may have. AWS's default is 25.
pub(crate) const LONGEST_PAGE: i32 = 500;

/// A page of a listing: what is on it, and where the next one begins.
pub(crate) type Page<T> = (Option<Vec<T>>, Option<String>);

impl Account<'_> {
    /// Everything that a listing has, on all of its pages.
    ///
    /// `send` asks for the page at a position, `page` takes the answer apart.
    pub(crate) async fn every<T, A, E, F>(
        &self,
        operation: &'static str,
        object: &str,
        send: impl Fn(&Clients, Option<String>) -> F,
        page: impl Fn(A) -> Page<T>,
    ) -> Result<Vec<T>>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        F: Future<Output = std::result::Result<A, SdkError<E, HttpResponse>>>,
    {
        let mut all = Vec::new();
        let mut position: Option<String> = None;
        loop {
            let asked = self.call(operation, object, |clients| send(clients, position.clone()));
            let (items, next) = page(asked.await?);
            all.extend(items.unwrap_or_default());
            match next.filter(|next| !next.is_empty()) {
                None => return Ok(all),
                next if next == position => return Err(endless(operation, object)),
                next => position = next,
            }
        }
    }
}

fn endless(operation: &str, object: &str) -> Error {
    Error::new(
        ErrorKind::Unexpected,
        format!(
            "{operation} of {object} names the page it is as the next one, so the listing has no end; see that `endpointUrl` leads to API Gateway"
        ),
    )
}
