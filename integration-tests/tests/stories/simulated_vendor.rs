//! A vendor that people change past us, that throttles, that fails and that takes permissions away: what is deployed is
//! what was approved, what differs is told field by field, and nothing is removed because it could not be read.

use std::collections::BTreeMap;

use gatehouse_integration_tests::{
    admin::Admin,
    cli::Cli,
    control_plane::ControlPlane,
    database::Database,
    simulated::{Agent, Vendor},
    stack::{api, api_key_policy, join_token, secret, user},
    wait,
};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

super::on_both_databases! {
    what_was_approved_is_deployed_and_drift_is_told_field_by_field
    nothing_is_removed_because_it_could_not_be_read
    a_lost_permission_makes_it_unknown_and_changes_nothing
    quotas_slow_work_down_and_nobody_hears_of_a_refusal
}

/// A vendor, an agent that serves the environment `vendor` there, and a user.
pub(super) struct World {
    pub(super) vendor: Vendor,
    agent: Agent,
    pub(super) control_plane: ControlPlane,
    pub(super) admin: Admin,
    pub(super) cli: Cli,
    pub(super) folder: TempDir,
}

impl World {
    pub(super) async fn start(database: Database, environment: Value) -> Self {
        Self::start_with(database, environment, 0).await
    }

    async fn start_with(database: Database, environment: Value, quota_divisor: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let vendor = Vendor::start(folder.path()).await;
        vendor
            .tell("behaviour", json!({"quotaDivisor": quota_divisor}))
            .await;
        let control_plane = ControlPlane::start(database, folder.path().join("control-plane")).await;
        let admin = control_plane.admin();
        admin
            .apply(json!([vendor.environment("vendor", &environment)]))
            .await;
        let token = join_token(&admin, "simulated").await;
        let agent = Agent::start(
            &control_plane.url(),
            &token,
            folder.path().join("agent"),
            quota_divisor,
        );
        let cli = user(&folder, &control_plane);
        wait::until_true("the agent is there", async || {
            admin.get("/agents").await["items"][0]["online"] == true
        })
        .await;
        Self {
            vendor,
            agent,
            control_plane,
            admin,
            cli,
            folder,
        }
    }

    /// An API whose callers need a key, deployed by an approved plan.
    pub(super) async fn deployed(&self) -> Value {
        let mut orders = api("orders", "http://127.0.0.1:9");
        orders["spec"]["displayName"] = json!("Orders");
        orders["spec"]["policies"] = json!([api_key_policy("shop", "shop-key")]);
        orders["spec"]["operations"] = json!([{"match": {"method": "GET", "path": "/{id}"}}]);
        self.admin
            .apply(json!([secret("shop-key", "a-key-of-some-length"), orders]))
            .await;
        let plan = self
            .planned(json!({"api": "orders", "environment": "vendor"}))
            .await;
        assert_eq!(plan["state"], "Ready", "{plan:#}");
        assert!(self.vendor.apis().await.is_empty(), "a plan changes nothing");
        self.applied(&plan).await;
        self.admin.get("/deployments").await["items"][0].clone()
    }

    async fn planned(&self, item: Value) -> Value {
        let asked = self
            .admin
            .post("/plans", json!({"items": [item]}))
            .await
            .expect_ok();
        self.settled(&format!("/plans/{}", asked["id"].as_str().unwrap()))
            .await
    }

    async fn applied(&self, plan: &Value) -> Value {
        let path = format!("/plans/{}", plan["id"].as_str().unwrap());
        self.admin
            .send(Method::POST, &format!("{path}/apply"), Some(&json!({})))
            .await
            .expect_ok();
        let plan = self.settled(&path).await;
        assert_eq!(plan["state"], "Applied", "{plan:#}");
        plan
    }

    /// Looks again and again until it is neither waiting nor under way.
    async fn settled(&self, path: &str) -> Value {
        wait::until(&format!("{path} is settled"), async || {
            let now = self.admin.get(path).await;
            match now["state"].as_str() {
                Some("Pending" | "Running" | "Applying" | "Compensating") => Err(format!("{now:#}")),
                _ => Ok(now),
            }
        })
        .await
    }

    /// Has the agent look, and gives how the one deployment stands.
    pub(super) async fn drift(&self) -> Value {
        let asked = self
            .admin
            .post("/environments/vendor/observations", json!({}))
            .await
            .expect_ok();
        self.settled(&format!("/tasks/{}", asked["id"].as_str().unwrap()))
            .await;
        self.admin.get("/drift").await["items"][0].clone()
    }

    async fn discovered(&self) -> Value {
        let asked = self
            .admin
            .post("/discoveries", json!({"environment": "vendor"}))
            .await
            .expect_ok();
        self.settled(&format!("/discoveries/{}", asked["id"].as_str().unwrap()))
            .await
    }

    async fn catalog(&self) -> usize {
        let apis = self.admin.get("/apis?limit=500").await;
        apis["items"].as_array().unwrap().len()
    }

    /// How many missing APIs stand in each way.
    async fn missing(&self) -> BTreeMap<String, usize> {
        let missing = self.admin.get("/environments/vendor/missing?limit=500").await;
        let mut counts = BTreeMap::new();
        for item in missing["items"].as_array().unwrap() {
            *counts
                .entry(item["state"].as_str().unwrap().to_owned())
                .or_default() += 1;
        }
        counts
    }
}

async fn what_was_approved_is_deployed_and_drift_is_told_field_by_field(database: Database) {
    let world = World::start(database, json!({})).await;
    let deployment = world.deployed().await;
    assert_eq!(world.drift().await["state"], "inSync");
    let apis = world.vendor.apis().await;
    assert_eq!(apis.len(), 1);

    // Somebody takes the key away and gives it another name, in the vendor's console.
    world
        .vendor
        .edit(
            "orders",
            json!({"kind": "settings", "with": {"title": "Mine now"}}),
        )
        .await;
    world
        .vendor
        .edit(
            "orders",
            json!({"kind": "removePolicies", "policyKind": "KEY_REQUIRED"}),
        )
        .await;
    let drift = world.drift().await;
    assert_eq!(drift["state"], "drifted", "{drift:#}");
    let fields = drift["fields"].as_array().unwrap();
    let name = fields
        .iter()
        .find(|field| field["path"] == "/displayName")
        .unwrap();
    assert_eq!(name["desired"], "Orders");
    assert_eq!(name["observed"], "Mine now");
    let others: Vec<&Value> = fields
        .iter()
        .filter(|field| field["path"] != "/displayName")
        .collect();
    assert!(!others.is_empty(), "{drift:#}");
    let policies = |field: &&Value| field["path"].as_str().unwrap().starts_with("/policies");
    assert!(others.iter().all(policies), "{drift:#}");
    let shown = world.cli.run(["drift", "vendor"]).await.expect_code(2);
    shown.expect_said("displayName");

    // A plan made before that is worth nothing now; nothing was put right behind anybody's back.
    assert_eq!(
        world.vendor.apis().await[0]["draft"]["settings"]["title"],
        "Mine now"
    );
    let path = format!(
        "/deployments/{}/drift-resolution",
        deployment["id"].as_str().unwrap()
    );
    world
        .admin
        .post(&path, json!({"resolution": "revert"}))
        .await
        .expect_ok();
    wait::until("what was applied is back", async || {
        let drift = world.drift().await;
        match drift["state"].as_str() {
            Some("inSync") => Ok(()),
            _ => Err(format!("{drift:#}")),
        }
    })
    .await;
    assert_eq!(world.vendor.apis().await.len(), 1);
    world.vendor.assert_sound().await;
}

async fn nothing_is_removed_because_it_could_not_be_read(database: Database) {
    // The harshest rules there are: one complete run without it, no grace.
    let discovery = json!({"removal": {"completeRuns": 1, "graceSeconds": 0, "maxSharePercent": 10}});
    let mut world = World::start(database, json!({"mode": "read-only", "discovery": discovery})).await;
    world.vendor.seed(150).await;
    let run = world.discovered().await;
    assert_eq!(
        (&run["state"], &run["counts"]["new"]),
        (&json!("Complete"), &json!(150)),
        "{run:#}"
    );
    let path = format!("/discoveries/{}/imports", run["id"].as_str().unwrap());
    let import = world.admin.post(&path, json!({})).await.expect_ok();
    world
        .settled(&format!("/imports/{}", import["id"].as_str().unwrap()))
        .await;
    assert_eq!(world.catalog().await, 150);
    let run = world.discovered().await;
    assert_eq!(run["counts"]["unchanged"], 150, "{run:#}");

    // Outages, partial pages and lost permissions, on either page and on every single API.
    let status = |status: u16| json!({"kind": "status", "status": status});
    for (operation, skip, effect) in [
        ("GetApis", 0, status(503)),
        ("GetApis", 1, status(500)),
        ("GetApis", 1, status(403)),
        ("GetApis", 1, json!({"kind": "truncated"})),
        ("GetApis", 1, json!({"kind": "empty"})),
        ("GetApis", 0, json!({"kind": "reset"})),
        ("*", 0, status(401)),
    ] {
        let fault = json!({"operation": operation, "skip": skip, "effect": effect});
        world.vendor.fault(fault.clone()).await;
        let run = world.discovered().await;
        world.vendor.forget_faults().await;
        assert_ne!(run["state"], "Complete", "{fault} {run:#}");
        assert_eq!(run["counts"]["gone"], 0, "{fault} {run:#}");
        assert_eq!(world.missing().await, BTreeMap::new(), "{fault}");
    }
    // An agent that has forgotten everything reads all anew; single ones that cannot be read are errors, not gone.
    for name in ["service-00003", "service-00004"] {
        world
            .vendor
            .edit(name, json!({"kind": "tags", "with": {"touched": "yes"}}))
            .await;
    }
    world
        .vendor
        .fault(json!({"operation": "GetExport", "effect": status(404)}))
        .await;
    let run = world.discovered().await;
    world.vendor.forget_faults().await;
    assert_eq!(run["state"], "Complete", "{run:#}");
    assert_eq!(
        (&run["counts"]["error"], &run["counts"]["gone"]),
        (&json!(2), &json!(0)),
        "{run:#}"
    );

    // A vendor that suddenly says it has nothing is not believed without a person.
    world
        .vendor
        .fault(json!({"operation": "GetApis", "effect": {"kind": "emptyList"}}))
        .await;
    let run = world.discovered().await;
    world.vendor.forget_faults().await;
    assert_eq!(run["counts"]["gone"], 150, "{run:#}");
    assert_eq!(
        world.missing().await,
        BTreeMap::from([("needsApproval".to_owned(), 150)])
    );
    world.discovered().await;
    assert_eq!(world.missing().await, BTreeMap::new());

    // The agent is killed in the middle; another goes on, and still nothing is missing.
    world
        .vendor
        .tell(
            "hold",
            json!({"request": 2, "when": "before", "operation": "GetApis"}),
        )
        .await;
    let asked = world
        .admin
        .post("/discoveries", json!({"environment": "vendor"}))
        .await
        .expect_ok();
    let held = world.vendor.look("held?timeoutMs=45000").await;
    assert_eq!(held["held"]["operation"], "GetApis", "{held}");
    world.agent.kill();
    world.vendor.tell("release", json!({"outcome": "drop"})).await;
    world.agent.restart();
    let run = world
        .settled(&format!("/discoveries/{}", asked["id"].as_str().unwrap()))
        .await;
    assert_eq!(
        (&run["state"], &run["counts"]["gone"]),
        (&json!("Complete"), &json!(0)),
        "{run:#}"
    );

    // A rename is a rename; what was really removed counts as removed, and its entry in the catalog stays.
    world
        .vendor
        .edit("service-00001", json!({"kind": "rename", "name": "renamed"}))
        .await;
    world
        .vendor
        .edit("service-00002", json!({"kind": "delete"}))
        .await;
    let run = world.discovered().await;
    assert_eq!(run["counts"]["new"], 0, "{run:#}");
    assert_eq!(run["counts"]["gone"], 1, "{run:#}");
    let items = world
        .admin
        .get(&format!(
            "/discoveries/{}/items?limit=500",
            run["id"].as_str().unwrap()
        ))
        .await;
    let items = items["items"].as_array().unwrap();
    let renamed = items.iter().find(|item| item["name"] == "renamed").unwrap();
    assert_eq!(renamed["api"], "service-00001", "{renamed:#}");
    assert_eq!(world.missing().await, BTreeMap::from([("removed".to_owned(), 1)]));
    assert_eq!(world.catalog().await, 150);
}

async fn a_lost_permission_makes_it_unknown_and_changes_nothing(database: Database) {
    let world = World::start(database, json!({})).await;
    world.deployed().await;
    let before = world.vendor.apis().await;
    world.vendor.allow(json!(["GetPermissions"])).await;
    let drift = world.drift().await;
    assert_eq!(drift["state"], "unknown", "{drift:#}");
    let reason = drift["reason"].as_str().unwrap();
    assert!(reason.contains("is not allowed to the credential"), "{reason}");
    assert_eq!(world.vendor.apis().await, before);
    let checked = world.cli.run(["env", "check", "vendor"]).await;
    checked.expect_said("may not GetExport");
    let permissions = world.cli.ok("env permissions vendor --mode read-only").await;
    assert!(
        permissions.contains("GetApis") && !permissions.contains("CreateApi"),
        "{permissions}"
    );

    world.vendor.allow(json!(["*"])).await;
    assert_eq!(world.drift().await["state"], "inSync");
    world.vendor.assert_sound().await;
}

async fn quotas_slow_work_down_and_nobody_hears_of_a_refusal(database: Database) {
    let world = World::start_with(database, json!({}), 50).await;
    let apis: Vec<Value> = (0..5)
        .map(|number| api(&format!("api-{number}"), "http://127.0.0.1:9"))
        .collect();
    world.admin.apply(json!(apis)).await;
    let mut asked = Vec::new();
    for number in 0..5 {
        asked.push(world.admin.deploy(&format!("api-{number}"), None, "vendor").await);
    }
    for deployment in &asked {
        let deployed = world.admin.deployed(deployment).await;
        // Only what is said: an identifier may hold these digits by chance.
        for condition in deployed["conditions"].as_array().unwrap() {
            let message = condition["message"].as_str().unwrap();
            assert!(!message.contains("429"), "{deployed:#}");
        }
    }
    assert_eq!(world.vendor.apis().await.len(), 5);
    world.vendor.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn security_that_the_vendor_cannot_enforce_is_not_deployed() {
    let world = World::start(Database::Sqlite, json!({})).await;
    let mut orders = api("orders", "http://127.0.0.1:9");
    orders["spec"]["policies"] = json!([{"type": "auth.oauth2", "with": {
        "introspectionUrl": "https://idp.example/introspect", "clientId": "gateway", "clientSecretRef": "client",
    }}]);
    world
        .admin
        .apply(json!([secret("client", "a-secret-of-some-length"), orders]))
        .await;
    let request = json!({"api": "orders", "environment": "vendor", "acceptLoss": true});
    let problem = world
        .admin
        .post("/deployments", request)
        .await
        .expect_problem(409, "policy-unsupported");
    let detail = problem.to_string();
    assert!(detail.contains("auth.oauth2"), "{detail}");
    assert!(world.vendor.apis().await.is_empty());
}
