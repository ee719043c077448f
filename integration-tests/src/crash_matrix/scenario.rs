//! The kinds of work, as a persistent user does them: who gets no answer asks again.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::world::{ACCOUNT, ENVIRONMENT, World};
use crate::{
    admin::Answer,
    stack::{api_key_policy, secret},
    wait,
};

/// A kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// An API is deployed for the first time.
    Deploy,
    /// Another revision takes its place, with other security policies.
    Update,
    /// It is taken off.
    Undeploy,
    /// The revision before takes the place of the present one, through a plan.
    Rollback,
    /// APIs that others made are discovered and imported.
    Import,
}

const API: &str = "orders";
const FOREIGN: usize = 3;
/// The connector's default of `keepDeployments`.
const KEPT: usize = 2;

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Deploy,
        Self::Update,
        Self::Undeploy,
        Self::Rollback,
        Self::Import,
    ];

    /// Brings the world to where the work begins.
    pub async fn prepare(self, world: &mut World) {
        let admin = &world.admin;
        if self == Self::Import {
            let seed = json!({"account": ACCOUNT, "count": FOREIGN, "operationsMin": 2, "operationsMax": 4});
            world.simulation().post("seed", seed).await;
            connected(world).await;
            return;
        }
        admin
            .apply(json!([
                secret("key-1", "value-1"),
                secret("key-2", "value-2"),
                revision(1)
            ]))
            .await;
        if self == Self::Deploy {
            connected(world).await;
            return;
        }
        admin.deploy_and_wait(API, Some(1), ENVIRONMENT).await;
        admin.apply(json!([revision(2)])).await;
        if self == Self::Rollback {
            admin.deploy_and_wait(API, Some(2), ENVIRONMENT).await;
        }
    }

    /// Does the work, until it is acknowledged.
    pub async fn act(self, world: &World) {
        match self {
            Self::Deploy => deploy(world, 1).await,
            Self::Update => deploy(world, 2).await,
            Self::Undeploy => undeploy(world).await,
            Self::Rollback => roll_back(world).await,
            Self::Import => import(world).await,
        }
    }

    /// Waits until what was acknowledged is so.
    pub async fn settle(self, world: &World) {
        match self {
            Self::Deploy | Self::Rollback => deployed(world, 1).await,
            Self::Update => deployed(world, 2).await,
            Self::Undeploy => {
                wait::until_true("nothing is deployed", async || {
                    deployments(world).await.is_empty()
                })
                .await;
            }
            Self::Import => {}
        }
    }

    /// What does not hold, although it must.
    pub async fn check(self, world: &World) -> Vec<String> {
        let mut broken = vendor_is_sound(world).await;
        match self {
            Self::Deploy | Self::Update | Self::Rollback => broken.extend(held_once(world).await),
            Self::Undeploy => broken.extend(held(world, 0).await),
            Self::Import => broken.extend(imported_once(world).await),
        }
        broken
    }
}

/// Revisions differ in what protects them, so that a mixture of both would show.
fn revision(number: u32) -> Value {
    json!({
        "kind": "Api",
        "metadata": {"name": API},
        "spec": {
            "basePath": format!("/orders/v{number}"),
            "upstreams": {"main": {"url": "http://127.0.0.1:9"}},
            "policies": [api_key_policy("shop", &format!("key-{number}"))],
            "operations": [
                {"match": {"method": "GET", "path": "/items"}},
                {"match": {"method": "POST", "path": "/items"}},
            ],
        },
    })
}

async fn connected(world: &World) {
    wait::until_true("the agent is connected", async || {
        let agents = world.admin.get("/agents").await;
        agents["items"]
            .as_array()
            .is_some_and(|agents| agents.iter().any(|agent| agent["online"] == true))
    })
    .await;
}

/// Sends until there is an answer that says yes. Of a control plane that is away there is none.
async fn insist(world: &World, method: Method, path: &str, body: Option<&Value>) -> Answer {
    wait::until(&format!("{method} {path} is acknowledged"), async || match world
        .user
        .try_send(method.clone(), path, body)
        .await
    {
        Ok(answer) if answer.status.is_server_error() => Err(format!("{:#}", answer.body)),
        Ok(answer) => Ok(answer),
        Err(error) => Err(error.to_string()),
    })
    .await
}

async fn deploy(world: &World, revision: u64) {
    let request = json!({"api": API, "environment": ENVIRONMENT, "revision": revision});
    insist(world, Method::POST, "/deployments", Some(&request))
        .await
        .expect_ok();
}

async fn undeploy(world: &World) {
    for deployment in deployments(world).await {
        let path = format!("/deployments/{}", deployment["id"].as_str().unwrap());
        let answer = insist(world, Method::DELETE, &path, None).await;
        assert!(
            answer.status.is_success() || answer.status == StatusCode::NOT_FOUND,
            "{:#}",
            answer.body
        );
    }
}

async fn roll_back(world: &World) {
    let is_back = async || {
        deployments(world)
            .await
            .iter()
            .any(|found| found["revision"] == 1)
    };
    while !is_back().await {
        let request = json!({"items": [{
            "action": "rollback", "api": API, "environment": ENVIRONMENT, "revision": 1,
        }]});
        let plan = insist(world, Method::POST, "/plans", Some(&request))
            .await
            .expect_ok();
        let path = format!("/plans/{}", plan["id"].as_str().unwrap());
        let plan = wait::until("the plan is worked out", async || {
            let plan = world.admin.try_send(Method::GET, &path, None).await;
            match plan {
                Ok(plan) if plan.body["state"] == "Pending" => Err("it is pending".to_owned()),
                Ok(plan) => Ok(plan.body),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
        // A plan that could not be worked out, since nobody was there to look, is made again; so is one that was
        // applied without our hearing of it.
        if plan["state"] == "Ready" {
            insist(world, Method::POST, &format!("{path}/apply"), Some(&json!({}))).await;
        }
    }
}

async fn import(world: &World) {
    let request = json!({"environment": ENVIRONMENT});
    let asked = insist(world, Method::POST, "/discoveries", Some(&request))
        .await
        .expect_ok();
    let path = format!("/discoveries/{}", asked["id"].as_str().unwrap());
    wait::until("the discovery is complete", async || {
        match world.admin.try_send(Method::GET, &path, None).await {
            Ok(discovery) if discovery.body["state"] == "Complete" => Ok(()),
            Ok(discovery) => Err(format!("{:#}", discovery.body)),
            Err(error) => Err(error.to_string()),
        }
    })
    .await;
    insist(world, Method::POST, &format!("{path}/imports"), Some(&json!({})))
        .await
        .expect_ok();
}

async fn deployments(world: &World) -> Vec<Value> {
    list(world, "/deployments").await
}

async fn list(world: &World, path: &str) -> Vec<Value> {
    wait::until(path, async || {
        let answer = world.admin.try_send(Method::GET, path, None).await;
        answer.map(|answer| answer.body["items"].as_array().cloned().unwrap_or_default())
    })
    .await
}

async fn deployed(world: &World, revision: u64) {
    wait::until(&format!("revision {revision} is deployed"), async || {
        let found = deployments(world).await;
        let is_so = |found: &Value| {
            found["phase"] == "Deployed"
                && found["revision"] == revision
                && found["observedGeneration"] == found["generation"]
        };
        match found.as_slice() {
            [one] if is_so(one) => Ok(()),
            other => Err(format!("{other:#?}")),
        }
    })
    .await;
}

/// Never, at no time, was an API served without what protects it, or there twice; and nothing is left over.
async fn vendor_is_sound(world: &World) -> Vec<String> {
    let mut broken = Vec::new();
    for what in ["invariants", "orphans"] {
        let told = world.simulation().get(what).await;
        let items = told.as_array().cloned();
        broken.extend(
            items
                .unwrap_or_default()
                .iter()
                .map(|item| format!("{what}: {item}")),
        );
    }
    broken.extend(left_over(&world.simulation().get("state").await));
    broken
}

/// Of what was deployed before, no more is kept than the connector says.
fn left_over(state: &Value) -> Vec<String> {
    let objects = state.as_array().cloned().unwrap_or_default();
    let kept = |object: &Value| {
        object["api"]["deployments"]
            .as_object()
            .map_or(0, serde_json::Map::len)
    };
    objects
        .iter()
        .filter(|object| kept(object) > KEPT)
        .map(|object| format!("more than {KEPT} deployments are kept: {object:#}"))
        .collect()
}

/// How many objects the vendor holds that carry our mark.
async fn held(world: &World, expected: usize) -> Vec<String> {
    let state = world.simulation().get("state").await;
    let marked = marked(&state);
    if marked == expected {
        return Vec::new();
    }
    vec![format!(
        "the vendor holds {marked} objects of ours, not {expected}: {state:#}"
    )]
}

fn marked(state: &Value) -> usize {
    match state {
        Value::Object(fields) => {
            let own = fields
                .get("tags")
                .is_some_and(|tags| tags.get("gatehouse-api").is_some());
            // A deployment of an object carries tags, too; only objects have stages.
            let own = usize::from(own && fields.contains_key("stages"));
            own + fields.values().map(marked).sum::<usize>()
        }
        Value::Array(items) => items.iter().map(marked).sum(),
        _ => 0,
    }
}

async fn held_once(world: &World) -> Vec<String> {
    let mut broken = held(world, 1).await;
    let found = deployments(world).await;
    if found.len() != 1 {
        broken.push(format!("there are {} deployments, not 1", found.len()));
    }
    broken
}

async fn imported_once(world: &World) -> Vec<String> {
    let apis = list(world, "/apis").await;
    let mut sources: Vec<String> = apis
        .iter()
        .map(|api| api["status"]["importedFrom"]["externalRef"].to_string())
        .collect();
    sources.sort();
    sources.dedup();
    if apis.len() == FOREIGN && sources.len() == FOREIGN {
        return Vec::new();
    }
    vec![format!(
        "the catalog holds {} APIs of {} sources, not {FOREIGN} of {FOREIGN}",
        apis.len(),
        sources.len()
    )]
}
