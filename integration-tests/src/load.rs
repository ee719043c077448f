//! Constant load on a gateway, with every answer accounted for.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use reqwest::header::HeaderMap;
use serde_json::Value;
use tokio::task::JoinSet;

/// Clients that call one URL again and again, each over its own connection.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    answers: Arc<Mutex<BTreeMap<String, u64>>>,
    clients: JoinSet<()>,
}

impl Load {
    /// Starts `clients` clients. `describe` makes of an answer the text by which answers are counted.
    pub fn start(clients: usize, url: &str, describe: fn(u16, &HeaderMap, &Value) -> String) -> Self {
        Self::start_with(clients, url, &HeaderMap::new(), describe)
    }

    /// The same with headers in every request.
    pub fn start_with(
        clients: usize,
        url: &str,
        headers: &HeaderMap,
        describe: fn(u16, &HeaderMap, &Value) -> String,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answers = Arc::default();
        let mut running = JoinSet::new();
        for _ in 0..clients {
            running.spawn(client(
                url.to_owned(),
                headers.clone(),
                describe,
                Arc::clone(&stop),
                Arc::clone(&answers),
            ));
        }
        Self {
            stop,
            answers,
            clients: running,
        }
    }

    /// How often each answer was seen so far.
    pub fn answers(&self) -> BTreeMap<String, u64> {
        self.answers.lock().unwrap().clone()
    }

    /// Ends the load once every request that is under way is answered.
    pub async fn finish(mut self) -> BTreeMap<String, u64> {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
        self.answers()
    }
}

async fn client(
    url: String,
    headers: HeaderMap,
    describe: fn(u16, &HeaderMap, &Value) -> String,
    stop: Arc<AtomicBool>,
    answers: Arc<Mutex<BTreeMap<String, u64>>>,
) {
    let builder = reqwest::Client::builder().no_proxy();
    let http = builder.default_headers(headers).build().unwrap();
    while !stop.load(Ordering::SeqCst) {
        let seen = match http.get(&url).send().await {
            Ok(response) => {
                let status = response.status().as_u16();
                let headers = response.headers().clone();
                match response.bytes().await {
                    Ok(body) => {
                        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                        describe(status, &headers, &body)
                    }
                    Err(error) => format!("broken body: {error:?}"),
                }
            }
            Err(error) => format!("no answer: {error:?}"),
        };
        *answers.lock().unwrap().entry(seen).or_default() += 1;
    }
}
