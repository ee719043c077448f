//! A consumer's request to a gateway.

use std::time::Duration;

use crate::{gateway::GatewayAnswer, sample};

/// How long a consumer waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks a gateway for a path below an endpoint URL, with the key of the suite's samples or without one. No answer is
/// status 0.
pub async fn ask(endpoint_url: &str, path: &str, key: Option<&str>) -> GatewayAnswer {
    const NO_ANSWER: GatewayAnswer = GatewayAnswer { status: 0 };
    let Ok(client) = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .build()
    else {
        return NO_ANSWER;
    };
    let mut request = client.get(format!("{}{path}", endpoint_url.trim_end_matches('/')));
    if let Some(key) = key {
        request = request.header(sample::KEY_HEADER, key);
    }
    request.send().await.map_or(NO_ANSWER, |answer| GatewayAnswer {
        status: answer.status().as_u16(),
    })
}
