//! Looking whether an endpoint that is out works again, so that requests come back soon and none has to find out.

use std::{sync::Arc, time::Duration};

use http::{Method, Uri};
use tokio::{
    runtime::Handle,
    time::{sleep, timeout},
};

use super::{Endpoint, connect, fetch, uptime};
use crate::policy::retry::is_unavailable;

/// From one look to the next.
const EVERY: Duration = Duration::from_millis(500);

/// How long a look may take.
const LONGEST: Duration = Duration::from_secs(2);

/// How to look.
#[derive(Debug, Clone)]
pub(crate) enum Look {
    /// As the check of its health asks, for this path.
    Check(Uri),
    /// With `OPTIONS *`, which asks for nothing (RFC 9110, section 9.3.7). Any answer will do but 502, 503 and 504.
    Ask,
    /// By opening a connection for HTTP/2, whose requests need more than can be guessed.
    Connect,
}

/// How endpoints that are out are looked at, and where.
#[derive(Debug)]
pub(crate) struct Probe {
    pub(crate) look: Look,
    pub(crate) runtime: Handle,
}

impl Probe {
    /// Looks at an endpoint until it is back, unless somebody does so already.
    pub(crate) fn watch(&self, endpoint: &Arc<Endpoint>) {
        if !endpoint.ejection.begin_watch() {
            return;
        }
        let (watched, look) = (Arc::downgrade(endpoint), self.look.clone());
        self.runtime.spawn(async move {
            while let Some(endpoint) = watched.upgrade() {
                if endpoint.ejection.has_ended_watch() {
                    return;
                }
                let works = timeout(LONGEST, works(&endpoint, &look)).await.unwrap_or(false);
                endpoint.ejection.probed(uptime(), works);
                drop(endpoint);
                sleep(EVERY).await;
            }
        });
    }
}

async fn works(endpoint: &Endpoint, look: &Look) -> bool {
    match look {
        Look::Check(path) => {
            let status = fetch::status(endpoint, Method::GET, path).await;
            status.is_ok_and(|status| status.is_success() || status.is_redirection())
        }
        Look::Ask => {
            let status = fetch::status(endpoint, Method::OPTIONS, &Uri::from_static("*")).await;
            status.is_ok_and(|status| !is_unavailable(status))
        }
        Look::Connect => connect::connect_http2(endpoint).await.is_ok(),
    }
}
