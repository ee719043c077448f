//! What an agent of protocol 1 asked, asked again: it was recorded, and so are the answers that it could read.
//!
//! Identities, generations and fencing numbers are others now; they are learned from the answers, place by place.

use std::collections::BTreeMap;

use gatehouse_control_plane_server::create_join_token;
use jsonschema::Validator;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    agent::HOUR,
    harness::{Answer, ControlPlane, check, send},
};

const RECORDED: &str = include_str!("../../../../integration-tests/data/protocol-1/agent-1.json");
const DOCUMENT: &str = include_str!("../../../api/protocols/agent-1.json");

#[derive(Debug, Deserialize)]
struct Recording {
    story: BTreeMap<String, Value>,
    exchanges: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Entry {
    Exchange { request: Asked, answer: Answered },
    People { people: String },
}

#[derive(Debug, Deserialize)]
struct Asked {
    method: String,
    path: String,
    #[serde(default)]
    body: Value,
}

#[derive(Debug, Deserialize)]
struct Answered {
    status: u16,
    #[serde(default)]
    body: Value,
}

/// What recorded words stand for here and now.
#[derive(Default)]
struct Meanings {
    ids: BTreeMap<String, String>,
    numbers: BTreeMap<(String, u64), u64>,
    token: String,
}

/// Numbers that are others each time.
const COUNTED: [&str; 2] = ["generation", "fencing"];

impl Meanings {
    fn learn(&mut self, recorded: &Value, now: &Value, key: &str) {
        match (recorded, now) {
            (Value::Object(recorded), Value::Object(now)) => {
                for (key, recorded) in recorded {
                    self.learn(recorded, now.get(key).unwrap_or(&Value::Null), key);
                }
            }
            (Value::Array(recorded), Value::Array(now)) => {
                recorded
                    .iter()
                    .zip(now)
                    .for_each(|(recorded, now)| self.learn(recorded, now, key));
            }
            (Value::String(_), Value::String(now)) if key == "token" => self.token.clone_from(now),
            (Value::String(recorded), Value::String(now)) if recorded.starts_with("00000000-") => {
                self.ids.insert(recorded.clone(), now.clone());
            }
            (Value::Number(recorded), Value::Number(now)) if COUNTED.contains(&key) => {
                let (recorded, now) = (
                    recorded.as_u64().expect("a count"),
                    now.as_u64().expect("a count"),
                );
                self.numbers.insert((key.to_owned(), recorded), now);
            }
            _ => {}
        }
    }

    fn of(&self, recorded: &Value, key: &str) -> Value {
        match recorded {
            Value::Object(fields) => fields
                .iter()
                .map(|(key, value)| (key.clone(), self.of(value, key)))
                .collect(),
            Value::Array(items) => items.iter().map(|item| self.of(item, key)).collect(),
            Value::String(text) => json!(self.ids.get(text).unwrap_or(text)),
            Value::Number(number) if COUNTED.contains(&key) => {
                let recorded = number.as_u64().expect("a count");
                json!(self.number(key, recorded))
            }
            other => other.clone(),
        }
    }

    fn number(&self, key: &str, recorded: u64) -> u64 {
        let known = self.numbers.get(&(key.to_owned(), recorded));
        known.copied().unwrap_or(recorded)
    }

    fn path(&self, recorded: &str) -> String {
        let mut path = recorded.to_owned();
        for (recorded, now) in &self.ids {
            path = path.replace(recorded, now);
        }
        match path
            .split_once("after=")
            .and_then(|(_, rest)| rest.split('&').next())
        {
            Some(after) => {
                let now = self.number("generation", after.parse().expect("a position"));
                path.replace(&format!("after={after}&"), &format!("after={now}&"))
            }
            None => path,
        }
    }
}

/// What an agent of protocol 1 needs of an answer to be able to read it.
fn needed(document: &Value, request: &Asked) -> Option<Validator> {
    let asked: Vec<&str> = request.path.split('?').next()?.split('/').collect();
    let fits = |template: &str| {
        let template: Vec<&str> = template.split('/').collect();
        let mut pairs = template.iter().zip(&asked);
        template.len() == asked.len()
            && pairs.all(|(template, asked)| template.starts_with('{') || template == asked)
    };
    let (_, path) = document["paths"]
        .as_object()?
        .iter()
        .find(|(template, _)| fits(template))?;
    let operation = &path[request.method.to_lowercase()];
    let schema = operation.pointer("/responses/200/content/application~1json/schema")?;
    let whole = json!({"allOf": [schema], "components": document["components"]});
    Some(jsonschema::validator_for(&whole).expect("a schema"))
}

/// The people of the story, who do again what they did.
struct People<'a> {
    control_plane: &'a ControlPlane,
    orders: Value,
    deployment: String,
    discovery: String,
}

impl People<'_> {
    async fn act(&mut self, what: &str) {
        let control_plane = self.control_plane;
        match what {
            "deploy" => {
                let made = control_plane.deploy("orders", "edge").await.expect(202);
                self.deployment = made["id"].as_str().expect("an id").to_owned();
            }
            "change" => {
                control_plane.apply(json!([self.orders])).await;
            }
            "discover" => {
                let made = control_plane
                    .post("discoveries", json!({"environment": "edge"}))
                    .await;
                made.expect(202)["id"]
                    .as_str()
                    .expect("an id")
                    .clone_into(&mut self.discovery);
            }
            "undeploy" => {
                control_plane
                    .delete(&format!("deployments/{}", self.deployment))
                    .await
                    .expect(202);
            }
            other => panic!("nobody knows how to {other}"),
        }
    }
}

async fn ask(control_plane: &ControlPlane, meanings: &Meanings, request: &Asked, join_token: &str) -> Answer {
    let method: Method = request.method.parse().expect("a method");
    let mut sent = control_plane.anonymous(method, &meanings.path(&request.path));
    if !meanings.token.is_empty() {
        sent = sent.bearer_auth(&meanings.token);
    }
    let mut body = meanings.of(&request.body, "");
    if request.path.ends_with("/enroll") {
        body["joinToken"] = json!(join_token);
    }
    sent = match &body {
        Value::Null => sent,
        Value::Array(lines) => {
            let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
            sent.header("content-type", "application/x-ndjson").body(lines)
        }
        body => sent.json(body),
    };
    send(sent).await
}

#[tokio::test]
async fn an_agent_of_protocol_1_is_answered_with_all_that_it_needs() {
    check(|control_plane| async move {
        let recording: Recording = serde_json::from_str(RECORDED).expect("a recording");
        let document: Value = serde_json::from_str(DOCUMENT).expect("a document");
        let orders = recording.story["orders"].clone();
        let mut first = orders.clone();
        first["spec"]["operations"]
            .as_array_mut()
            .expect("operations")
            .truncate(1);
        let (secret, environment) = (&recording.story["secret"], &recording.story["environment"]);
        control_plane.apply(json!([secret, environment, first])).await;
        let join_token = create_join_token(&control_plane.server, &"memory".parse().expect("a name"), HOUR)
            .await
            .expect("a token")
            .token;
        let mut people = People {
            control_plane: &control_plane,
            orders,
            deployment: String::new(),
            discovery: String::new(),
        };
        let (mut meanings, mut validated) = (Meanings::default(), 0);
        for entry in &recording.exchanges {
            let (request, recorded) = match entry {
                Entry::People { people: what } => {
                    people.act(what).await;
                    continue;
                }
                Entry::Exchange { request, answer } => (request, answer),
            };
            let answer = ask(&control_plane, &meanings, request, &join_token)
                .await
                .expect(recorded.status);
            if let Some(needed) = needed(&document, request) {
                let lacking: Vec<String> = needed
                    .iter_errors(&answer)
                    .map(|error| error.to_string())
                    .collect();
                assert_eq!(lacking, Vec::<String>::new(), "{}: {answer:#}", request.path);
                validated += 1;
            }
            meanings.learn(&recorded.body, &answer, "");
        }
        assert!(
            validated >= 8,
            "only {validated} answers were held against the document"
        );
        let discovery = control_plane
            .get(&format!("discoveries/{}", people.discovery))
            .await
            .expect(200);
        assert_eq!(
            (&discovery["state"], &discovery["found"]),
            (&json!("Complete"), &json!(1))
        );
        assert_eq!(
            control_plane.get("deployments").await.expect(200)["items"],
            json!([])
        );
    })
    .await;
}
