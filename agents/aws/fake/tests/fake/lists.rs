//! Lists in pages.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::client::Client;

/// The ids in all pages of a list, and how many pages there were.
async fn ids(client: &Client, path: &str, item: &str, id: &str, position: &str) -> (BTreeSet<String>, usize) {
    let (mut found, mut pages, mut next) = (BTreeSet::new(), 0, None::<String>);
    loop {
        let separator = if path.contains('?') { '&' } else { '?' };
        let at = next
            .as_ref()
            .map(|next| format!("{separator}{position}={}", next.replace('=', "%3D")));
        let page = client
            .get(&format!("{path}{}", at.unwrap_or_default()))
            .await
            .ok();
        pages += 1;
        for one in page[item].as_array().unwrap() {
            assert!(
                found.insert(one[id].as_str().unwrap().to_owned()),
                "{one} came twice"
            );
        }
        match page[position].as_str() {
            Some(position) => next = Some(position.to_owned()),
            None => return (found, pages),
        }
    }
}

#[tokio::test]
async fn apis_come_in_pages_of_25_unless_the_call_says_otherwise() {
    let client = Client::start().await;
    for number in 0..60 {
        client.aws.call(
            &client.region,
            "POST",
            "/restapis",
            &json!({ "name": format!("api-{number}") }),
        );
        let given = json!({ "name": format!("api-{number}"), "protocolType": "HTTP" });
        client.aws.call(&client.region, "POST", "/v2/apis", &given);
    }
    for (path, pages) in [
        ("/restapis", 3),
        ("/restapis?limit=10", 6),
        ("/restapis?limit=500", 1),
    ] {
        let (found, seen) = ids(&client, path, "item", "id", "position").await;
        assert_eq!((found.len(), seen), (60, pages), "{path}");
    }
    for (path, pages) in [("/v2/apis", 3), ("/v2/apis?maxResults=60", 1)] {
        let (found, seen) = ids(&client, path, "items", "apiId", "nextToken").await;
        assert_eq!((found.len(), seen), (60, pages), "{path}");
    }
}

#[tokio::test]
async fn a_position_that_is_none_is_refused() {
    let client = Client::start().await;
    let refused = client.get("/restapis?position=%C3%A4").await;
    assert_eq!(refused.refusal().1, "BadRequestException");
    let refused = client.get("/restapis?limit=0").await;
    assert_eq!(refused.refusal().1, "BadRequestException");
}

#[tokio::test]
async fn a_list_goes_on_where_it_was_when_something_is_deleted() {
    let client = Client::start().await;
    for number in 0..6 {
        client.aws.call(
            &client.region,
            "POST",
            "/restapis",
            &json!({ "name": format!("api-{number}") }),
        );
    }
    let first = client.get("/restapis?limit=3").await.ok();
    let seen = first["item"][2]["id"].as_str().unwrap();
    client
        .call("DELETE", &format!("/restapis/{seen}"), Value::Null)
        .await
        .ok();
    let position = first["position"].as_str().unwrap().replace('=', "%3D");
    let second = client
        .get(&format!("/restapis?limit=3&position={position}"))
        .await
        .ok();
    assert_eq!(second["item"].as_array().unwrap().len(), 3);
}
