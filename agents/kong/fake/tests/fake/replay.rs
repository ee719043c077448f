//! Every recorded call is sent to the fake in its order; status, content type and body have to be the recorded ones.

use std::collections::BTreeMap;
use std::path::PathBuf;

use gatehouse_fake_kong::{Database, FakeKong, FakeKongOptions, recordings};
use serde_json::Value;

use crate::client::{Answer, call};
use crate::echo;
use crate::normal::{UUID, normal};

/// The port of the upstream of the recordings.
const RECORDED_PORT: u16 = 19999;

#[tokio::test]
async fn says_who_it_is() {
    check("00-root-and-info", Database::Postgres).await;
}

#[tokio::test]
async fn keeps_services() {
    check("01-services", Database::Postgres).await;
}

#[tokio::test]
async fn keeps_routes() {
    check("02-routes", Database::Postgres).await;
}

#[tokio::test]
async fn keeps_upstreams_and_targets() {
    check("03-upstreams-targets", Database::Postgres).await;
}

#[tokio::test]
async fn keeps_plugins() {
    check("04-plugins", Database::Postgres).await;
}

#[tokio::test]
async fn keeps_consumers_and_credentials() {
    check("05-consumers-credentials", Database::Postgres).await;
}

#[tokio::test]
async fn lists_in_pages_and_by_tags() {
    check("06-pagination-tags", Database::Postgres).await;
}

#[tokio::test]
async fn keeps_certificates_keys_and_vaults() {
    check("07-certificates-keys-vaults", Database::Postgres).await;
}

#[tokio::test]
async fn loads_declarative_configurations() {
    check("08-dbless", Database::Off).await;
}

#[tokio::test]
async fn refuses_declarative_configurations_beside_a_database() {
    check("08b-db-mode-config", Database::Postgres).await;
}

#[tokio::test]
async fn serves_an_application_until_it_is_revoked() {
    check("13-provisioning", Database::Postgres).await;
}

/// Replays a transcript on a fresh fake and lists what differs.
async fn check(transcript: &str, database: Database) {
    let options = FakeKongOptions {
        database,
        ..FakeKongOptions::default()
    };
    let exchanges = exchanges(transcript);
    let mut replay = Replay::start(options, &exchanges).await;
    let mut different = Vec::new();
    for (number, exchange) in exchanges.iter().enumerate() {
        if database == Database::Off && is_left_to_chance(exchange) {
            continue;
        }
        let said = replay.exchange(exchange).await;
        let request = &exchange["request"];
        let named = format!(
            "{number} {} {} ({})",
            request["method"], request["path"], exchange["note"]
        );
        different.extend(said.into_iter().map(|said| format!("{named}: {said}")));
    }
    let equal = exchanges.len() - different.len();
    println!("{transcript}: {equal} of {} exchanges are equal", exchanges.len());
    assert!(
        different.is_empty(),
        "{transcript} differs:\n{}",
        different.join("\n")
    );
}

fn exchanges(transcript: &str) -> Vec<Value> {
    let folder: PathBuf = recordings().unwrap();
    let text = std::fs::read_to_string(folder.join(format!("transcripts/{transcript}.json"))).unwrap();
    let recording: Value = serde_json::from_str(&text).unwrap();
    recording["exchanges"].as_array().unwrap().clone()
}

struct Replay {
    kong: FakeKong,
    /// The port of the upstream of this run, when there are calls to the proxy.
    upstream: u16,
    /// Ids of the recording, and what they are in this run.
    ids: BTreeMap<String, String>,
    /// The offset of the last page.
    offset: Option<String>,
}

impl Replay {
    async fn start(options: FakeKongOptions, exchanges: &[Value]) -> Self {
        let kong = FakeKong::start(options).await.unwrap();
        let proxied = exchanges
            .iter()
            .any(|exchange| exchange["request"].get("port").is_some());
        let upstream = if proxied {
            echo::start().await
        } else {
            RECORDED_PORT
        };
        Self {
            kong,
            upstream,
            ids: BTreeMap::new(),
            offset: None,
        }
    }

    /// Sends one call again and says how its answer differs, if it does.
    async fn exchange(&mut self, exchange: &Value) -> Option<String> {
        let (request, recorded) = (&exchange["request"], &exchange["response"]);
        let mut answer = self.send(request).await;
        self.with_recorded_port(&mut answer.body);
        self.learn(request, &recorded["json"], &answer.body);
        let path = request["path"].as_str().unwrap();
        difference(recorded, &answer, depends_on_ids(exchange, path))
    }

    async fn send(&mut self, request: &Value) -> Answer {
        let path = self.with_own_offset(&self.with_own_ids(request["path"].as_str().unwrap()));
        let proxied = request.get("port").is_some();
        let base = if proxied {
            self.kong.proxy_url()
        } else {
            self.kong.admin_url()
        };
        if proxied {
            self.until_the_proxy_follows().await;
        }
        let body = request.get("json").map(Value::to_string);
        let body = body.or_else(|| request["raw"].as_str().map(str::to_owned));
        let body = body.map(|body| self.with_own_ids(&body));
        let method = request["method"].as_str().unwrap();
        call(method, &format!("{base}{path}"), &headers(request, proxied), body).await
    }

    async fn until_the_proxy_follows(&self) {
        let current = self
            .kong
            .with_configuration(|configuration| configuration.clone());
        self.kong
            .seen_by_proxy()
            .wait_for(|seen| **seen == current)
            .await
            .unwrap();
    }

    fn with_own_ids(&self, text: &str) -> String {
        let own = |found: &regex::Captures<'_>| {
            self.ids
                .get(&found[0])
                .cloned()
                .unwrap_or_else(|| found[0].to_owned())
        };
        UUID.replace_all(text, own)
            .replace(&format!(":{RECORDED_PORT}"), &format!(":{}", self.upstream))
    }

    /// The entity that names the upstream has its own port in this run.
    fn with_recorded_port(&self, answer: &mut Value) {
        if answer["port"] == self.upstream {
            answer["port"] = Value::from(RECORDED_PORT);
        }
    }

    fn with_own_offset(&mut self, path: &str) -> String {
        let Some((before, after)) = path
            .split_once("offset=")
            .filter(|(_, after)| !after.starts_with("zzz"))
        else {
            return path.to_owned();
        };
        let Some(offset) = self.offset.take() else {
            return path.to_owned();
        };
        let rest = after
            .split_once('&')
            .map(|(_, rest)| format!("&{rest}"))
            .unwrap_or_default();
        format!("{before}offset={offset}{rest}")
    }

    /// Learns which ids stand for the recorded ones, and where the next page begins.
    fn learn(&mut self, request: &Value, recorded: &Value, own: &Value) {
        let list = recorded.get("data").is_some();
        let tells = match request["method"].as_str().unwrap() {
            "POST" | "PUT" => true,
            "GET" => !list,
            _ => false,
        };
        if tells {
            learn_ids(recorded, own, &mut self.ids);
        }
        self.offset = own
            .get("offset")
            .and_then(Value::as_str)
            .map(str::to_owned)
            .or(self.offset.take());
    }
}

fn headers(request: &Value, proxied: bool) -> Vec<(String, String)> {
    let given = request["headers"].as_object().into_iter().flatten();
    let mut headers: Vec<(String, String)> = given
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect();
    if proxied {
        // The client of the recording sends it without being told.
        headers.push(("Accept-Encoding".to_owned(), "identity".to_owned()));
    }
    headers
}

fn learn_ids(recorded: &Value, own: &Value, ids: &mut BTreeMap<String, String>) {
    match (recorded, own) {
        (Value::Object(recorded), Value::Object(own)) => {
            for (key, value) in recorded {
                own.get(key)
                    .into_iter()
                    .for_each(|own| learn_ids(value, own, ids));
            }
        }
        (Value::Array(recorded), Value::Array(own)) => {
            recorded
                .iter()
                .zip(own)
                .for_each(|(recorded, own)| learn_ids(recorded, own, ids));
        }
        (Value::String(recorded), Value::String(own)) => {
            let pairs = UUID.find_iter(recorded).zip(UUID.find_iter(own));
            for (recorded, own) in pairs {
                ids.entry(recorded.as_str().to_owned())
                    .or_insert_with(|| own.as_str().to_owned());
            }
        }
        _ => {}
    }
}

/// Which entities are on a page depends on their ids, and these are random.
fn depends_on_ids(exchange: &Value, path: &str) -> bool {
    let note = exchange["note"].as_str().unwrap();
    let page =
        note.contains("page") || note == "order is by id" || path.contains("offset") || path.contains("size");
    page && exchange["response"]["status"] == 200
}

/// Whether a Kong without a database fails to list tags depends on the order of its hash tables.
fn is_left_to_chance(exchange: &Value) -> bool {
    exchange["request"]["path"].as_str().unwrap().starts_with("/tags")
}

fn difference(recorded: &Value, own: &Answer, body_depends_on_ids: bool) -> Option<String> {
    let content_type = recorded["headers"].get("Content-Type").and_then(Value::as_str);
    if recorded["status"] != own.status {
        return Some(format!(
            "status {} became {} {}",
            recorded["status"], own.status, own.body
        ));
    }
    if content_type != own.content_type.as_deref() {
        return Some(format!(
            "content type {content_type:?} became {:?}",
            own.content_type
        ));
    }
    let recorded = normal(recorded.get("json").unwrap_or(&Value::Null));
    let own = normal(&own.body);
    let equal = body_depends_on_ids || recorded == own;
    (!equal).then(|| format!("body\n  {recorded}\nbecame\n  {own}"))
}
