//! Constant load on a deployed API, with every answer accounted for.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::Value;
use tokio::task::JoinSet;

type Answers = Arc<Mutex<BTreeMap<String, u64>>>;

/// Clients that call one URL again and again.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    answers: Answers,
    clients: JoinSet<()>,
}

impl Load {
    pub(crate) fn start(clients: usize, url: &str) -> Self {
        let (stop, answers) = (Arc::default(), Answers::default());
        let mut running = JoinSet::new();
        for _ in 0..clients {
            running.spawn(client(url.to_owned(), Arc::clone(&stop), Arc::clone(&answers)));
        }
        Self {
            stop,
            answers,
            clients: running,
        }
    }

    /// How often each answer was seen, once every request that is under way is answered.
    pub(crate) async fn finish(mut self) -> BTreeMap<String, u64> {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
        self.answers.lock().unwrap().clone()
    }
}

async fn client(url: String, stop: Arc<AtomicBool>, answers: Answers) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    while !stop.load(Ordering::SeqCst) {
        let seen = match http.get(&url).send().await {
            Ok(response) => {
                let status = response.status().as_u16();
                let body: Value = response.json().await.unwrap_or_default();
                format!("{status} {}", body["upstream"].as_str().unwrap_or("?"))
            }
            Err(error) => error.to_string(),
        };
        *answers.lock().unwrap().entry(seen).or_default() += 1;
    }
}
