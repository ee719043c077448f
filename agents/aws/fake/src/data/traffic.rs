//! What the data plane remembers between requests: connections to upstreams.

use std::io;

/// Everything that outlives one request.
#[derive(Debug)]
pub(crate) struct Traffic {
    pub(crate) client: reqwest::Client,
}

impl Traffic {
    pub(crate) fn new() -> io::Result<Self> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .http1_only()
            .build()
            .map_err(io::Error::other)?;
        Ok(Self { client })
    }
}
