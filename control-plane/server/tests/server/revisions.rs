//! Every change of an API's content is a revision, and only that.

use serde_json::{Value, json};

use crate::harness::{api, check};

fn definition(title: &str) -> Value {
    json!({
        "openapi": "3.0.3",
        "info": {"title": title, "version": "1.0.0"},
        "paths": {"/orders/{id}": {"get": {"operationId": "readOrder", "responses": {"200": {"description": "ok"}}}}},
    })
}

fn defined(title: &str) -> Value {
    let mut document = api("orders", "/orders");
    document["spec"]["definition"] = json!({"openapi": {"inline": definition(title)}});
    document
}

#[tokio::test]
async fn a_change_of_content_makes_a_revision_and_a_label_does_not() {
    check(|control_plane| async move {
        control_plane.with_api("orders", "/orders").await;
        let mut labelled = api("orders", "/orders");
        labelled["metadata"]["labels"] = json!({"tier": "public"});
        let applied = control_plane.apply(json!([labelled])).await;
        assert_eq!(applied["results"][0]["action"], "updated");
        assert_eq!(applied["results"][0].get("revision"), None);
        let applied = control_plane.apply(json!([api("orders", "/orders/v2")])).await;
        assert_eq!(applied["results"][0]["revision"], 2);
        let paths: Vec<&str> = applied["results"][0]["changes"]
            .as_array()
            .expect("changes")
            .iter()
            .filter_map(|change| change["path"].as_str())
            .collect();
        assert_eq!(paths, ["/metadata/labels", "/spec/basePath"]);
        let listed = control_plane.get("apis/orders/revisions").await.expect(200);
        assert_eq!(listed["items"][0]["number"], 2);
        assert_eq!(listed["items"][1]["number"], 1);
        assert_eq!(listed["items"][0].get("content"), None);
        assert_eq!(listed["items"][0]["createdBy"], "admin");
        let first = control_plane.get("apis/orders/revisions/1").await.expect(200);
        assert_eq!(first["content"]["basePath"], "/orders");
        assert_eq!(
            control_plane.get("apis/orders/revisions/3").await.problem(404).1,
            "api `orders` has no revision 3; `gatehouse get revisions --api orders` lists those it has"
        );
        control_plane.get("apis/none/revisions").await.problem(404);
        let page = control_plane
            .get("apis/orders/revisions?limit=1")
            .await
            .expect(200);
        let cursor = page["nextCursor"].as_str().expect("a cursor");
        let last = control_plane
            .get(&format!("apis/orders/revisions?limit=1&cursor={cursor}"))
            .await
            .expect(200);
        assert_eq!(last["items"][0]["number"], 1);
    })
    .await;
}

#[tokio::test]
async fn a_definition_is_kept_and_referred_to() {
    check(|control_plane| async move {
        control_plane.apply(json!([defined("Orders")])).await;
        let read = control_plane.get("apis/orders").await.expect(200);
        assert_eq!(read["status"]["operations"], 1);
        let reference = &read["spec"]["definition"]["openapi"]["fingerprint"];
        assert!(reference.as_str().expect("a fingerprint").starts_with("sha256:"));
        let stored = control_plane
            .get("apis/orders/revisions/1/definition")
            .await
            .expect(200);
        assert_eq!(stored["info"]["title"], "Orders");
        let again = control_plane.apply(json!([defined("Orders")])).await;
        assert_eq!(again["results"][0]["action"], "unchanged");
        let changed = control_plane.apply(json!([defined("Order book")])).await;
        assert_eq!(changed["results"][0]["revision"], 2);
        assert_eq!(
            changed["results"][0]["changes"][0]["path"],
            "/spec/definition/openapi/fingerprint"
        );
        // Going back by reference: the first document is still there.
        let mut first = api("orders", "/orders");
        first["spec"]["definition"] = json!({"openapi": {"fingerprint": reference}});
        let back = control_plane.apply(json!([first])).await;
        assert_eq!(back["results"][0]["revision"], 3);
        let (of_first, of_third) = (
            control_plane.get("apis/orders/revisions/1").await.expect(200),
            control_plane.get("apis/orders/revisions/3").await.expect(200),
        );
        assert_eq!(of_first["fingerprint"], of_third["fingerprint"]);
        assert_eq!(of_third["content"]["operations"][0]["id"], "readOrder");
        control_plane.with_api("plain", "/plain").await;
        control_plane
            .get("apis/plain/revisions/1/definition")
            .await
            .problem(404);
    })
    .await;
}
