//! A Kong and its agent: the fake of this repository, or a real one that `KONG_ADMIN_URL` and `KONG_PROXY_URL` lead to,
//! and what other people do there.

use std::{
    collections::BTreeMap,
    env, fs,
    path::PathBuf,
    process::Command,
    sync::{Arc, OnceLock},
};

use gatehouse_fake_kong::{AdminToken, FakeKong, FakeKongOptions};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::{binaries::binary, process::Process};

/// The token that may do everything.
pub const TOKEN: &str = "the-admin-token-of-stories";
/// The token that may only read.
pub const READER: &str = "the-read-only-token-of-stories";
/// The variable of the agent's process with the token that may do everything.
pub const TOKEN_VARIABLE: &str = "KONG_ADMIN_TOKEN";
/// The variable with the token that may only read.
pub const READER_VARIABLE: &str = "KONG_READER_TOKEN";
/// The variable with a token that Kong does not know.
pub const WRONG_VARIABLE: &str = "KONG_WRONG_TOKEN";

/// Everything that stories make or look at; what refers to others comes first.
const COLLECTIONS: [&str; 8] = [
    "plugins",
    "acls",
    "key-auths",
    "basic-auths",
    "jwts",
    "consumers",
    "routes",
    "services",
];

/// A Kong. A fake one ends with it; a real one is emptied first, and belongs to one story at a time.
#[derive(Debug)]
pub struct Kong {
    /// Where its Admin API is.
    pub admin_url: String,
    /// Where its proxy is.
    pub proxy_url: String,
    /// The fake, unless it is a real one.
    pub fake: Option<FakeKong>,
    token: String,
    http: reqwest::Client,
    _turn: Option<OwnedMutexGuard<()>>,
}

impl Kong {
    /// A fake one that wants a token.
    pub async fn fake(options: FakeKongOptions) -> Self {
        let header = "Kong-Admin-Token".to_owned();
        let token = TOKEN.to_owned();
        let fake = FakeKong::start(FakeKongOptions {
            admin_token: Some(AdminToken { header, token }),
            read_only_token: Some(READER.to_owned()),
            ..options
        })
        .await
        .unwrap_or_else(|error| panic!("the fake Kong does not start: {error}"));
        Self::new(
            fake.admin_url(),
            fake.proxy_url(),
            TOKEN.to_owned(),
            Some(fake),
            None,
        )
    }

    /// The one at `KONG_ADMIN_URL` and `KONG_PROXY_URL`, with `KONG_ADMIN_TOKEN` if it wants one. It is emptied.
    pub async fn real() -> Self {
        static TURN: OnceLock<Arc<Mutex<()>>> = OnceLock::new();
        let turn = TURN.get_or_init(Arc::default).clone().lock_owned().await;
        let address = |variable: &str| {
            env::var(variable)
                .unwrap_or_else(|_| panic!("set {variable} to a Kong that may be emptied"))
                .trim_end_matches('/')
                .to_owned()
        };
        let token = env::var(TOKEN_VARIABLE).unwrap_or_else(|_| TOKEN.to_owned());
        let kong = Self::new(
            address("KONG_ADMIN_URL"),
            address("KONG_PROXY_URL"),
            token,
            None,
            Some(turn),
        );
        kong.empty().await;
        kong
    }

    fn new(
        admin_url: String,
        proxy_url: String,
        token: String,
        fake: Option<FakeKong>,
        turn: Option<OwnedMutexGuard<()>>,
    ) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            admin_url,
            proxy_url,
            fake,
            token,
            http,
            _turn: turn,
        }
    }

    async fn empty(&self) {
        for collection in COLLECTIONS {
            for entity in self.list(collection).await {
                self.call(
                    Method::DELETE,
                    &format!("/{collection}/{}", text(&entity, "id")),
                    None,
                )
                .await;
            }
        }
    }

    /// Asks its Admin API as somebody else does; status and JSON.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.admin_url));
        request = request.header("Kong-Admin-Token", &self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.expect("the Admin API answers");
        let status = answer.status();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    /// Makes an entity at a path, as somebody else; its id.
    pub async fn make(&self, path: &str, entity: &Value) -> String {
        let (status, made) = self.call(Method::POST, path, Some(entity)).await;
        assert_eq!(status, StatusCode::CREATED, "{path}: {made:#}");
        text(&made, "id").to_owned()
    }

    /// Changes an entity, as somebody else.
    pub async fn change(&self, path: &str, fields: &Value) {
        let (status, changed) = self.call(Method::PATCH, path, Some(fields)).await;
        assert_eq!(status, StatusCode::OK, "{path}: {changed:#}");
    }

    /// All entities of a collection.
    pub async fn list(&self, collection: &str) -> Vec<Value> {
        let (mut all, mut offset) = (Vec::new(), String::new());
        loop {
            let path = format!("/{collection}?size=1000{offset}");
            let (_, page) = self.call(Method::GET, &path, None).await;
            all.extend(page["data"].as_array().cloned().unwrap_or_default());
            match page["offset"].as_str() {
                Some(next) => offset = format!("&offset={next}"),
                None => return all,
            }
        }
    }

    /// Every entity, by collection and id.
    pub async fn everything(&self) -> BTreeMap<String, Value> {
        let mut all = BTreeMap::new();
        for collection in COLLECTIONS {
            for entity in self.list(collection).await {
                all.insert(format!("{collection}/{}", text(&entity, "id")), entity);
            }
        }
        all
    }

    /// Asks its proxy as a consumer.
    pub async fn consume(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
        let mut request = self.http.request(method, format!("{}{path}", self.proxy_url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.expect("the proxy answers")
    }

    /// Starts its agent, which joins with a token; its state is in `folder`.
    pub fn agent(&self, control_plane: &str, join_token: &str, folder: PathBuf) -> KongAgent {
        KongAgent::start(control_plane, join_token, folder, &self.token)
    }

    /// An `Environment` document of this Kong.
    pub fn environment(&self, name: &str) -> Value {
        environment(
            name,
            &json!({"deployment": "self-managed", "adminUrl": self.admin_url, "proxyUrl": self.proxy_url}),
        )
    }
}

fn text<'a>(entity: &'a Value, field: &str) -> &'a str {
    entity[field].as_str().unwrap_or_default()
}

/// An `Environment` document of gateway type `kong`, with the token that may do everything.
pub fn environment(name: &str, settings: &Value) -> Value {
    json!({
        "apiVersion": "gatehouse.dev/v1",
        "kind": "Environment",
        "metadata": {"name": name},
        "spec": {
            "gatewayType": "kong",
            "settings": settings,
            "credentials": {"adminToken": {"env": TOKEN_VARIABLE}},
            // Kong counts requests in its own way.
            "acceptLoss": true,
        },
    })
}

/// `gatehouse-agent-kong`.
#[derive(Debug)]
pub struct KongAgent {
    process: Process,
}

impl KongAgent {
    fn start(control_plane: &str, join_token: &str, folder: PathBuf, admin_token: &str) -> Self {
        fs::create_dir_all(&folder).unwrap();
        let mut command = Command::new(binary("gatehouse-agent-kong"));
        command
            .args(["--control-plane", control_plane])
            .args(["--join-token", join_token])
            .arg("--state-dir")
            .arg(&folder)
            .env(TOKEN_VARIABLE, admin_token)
            .env(READER_VARIABLE, READER)
            .env(WRONG_VARIABLE, "not-the-token")
            .env("HOME", &folder)
            .env("NO_COLOR", "1");
        let log = folder.with_extension("log");
        Self {
            process: Process::start("gatehouse-agent-kong", command, &log),
        }
    }

    /// The running process.
    pub fn process(&self) -> &Process {
        &self.process
    }
}
