//! Two control planes on one PostgreSQL database: whatever they do by themselves is done once, also when the one that
//! works on it is killed.

use std::collections::BTreeMap;

use gatehouse_integration_tests::{
    admin::Admin,
    balancer::Balancer,
    control_plane::ControlPlane,
    database::{self, Database},
    simulated::{Agent, Vendor},
    stack::{api, join_token},
    wait,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Two replicas, an agent that reaches either, and a vendor.
struct Replicas {
    vendor: Vendor,
    _agent: Agent,
    _balancer: Balancer,
    replicas: [ControlPlane; 2],
    _folder: TempDir,
}

impl Replicas {
    async fn start(environment: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let vendor = Vendor::start(folder.path()).await;
        let one = ControlPlane::start(Database::Postgres, folder.path().join("one")).await;
        let two = one.replica(folder.path().join("two")).await;
        let balancer = Balancer::start(vec![one.address(), two.address()]).await;
        let admin = one.admin();
        admin
            .apply(json!([vendor.environment("vendor", &environment)]))
            .await;
        let token = join_token(&admin, "simulated").await;
        let agent = Agent::start(&balancer.url(), &token, folder.path().join("agent"), 0);
        wait::until_true("the agent is there", async || {
            admin.get("/agents").await["items"][0]["online"] == true
        })
        .await;
        Self {
            vendor,
            _agent: agent,
            _balancer: balancer,
            replicas: [one, two],
            _folder: folder,
        }
    }

    /// Waits until one of the replicas says that it did something, and tells which.
    async fn who_says(&self, text: &str) -> usize {
        wait::until(&format!("a replica logs `{text}`"), async || {
            let mut replicas = self.replicas.iter();
            replicas
                .position(|replica| replica.log().contains(text))
                .ok_or("neither does")
        })
        .await
    }

    /// How often the replicas together say that they did something.
    fn times_said(&self, text: &str) -> usize {
        let logs = self.replicas.iter().map(ControlPlane::log);
        logs.map(|log| log.matches(text).count()).sum()
    }

    fn admin(&self, replica: usize) -> Admin {
        self.replicas[replica].admin()
    }

    /// Looks again and again until it is neither waiting nor under way.
    async fn settled(&self, replica: usize, path: &str) -> Value {
        let admin = self.admin(replica);
        wait::until(&format!("{path} is settled"), async || {
            let now = admin.get(path).await;
            match now["state"].as_str() {
                Some("Pending" | "Running" | "Applying" | "Compensating") => Err(format!("{now:#}")),
                _ => Ok(now),
            }
        })
        .await
    }

    /// Deploys both APIs with one all-or-nothing plan; its path.
    async fn roll_out(&self) -> String {
        let admin = self.admin(0);
        let request = json!({"strategy": "all-or-nothing", "items": [
            {"api": "orders", "environment": "vendor"}, {"api": "customers", "environment": "vendor"}]});
        let asked = admin.post("/plans", request).await.expect_ok();
        let path = format!("/plans/{}", asked["id"].as_str().unwrap());
        let plan = self.settled(0, &path).await;
        assert_eq!(plan["state"], "Ready", "{plan:#}");
        admin.post(&format!("{path}/apply"), json!({})).await.expect_ok();
        path
    }
}

fn named(name: &str, title: &str) -> Value {
    let mut document = api(name, "http://127.0.0.1:9");
    document["spec"]["displayName"] = json!(title);
    document
}

/// What an object went through, oldest first.
async fn story(admin: &Admin, object: &str) -> Vec<String> {
    let events = admin.get(&format!("/audit-events?object={object}")).await;
    let events = events["items"].as_array().unwrap().iter().rev();
    events
        .map(|event| event["action"].as_str().unwrap().to_owned())
        .collect()
}

/// What the vendor serves: titles by name. What lies in a draft is served by nobody, and an attempt that was cut off
/// may leave it there.
async fn titles(vendor: &Vendor) -> BTreeMap<String, String> {
    let apis = vendor.apis().await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let served = |api: &Value| {
        let stages = api["stages"].as_object().unwrap();
        let stage = stages.values().next().unwrap();
        let deployment = &api["deployments"][stage["deploymentId"].as_str().unwrap()];
        text(&deployment["snapshot"]["settings"]["title"])
    };
    let titles: BTreeMap<String, String> = apis.iter().map(|api| (text(&api["name"]), served(api))).collect();
    assert_eq!(titles.len(), apis.len(), "nothing is there twice: {apis:#?}");
    titles
}

fn is_there() -> bool {
    std::env::var_os("GATEHOUSE_TEST_POSTGRES").is_some()
}

const SKIPPED: &str =
    "SKIPPED: PostgreSQL was not checked; set GATEHOUSE_TEST_POSTGRES to an administrator's URL";

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_is_put_back_once_by_whoever_is_left() {
    if !is_there() {
        println!("{SKIPPED}");
        return;
    }
    let mut world = Replicas::start(json!({})).await;
    let documents = json!([named("orders", "Orders"), named("customers", "Customers")]);
    world.admin(0).apply(documents).await;
    let first = world.roll_out().await;
    let first = world.settled(1, &first).await;
    assert_eq!(first["state"], "Applied", "{first:#}");
    let before = titles(&world.vendor).await;
    assert_eq!(before.len(), 2);

    // The one half goes well; the other cannot get through, and is tried again and again.
    let documents = json!([named("orders", "Orders 2"), named("customers", "Customers 2")]);
    world.admin(1).apply(documents).await;
    let apis = world.vendor.apis().await;
    let id_of = |name: &str| {
        let found = apis.iter().find(|api| api["name"] == name);
        found.unwrap_or_else(|| panic!("no `{name}` in {apis:#?}"))["id"].clone()
    };
    let customers = id_of(before.iter().find(|(_, title)| *title == "Customers").unwrap().0);
    let fault = |status: u16| json!({"operation": "write", "api": customers, "effect": {"kind": "status", "status": status}});
    world.vendor.fault(fault(503)).await;
    let path = world.roll_out().await;
    let id = path.trim_start_matches("/plans/").to_owned();

    // Whoever takes note that the one half is done is killed; then the other half fails for good.
    let worker = world.who_says(&format!("Went on with plan `{id}`")).await;
    world.replicas[worker].kill();
    let left = 1 - worker;
    world.vendor.forget_faults().await;
    world.vendor.fault(fault(400)).await;
    let admin = world.admin(left);
    wait::until_true("the rollout is being put back", async || {
        admin.get(&path).await["state"] != "Applying"
    })
    .await;
    world.vendor.forget_faults().await;
    let plan = world.settled(left, &path).await;
    assert_eq!(plan["state"], "Compensated", "{plan:#}");

    // Also with the other one back, all of it has happened, and has happened once.
    world.replicas[worker].restart().await;
    assert_eq!(titles(&world.vendor).await, before);
    assert_eq!(
        story(&admin, &format!("plan/{id}")).await,
        [
            "plan.requested",
            "plan.ready",
            "plan.applying",
            "plan.compensating",
            "plan.compensated"
        ]
    );
    let deployments = admin.get("/deployments").await;
    for deployment in deployments["items"].as_array().unwrap() {
        assert_eq!(
            (&deployment["revision"], &deployment["phase"]),
            (&json!(1), &json!("Deployed")),
            "{deployment:#}"
        );
        let id = deployment["id"].as_str().unwrap();
        let story = story(&admin, &format!("deployment/{id}")).await;
        let times = |action: &str| story.iter().filter(|told| *told == action).count();
        assert_eq!(
            (times("deployment.requested"), times("deployment.restored")),
            (2, 1),
            "{story:?}"
        );
    }
    world.vendor.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discovery_that_is_due_is_started_once_and_finished_by_whoever_is_left() {
    if !is_there() {
        println!("{SKIPPED}");
        return;
    }
    let discovery = json!({"discovery": {"schedule": "0 3 1 1 *"}});
    let mut world = Replicas::start(discovery).await;
    world.vendor.seed(120).await;
    let admin = world.admin(0);
    let database = world.replicas[0].database().to_owned();
    let due = "UPDATE schedules SET due_at = 1 WHERE due_at > 1";

    // Held at its second page, so that it is under way when the one who started it is killed.
    let hold = json!({"request": 2, "when": "before", "operation": "GetApis"});
    world.vendor.tell("hold", hold).await;
    wait::until_true("its next time is known", async || {
        database::execute(&database, due);
        !admin.get("/discoveries").await["items"]
            .as_array()
            .unwrap()
            .is_empty()
    })
    .await;
    let started = "Started the scheduled discovery of `vendor`";
    let starter = world.who_says(started).await;
    let held = world.vendor.look("held?timeoutMs=45000").await;
    assert_eq!(held["held"]["operation"], "GetApis", "{held}");
    world.replicas[starter].kill();
    world.vendor.tell("release", json!({"outcome": "proceed"})).await;
    let left = 1 - starter;
    let admin = world.admin(left);
    let listed = admin.get("/discoveries").await;
    let id = listed["items"][0]["id"].as_str().unwrap().to_owned();
    let run = world.settled(left, &format!("/discoveries/{id}")).await;
    assert_eq!(
        (&run["state"], &run["counts"]["new"], &run["found"]),
        (&json!("Complete"), &json!(120), &json!(120)),
        "{run:#}"
    );

    // Both are there, and it is due again and again: each time it is started once.
    world.replicas[starter].restart().await;
    for round in 2..=6 {
        database::execute(&database, due);
        let listed = wait::until("the next one is there", async || {
            let listed = admin.get("/discoveries").await;
            let count = listed["items"].as_array().unwrap().len();
            if count < round {
                return Err(format!("{count} of {round}"));
            }
            Ok(listed)
        })
        .await;
        let id = listed["items"][0]["id"].as_str().unwrap().to_owned();
        world.settled(left, &format!("/discoveries/{id}")).await;
        let listed = admin.get("/discoveries").await;
        assert_eq!(listed["items"].as_array().unwrap().len(), round, "{listed:#}");
        assert_eq!(world.times_said(started), round);
        let object = format!("discovery/{id}");
        let requests = story(&admin, &object).await;
        let requests = requests.iter().filter(|action| *action == "discovery.requested");
        assert_eq!(requests.count(), 1, "{object}");
    }
}
