//! Asks the proxy whether it serves what was deployed: it follows the Admin API after some seconds.

use std::time::Duration;

use gatehouse_connector_sdk::{
    context::Context,
    error::{Error, ErrorKind, Result},
};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    config::KongSettings,
    translate::{PROBED, probe_path},
};

/// Between two questions; it grows, since most nodes look for changes once in 5 s.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(10),
    Duration::from_millis(25),
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
    match becomes(http, context, settings, service, true).await {
        true => Ok(()),
        false => Err(late(
            context,
            settings,
            "did not serve it; the earlier revision is still there",
        )),
    }
}

/// Ends when the proxy has forgotten the generations of services: until then some requests are answered by them.
pub(super) async fn forgotten(
    http: &reqwest::Client,
    context: &Context,
    settings: &KongSettings,
    services: impl Iterator<Item = &str>,
) -> Result<()> {
    for service in services {
        if !becomes(http, context, settings, service, false).await {
            return Err(late(
                context,
                settings,
                "still answers some requests by the earlier revision",
            ));
        }
    }
    Ok(())
}

/// Asks until the proxy knows a service, or does not know it any more.
async fn becomes(
    http: &reqwest::Client,
    context: &Context,
    settings: &KongSettings,
    service: &str,
    known: bool,
) -> bool {
    let Some(proxy) = &settings.proxy_url else {
        return true;
    };
    let url = format!("{}{}", proxy.trim_end_matches('/'), probe_path(service));
    let end = Instant::now() + patience(settings);
    let mut pauses = PAUSES.into_iter();
    let mut pause = PAUSES[0];
    while Instant::now() < end && !context.cancellation.is_cancelled() {
        let left = end.saturating_duration_since(Instant::now());
        if timeout(left, is_known(http, &url, service)).await == Ok(Some(known)) {
            return true;
        }
        pause = pauses.next().unwrap_or(pause);
        sleep(pause).await;
    }
    false
}

fn patience(settings: &KongSettings) -> Duration {
    Duration::from_millis(settings.propagation_timeout_ms.into())
}

/// Whatever the answer is, one of this generation's route says so; a route of somebody else may take every path. None if
/// what is before the proxy, or behind such a route, is in trouble.
async fn is_known(http: &reqwest::Client, url: &str, service: &str) -> Option<bool> {
    let response = http.get(url).send().await.ok()?;
    let probed = response.headers().get(PROBED);
    let is_its = probed.is_some_and(|probed| probed.as_bytes() == service.as_bytes());
    match response.status().as_u16() {
        502..=504 if !is_its => None,
        _ => Some(is_its),
    }
}

fn late(context: &Context, settings: &KongSettings, what: &str) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!(
            "the Admin API took everything, but after {} s the proxy at {} {what}; see that `proxyUrl` of environment `{}` leads to this Kong's proxy, and that its nodes get their configuration",
            patience(settings).as_secs(),
            settings.proxy_url.as_deref().unwrap_or_default(),
            context.environment.name
        ),
    )
}
