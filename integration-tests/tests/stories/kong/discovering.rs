//! What other people made on a Kong is found and taken into the catalog, and nothing of that changes anything there.

use gatehouse_integration_tests::{kong::Kong, upstream::Upstream};
use reqwest::Method;
use serde_json::{Value, json};

use super::{World, on_kongs};

on_kongs! {
    what_others_made_is_found_imported_and_known_from_then_on
}

impl World {
    /// Discovers, and gives the discovery's id and name and class of each finding that is not as it was.
    pub(super) async fn found(&self) -> (String, Vec<(String, String)>) {
        let shown = self.cli.json("discover kong --wait").await;
        let id = shown["discovery"]["id"].as_str().unwrap().to_owned();
        let text = |item: &Value, field: &str| item[field].as_str().unwrap_or_default().to_owned();
        let items = shown["items"].as_array().unwrap().iter();
        let mut found: Vec<_> = items
            .map(|item| (text(item, "name"), text(item, "class")))
            .collect();
        found.sort();
        (id, found)
    }
}

pub(super) fn pairs<const COUNT: usize>(pairs: [(&str, &str); COUNT]) -> Vec<(String, String)> {
    pairs
        .map(|(name, class)| (name.to_owned(), class.to_owned()))
        .into()
}

async fn what_others_made_is_found_imported_and_known_from_then_on(kong: Kong) {
    let world = World::start(kong).await;
    let upstream = Upstream::start("theirs").await;
    world.theirs("billing", &upstream).await;
    let legacy = world.theirs("legacy", &upstream).await;
    let before = world.kong.everything().await;

    let (id, found) = world.found().await;
    assert_eq!(found, pairs([("billing", "new"), ("legacy", "new")]));
    assert_eq!(
        world.cli.ok("get apis -o name").await.trim(),
        "",
        "looking imports nothing"
    );
    world.cli.ok(&format!("import {id} --all")).await;
    let imported = world.admin.get("/apis/legacy").await;
    assert_eq!(imported["spec"]["basePath"], "/legacy");
    assert_eq!(imported["spec"]["upstreams"]["main"]["url"], upstream.url());
    assert_eq!(
        imported["spec"]["policies"],
        json!([{"type": "headers", "with": {"response": {"add": {"x-theirs": "yes"}}}}]),
    );
    let again = world.cli.json("discover kong --wait").await;
    assert_eq!(again["discovery"]["counts"]["unchanged"], 2, "{again:#}");
    assert_eq!(again["items"], json!([]), "{again:#}");
    assert_eq!(
        world.kong.everything().await,
        before,
        "nothing of this changes anything on Kong"
    );

    // Changed there, and gone there.
    world
        .kong
        .change(&format!("/services/{legacy}"), &json!({"path": "/v2"}))
        .await;
    let (id, found) = world.found().await;
    assert_eq!(found, pairs([("legacy", "changed")]));
    world
        .run(&format!("discoveries show {id}"))
        .await
        .expect_code(0)
        .expect_said("/upstreams/main/url");
    let routes = world.kong.list("routes").await;
    let of_billing = routes
        .iter()
        .find(|route| route["paths"][0] == "/billing")
        .unwrap();
    let path = format!("/routes/{}", of_billing["id"].as_str().unwrap());
    world.kong.call(Method::DELETE, &path, None).await;
    let (id, found) = world.found().await;
    assert_eq!(found, pairs([("billing", "error"), ("legacy", "changed")]));
    world
        .run(&format!("discoveries show {id}"))
        .await
        .expect_said("service `billing` has no route, so nobody can reach it");
}
