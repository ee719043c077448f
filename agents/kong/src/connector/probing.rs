//! Asks the proxy whether it serves what was deployed: it follows the Admin API after some seconds.

use std::time::Duration;

use gatehouse_connector_sdk::{
    context::Context,
    error::{Error, ErrorKind, Result},
};
use tokio::time::{Instant, sleep, timeout};

use crate::{config::KongSettings, translate::probe_path};

/// Between two questions; it grows, since most nodes look for changes once in 5 s.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
];

/// Ends when the proxy knows the generation of a service; at once if nobody said where the proxy is.
pub(super) async fn served(
    http: &reqwest::Client,
    context: &Context,
    settings: &KongSettings,
    service: &str,
) -> Result<()> {
    let Some(proxy) = &settings.proxy_url else {
        return Ok(());
    };
    let url = format!("{}{}", proxy.trim_end_matches('/'), probe_path(service));
    let patience = Duration::from_millis(settings.propagation_timeout_ms.into());
    let end = Instant::now() + patience;
    let mut pauses = PAUSES.into_iter();
    let mut pause = PAUSES[0];
    while Instant::now() < end && !context.cancellation.is_cancelled() {
        let left = end.saturating_duration_since(Instant::now());
        if let Ok(true) = timeout(left, is_known(http, &url)).await {
            return Ok(());
        }
        pause = pauses.next().unwrap_or(pause);
        sleep(pause).await;
    }
    Err(not_served(context, proxy, patience))
}

/// Whatever answers a known route, a security plugin included, is not Kong's answer to an unknown one.
async fn is_known(http: &reqwest::Client, url: &str) -> bool {
    let Ok(response) = http.get(url).send().await else {
        return false;
    };
    let status = response.status().as_u16();
    let body = response.text().await.unwrap_or_default();
    let is_unknown = status == 404 && body.contains("no Route matched");
    !(is_unknown || matches!(status, 502..=504))
}

fn not_served(context: &Context, proxy: &str, patience: Duration) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!(
            "the Admin API took everything, but the proxy at {proxy} did not serve it within {} s; the earlier revision is still there; see that `proxyUrl` of environment `{}` leads to this Kong's proxy, and that its nodes get their configuration",
            patience.as_secs(),
            context.environment.name
        ),
    )
}
