//! Safe change from the command line, against a vendor that people change past us: what no longer holds is not carried
//! out, what both sides changed is left to people, what is not ours is not touched before it is adopted.

use gatehouse_integration_tests::{
    cli::Outcome,
    database::Database,
    gateway::Gateway,
    stack::{api, environment, join_token},
    wait,
};
use serde_json::{Value, json};

use super::simulated_vendor::World;

super::on_both_databases! {
    a_plan_is_void_once_the_gateway_or_the_catalog_moved
    an_api_moves_to_another_gateway_and_keeps_its_protection
    what_somebody_else_made_is_found_chosen_ignored_and_adopted
    drift_is_put_back_or_adopted_and_a_conflict_is_left_to_people
}

impl World {
    async fn run(&self, words: &str) -> Outcome {
        self.cli.run(words.split_whitespace()).await
    }

    /// A new revision of `orders` that differs in its name.
    async fn revise(&self, display_name: &str) {
        let mut orders = self.admin.get("/apis/orders").await;
        orders["spec"]["displayName"] = json!(display_name);
        let document = json!({"kind": "Api", "metadata": {"name": "orders"}, "spec": orders["spec"]});
        self.admin.apply(json!([document])).await;
    }

    /// Gives `orders` another name in the vendor's console.
    async fn retitle(&self, title: &str) {
        let edit = json!({"kind": "settings", "with": {"title": title}});
        self.vendor.edit("orders", edit).await;
    }

    /// The name of the one API at the vendor.
    async fn title(&self) -> Value {
        self.vendor.apis().await[0]["draft"]["settings"]["title"].clone()
    }

    /// Discovers, and gives the discovery's id and the class of each finding by name.
    async fn found(&self) -> (String, Vec<(String, String)>) {
        let shown = self.cli.json("discover vendor --wait").await;
        let id = shown["discovery"]["id"].as_str().unwrap().to_owned();
        let text = |item: &Value, field: &str| item[field].as_str().unwrap().to_owned();
        let items = shown["items"].as_array().unwrap().iter();
        let mut found: Vec<_> = items
            .map(|item| (text(item, "name"), text(item, "class")))
            .collect();
        found.sort();
        (id, found)
    }
}

async fn a_plan_is_void_once_the_gateway_or_the_catalog_moved(database: Database) {
    let world = World::start(database, json!({})).await;
    world.deployed().await;
    world.revise("Orders, second edition").await;

    // Somebody edits the API in the vendor's console between the plan and its approval.
    let planned = world.cli.ok("plan orders --to vendor --out gateway.plan").await;
    assert!(planned.contains("revision 1 -> 2"), "{planned}");
    world.retitle("Mine now").await;
    let before = world.vendor.apis().await;
    world
        .run("deploy --plan gateway.plan")
        .await
        .expect_code(4)
        .expect_said("the gateway moved since the plan was made, and nothing was changed there")
        .expect_said("make a new plan");
    assert_eq!(world.vendor.apis().await, before);
    let deployment = world.admin.get("/deployments").await["items"][0].clone();
    assert_eq!(deployment["revision"], 1, "{deployment:#}");

    // Somebody deploys between the plan and its approval.
    world.cli.ok("plan orders --to vendor --out catalog.plan").await;
    world.cli.ok("deploy orders --to vendor --wait").await;
    assert_eq!(world.title().await, "Orders, second edition");
    let before = world.vendor.apis().await;
    let void = world.run("deploy --plan catalog.plan").await.expect_code(4);
    void.expect_said(
        "is void and nothing was changed: api `orders` in environment `vendor` was at generation",
    );
    let void = world
        .run("deploy --plan catalog.plan -o json")
        .await
        .expect_code(4);
    let problem: Value = serde_json::from_str(&void.stderr).unwrap();
    assert_eq!(problem["type"], "https://gatehouse.dev/problems/plan-void");
    assert_eq!(problem["exitCode"], 4);
    assert_eq!(problem["errors"][0]["pointer"], "/items/0", "{problem:#}");
    assert_eq!(world.vendor.apis().await, before);
    world.vendor.assert_sound().await;
}

async fn an_api_moves_to_another_gateway_and_keeps_its_protection(database: Database) {
    let world = World::start(database, json!({})).await;
    world.deployed().await;
    world
        .admin
        .apply(json!([environment("local", "native", "read-write")]))
        .await;
    let token = join_token(&world.admin, "native").await;
    let folder = world.folder.path().join("gateway");
    let gateway = Gateway::start(&world.control_plane.url(), &token, folder).await;

    world
        .run("move orders --from vendor --to vendor")
        .await
        .expect_code(64)
        .expect_said("`--from` and `--to` name the same environment");
    world
        .run("move orders --from vendor --to local --no-wait")
        .await
        .expect_code(64)
        .expect_said(
            "a move takes the API off its old place once the new one serves it, so it has to wait; leave out `--no-wait`, or \
             keep the old place with `--keep`",
        );

    // The plan says what becomes of both places, and changes neither.
    let before = world.vendor.apis().await;
    world
        .run("move orders --from vendor --to local --plan")
        .await
        .expect_code(0)
        .expect_said("deploy orders in local")
        .expect_said("once `local` serves `orders`, it is taken off `vendor`");
    assert_eq!(world.vendor.apis().await, before);
    assert_eq!(gateway.call("/orders/1").await.status(), 404);

    world
        .run("move orders --from vendor --to local")
        .await
        .expect_code(0);
    assert_eq!(world.vendor.apis().await, Vec::<Value>::new());
    assert_eq!(gateway.call("/orders/1").await.status(), 401, "it needs a key");
    let deployments = world.admin.get("/deployments").await;
    let places: Vec<&Value> = deployments["items"].as_array().unwrap().iter().collect();
    assert_eq!(places.len(), 1, "{deployments:#}");
    assert_eq!(places[0]["environment"], "local");
    world
        .run("move orders --from vendor --to local --plan")
        .await
        .expect_code(0)
        .expect_said(
            "`orders` stays in `vendor`: Gatehouse did not deploy it there; adopt it first (`gatehouse adopt orders --env \
             vendor`) to have it taken off",
        );
    world.vendor.assert_sound().await;
}

async fn what_somebody_else_made_is_found_chosen_ignored_and_adopted(database: Database) {
    let world = World::start(database, json!({})).await;
    world.vendor.seed(2).await;
    let both = |first: &str, second: &str| {
        let pair = |name: &str, class: &str| (name.to_owned(), class.to_owned());
        vec![pair("service-00000", first), pair("service-00001", second)]
    };
    let (id, found) = world.found().await;
    assert_eq!(found, both("new", "new"));

    // A selection that nobody can have meant imports nothing.
    world
        .run(&format!("import {id} --select statsu=new"))
        .await
        .expect_code(3)
        .expect_said("there is no key `statsu`; did you mean `status`?");
    assert_eq!(world.cli.ok("get apis -o name").await.trim(), "");

    // What belongs to others is ignored, and told as such.
    world
        .run("ignore vendor")
        .await
        .expect_code(0)
        .expect_said("nothing of vendor is ignored");
    let apis = world.vendor.apis().await;
    let other = apis.iter().find(|api| api["name"] == "service-00001").unwrap();
    let other = other["id"].as_str().unwrap();
    world
        .run(&format!("ignore nowhere {other}"))
        .await
        .expect_code(6)
        .expect_said("there is no environment `nowhere`");
    let words = ["ignore", "vendor", other, "--reason", "belongs to another team"];
    world.cli.run(words).await.expect_code(0);
    let listed = world.cli.ok("ignore vendor").await;
    assert!(
        listed.contains(other) && listed.contains("belongs to another team"),
        "{listed}"
    );
    let (id, found) = world.found().await;
    assert_eq!(found, both("new", "ignored"));
    world.cli.ok(&format!("import {id} --select status=new")).await;
    assert_eq!(world.cli.ok("get apis -o name").await.trim(), "api/service-00000");
    world
        .run(&format!("ignore vendor {other} --remove"))
        .await
        .expect_code(0)
        .expect_said(&format!(
            "`{other}` is not ignored any more; the next discovery of `vendor` says what it is"
        ));
    world
        .run(&format!("ignore vendor {other} --remove"))
        .await
        .expect_code(6)
        .expect_said(&format!(
            "`{other}` is not on the ignore list of environment `vendor`; `gatehouse ignore vendor` shows what is"
        ));

    // What was imported is adopted: the same object, and ours from then on.
    let before = world.vendor.apis().await;
    world
        .run("adopt service-00000 --accept-loss --plan")
        .await
        .expect_code(0)
        .expect_said("takes over `")
        .expect_said("`, which is not marked as ours yet");
    assert_eq!(world.vendor.apis().await, before);
    world.cli.ok("adopt service-00000 --accept-loss").await;
    let after = world.vendor.apis().await;
    assert_eq!(after.len(), 2);
    for (was, is) in before.iter().zip(&after) {
        assert_eq!(was["id"], is["id"], "no new object");
    }
    assert_eq!(world.drift().await["state"], "inSync");
    world.run("adopt service-00000").await.expect_code(4).expect_said(
        "api `service-00000` is deployed in environment `vendor` already, so Gatehouse manages it there; deploy it to change it",
    );
    world
        .admin
        .apply(json!([api("orders", "http://127.0.0.1:9")]))
        .await;
    world.run("adopt orders").await.expect_code(4).expect_said(
        "`orders` was not imported from a gateway, so there is nothing to adopt; deploy it with `gatehouse deploy orders --to \
         ENVIRONMENT`",
    );
}

async fn drift_is_put_back_or_adopted_and_a_conflict_is_left_to_people(database: Database) {
    let world = World::start(database, json!({})).await;
    world.deployed().await;
    world
        .run("drift resolve orders --env vendor --revert")
        .await
        .expect_code(4)
        .expect_said("there is no drift to resolve");

    world.retitle("Theirs").await;
    world.run("drift vendor").await.expect_code(2);
    world
        .run("drift resolve orders --env vendor --revert --no-wait")
        .await
        .expect_code(0)
        .expect_said("it goes on; `gatehouse drift` shows how it stands");
    wait::until_true("it is put back", async || world.title().await == "Orders").await;
    world.run("drift vendor").await.expect_code(0);

    // What somebody changed in the console becomes a revision.
    world.retitle("Mine now").await;
    world.run("drift vendor").await.expect_code(2);
    world
        .run("drift resolve orders --env vendor --adopt")
        .await
        .expect_code(0)
        .expect_said("orders in vendor is revision 2 now, as the gateway holds it");
    assert_eq!(
        world.admin.get("/apis/orders").await["spec"]["displayName"],
        "Mine now"
    );
    world.run("drift vendor").await.expect_code(0);

    // Both sides change the same field: nobody but people can say which is right.
    world.retitle("Mine again").await;
    world.revise("Ours").await;
    world
        .run("drift vendor")
        .await
        .expect_code(2)
        .expect_said("/displayName");
    world
        .run("drift resolve orders --env vendor --adopt")
        .await
        .expect_code(4)
        .expect_said(
            "api `orders` was changed in the catalog and on the gateway of environment `vendor` at the same places: \
             `/displayName`; nothing was changed; make them agree, or put back what was applied with `gatehouse drift resolve \
             orders --env vendor --revert`",
        )
        .expect_said("the catalog has \"Ours\", the gateway \"Mine again\"");
    assert_eq!(world.title().await, "Mine again");
    world
        .run("drift resolve orders --env vendor --revert")
        .await
        .expect_code(0)
        .expect_said("orders in vendor is as it was applied");
    assert_eq!(world.title().await, "Mine now");
    world.run("drift vendor").await.expect_code(0);
    world
        .run("drift resolve orders --env nowhere --revert")
        .await
        .expect_code(6);
    world.vendor.assert_sound().await;
}
