//! CPU time per proxied request: nginx, and the native gateway without and with policies, measured in turn.

use anyhow::Context as _;
use gatehouse_integration_tests::{
    database::Database,
    stack::{Stack, api, api_key_policy, secret},
    wait,
};
use serde_json::json;

use crate::{nginx::Nginx, process_cost::cpu_time, report::Proxying, wrk::Load};

const KEY: &str = "a-benchmark-key-of-a-usual-length";

/// One thing that is measured.
struct Candidate {
    name: &'static str,
    url: String,
    headers: Vec<String>,
    process: u32,
}

pub(crate) async fn measure(load: &Load, rounds: usize) -> anyhow::Result<Vec<Proxying>> {
    let folder = tempfile::tempdir()?;
    let backend = Nginx::backend(folder.path())?;
    let proxy = Nginx::proxy(folder.path(), backend.address)?;
    let mut stack = Stack::start(Database::Sqlite).await;
    deploy(&stack, &format!("http://{}", backend.address)).await;
    let gateway = stack.gateway.process().id();
    let candidates = [
        Candidate {
            name: "nginx",
            url: format!("http://{}/plain/1", proxy.address),
            headers: Vec::new(),
            process: proxy.process.id(),
        },
        Candidate {
            name: "gateway, pass-through",
            url: stack.gateway.url("/plain/1"),
            headers: Vec::new(),
            process: gateway,
        },
        Candidate {
            name: "gateway, auth.apiKey + headers",
            url: stack.gateway.url("/protected/1"),
            headers: vec![format!("x-api-key: {KEY}")],
            process: gateway,
        },
    ];
    for candidate in &candidates {
        ready(candidate).await;
        let warm_up = Load { seconds: 1, ..*load };
        warm_up.run(&candidate.url, &candidate.headers)?;
    }
    let mut results: Vec<Proxying> = candidates
        .iter()
        .map(|candidate| Proxying::new(candidate.name))
        .collect();
    for round in 0..rounds {
        for turn in 0..candidates.len() {
            let index = (round + turn) % candidates.len();
            let cost = measure_once(&candidates[index], load)?;
            results[index].microseconds.push(cost);
        }
    }
    Ok(results)
}

async fn deploy(stack: &Stack, backend: &str) {
    let mut protected = api("protected", backend);
    protected["spec"]["policies"] = json!([
        api_key_policy("benchmark", "benchmark-key"),
        {"type": "headers", "with": {
            "request": {"set": {"x-from": "gatehouse"}, "remove": ["x-unwanted"]},
            "response": {"set": {"x-served-by": "gatehouse"}, "remove": ["server"]},
        }},
    ]);
    stack
        .admin
        .apply(json!([
            secret("benchmark-key", KEY),
            api("plain", backend),
            protected
        ]))
        .await;
    for name in ["plain", "protected"] {
        stack.admin.deploy_and_wait(name, None, "local").await;
    }
}

/// Waits until the candidate answers as it should: 200 and 1 KiB.
async fn ready(candidate: &Candidate) {
    let http = reqwest::Client::new();
    wait::until_true(&format!("{} answers", candidate.url), async || {
        let mut request = http.get(&candidate.url);
        for header in &candidate.headers {
            if let Some((name, value)) = header.split_once(": ") {
                request = request.header(name, value);
            }
        }
        let Ok(response) = request.send().await else {
            return false;
        };
        response.status() == 200 && response.bytes().await.is_ok_and(|body| body.len() == 1_024)
    })
    .await;
}

fn measure_once(candidate: &Candidate, load: &Load) -> anyhow::Result<f64> {
    let before = cpu_time(candidate.process)?;
    let requests = load.run(&candidate.url, &candidate.headers)?;
    let spent = cpu_time(candidate.process)?.saturating_sub(before);
    let requests = u32::try_from(requests).context("more requests than fit")?;
    Ok(spent.as_secs_f64() * 1_000_000.0 / f64::from(requests.max(1)))
}
