//! What other people do on a Kong: its Admin API, asked directly.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

/// Everything that tests make or look at; what refers to others comes first.
const COLLECTIONS: [&str; 9] = [
    "plugins",
    "acls",
    "key-auths",
    "basic-auths",
    "jwts",
    "consumers",
    "routes",
    "services",
    "upstreams",
];

/// The Admin API of a Kong.
#[derive(Debug, Clone)]
pub(crate) struct Admin {
    pub(crate) url: String,
    pub(crate) token: Option<(String, String)>,
    http: reqwest::Client,
}

impl Admin {
    pub(crate) fn new(url: &str, token: Option<(String, String)>) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            token,
            http: reqwest::Client::new(),
        }
    }

    /// Asks, and gives status and JSON.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some((header, token)) = &self.token {
            request = request.header(header, token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.expect("the Admin API answers");
        let status = response.status();
        let text = response.text().await.expect("all of the answer");
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.call(Method::GET, path, None).await.1
    }

    pub(crate) async fn has_database(&self) -> bool {
        self.get("/").await["configuration"]["database"] != "off"
    }

    /// All entities of a collection.
    pub(crate) async fn list(&self, collection: &str) -> Vec<Value> {
        let (mut all, mut offset) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("/{collection}?size=1000{offset}")).await;
            all.extend(page["data"].as_array().cloned().unwrap_or_default());
            match page["offset"].as_str() {
                Some(next) => offset = format!("&offset={next}"),
                None => return all,
            }
        }
    }

    /// Every entity, by collection and id.
    pub(crate) async fn everything(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for collection in COLLECTIONS {
            for mut entity in self.list(collection).await {
                let id = entity["id"].as_str().unwrap_or_default().to_owned();
                // Without a database it is the time of the last load, for all.
                entity["updated_at"] = Value::Null;
                all.insert(format!("{collection}/{id}"), entity.to_string());
            }
        }
        all
    }

    /// Takes everything away.
    pub(crate) async fn empty(&self) {
        if !self.has_database().await {
            self.load(&json!({"_format_version": "3.0"})).await;
            return;
        }
        for collection in COLLECTIONS {
            for entity in self.list(collection).await {
                let path = format!("/{collection}/{}", entity["id"].as_str().unwrap_or_default());
                self.call(Method::DELETE, &path, None).await;
            }
        }
    }

    /// The whole configuration of a Kong without a database.
    pub(crate) async fn configuration(&self) -> Value {
        let text = self.get("/config").await["config"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let options = serde_saphyr::options! { strict_booleans: true };
        serde_saphyr::from_str_with_options(&text, options).expect("what Kong exports is YAML")
    }

    pub(crate) async fn load(&self, configuration: &Value) {
        let (status, answer) = self.call(Method::POST, "/config", Some(configuration)).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
    }

    /// Makes lists of entities, each in its order; the lists side by side, or all in one call where there is no database.
    pub(crate) async fn make_all(&self, lists: Vec<Vec<(&'static str, Value)>>) {
        if !self.has_database().await {
            let entities: Vec<_> = lists.into_iter().flatten().collect();
            self.edit_configuration(|configuration| {
                for (collection, entity) in entities {
                    let list = configuration.entry(collection).or_insert_with(|| json!([]));
                    list.as_array_mut().expect("a list").push(declared(entity));
                }
            })
            .await;
            return;
        }
        let mut lists = lists.into_iter();
        let mut making = JoinSet::new();
        loop {
            while making.len() < 16
                && let Some(entities) = lists.next()
            {
                let admin = self.clone();
                making.spawn(async move { admin.post(entities).await });
            }
            match making.join_next().await {
                Some(made) => made.expect("it is made"),
                None => return,
            }
        }
    }

    async fn post(&self, entities: Vec<(&'static str, Value)>) {
        for (collection, entity) in entities {
            let (status, answer) = self
                .call(Method::POST, &format!("/{collection}"), Some(&entity))
                .await;
            assert_eq!(status, StatusCode::CREATED, "{answer}");
        }
    }

    /// Changes fields of an entity, with or without a database.
    pub(crate) async fn change(&self, collection: &str, id: &str, fields: &Value) {
        if self.has_database().await {
            let path = format!("/{collection}/{id}");
            let (status, answer) = self.call(Method::PATCH, &path, Some(fields)).await;
            assert_eq!(status, StatusCode::OK, "{answer}");
            return;
        }
        self.edit_configuration(|configuration| {
            let list = configuration[collection].as_array_mut().expect("a list");
            let entity = list
                .iter_mut()
                .find(|entity| entity["id"] == id)
                .expect("it is there");
            entity
                .as_object_mut()
                .expect("an object")
                .extend(fields.as_object().expect("an object").clone());
        })
        .await;
    }

    /// Removes entities of a collection and what refers to them, with or without a database.
    pub(crate) async fn remove(&self, collection: &str, ids: &[String]) {
        if self.has_database().await {
            for id in ids {
                self.call(Method::DELETE, &format!("/{collection}/{id}"), None)
                    .await;
            }
            return;
        }
        let is_gone = |value: &Value| value.as_str().is_some_and(|id| ids.iter().any(|gone| gone == id));
        self.edit_configuration(|configuration| {
            for entities in configuration.values_mut().filter_map(Value::as_array_mut) {
                entities.retain(|entity| {
                    !is_gone(&entity["id"])
                        && !["service", "route", "consumer"]
                            .iter()
                            .any(|field| is_gone(&entity[field]))
                });
            }
        })
        .await;
    }

    async fn edit_configuration(&self, edit: impl FnOnce(&mut Map<String, Value>)) {
        let mut configuration = self.configuration().await;
        edit(configuration.as_object_mut().expect("an object"));
        self.load(&configuration).await;
    }
}

/// An entity as a declarative configuration has it: references are identities.
fn declared(mut entity: Value) -> Value {
    for field in ["service", "route", "consumer"] {
        if let Some(owner) = entity.get(field).and_then(|owner| owner.get("id")).cloned() {
            entity[field] = owner;
        }
    }
    entity
}
