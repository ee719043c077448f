//! A discovery of our own APIs: whole, and cheap where nothing changed.

use std::collections::BTreeMap;

use gatehouse_connector_conformance::TestGateway as _;
use gatehouse_connector_sdk::{
    connector::{Connector as _, DiscoveryPage, PageRequest},
    schemas::{
        identity::{ApiId, ExternalRef},
        observed::DiscoveredItem,
    },
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    apis::{Operator, content, desired, operator_of},
    under_test::{Kind, KongUnderTest},
};

const URL: &str = "http://upstream.internal:9000";

async fn page(operator: &Operator, known: BTreeMap<ExternalRef, String>) -> DiscoveryPage {
    let request = PageRequest {
        known: known.into(),
        limit: 100,
        ..PageRequest::default()
    };
    operator
        .connector
        .discover(&operator.context, request)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn apis_that_share_a_caller_are_told_as_they_were_applied_and_once() {
    for (kind, calls_again) in [(Kind::Database, 8), (Kind::WithoutDatabase, 2)] {
        let kong = KongUnderTest::start(&kind).await;
        let operator = operator_of(&kong);
        let keys = json!([{"type": "auth.apiKey", "with": {"keys": [{"consumer": "shop", "secretRef": "shop-key"}]}}]);
        let mut deployed = BTreeMap::new();
        for (number, name) in [(1, "orders"), (2, "stock")] {
            let mut content = content(URL, &keys);
            content["basePath"] = json!(format!("/{name}"));
            let mut api = desired(1, &content);
            api.mark.api_id = ApiId(Uuid::from_u128(number));
            api.mark.api_name = name.parse().unwrap();
            let reference = operator.deploy(&api).await.unwrap().external_ref;
            deployed.insert(reference, api);
        }
        let items = page(&operator, BTreeMap::new()).await.items;
        let mut known = BTreeMap::new();
        for item in &items {
            let DiscoveredItem::Api(api) = item else {
                panic!("{kind:?}: {item:?}")
            };
            let applied = &deployed[&api.external_ref];
            assert_eq!(api.fingerprint, applied.fingerprint, "{kind:?}");
            assert_eq!(api.content, applied.content, "{kind:?}");
            known.insert(api.external_ref.clone(), api.version.clone().unwrap());
        }
        assert_eq!(known.len(), 2, "{kind:?}");
        let before = kong.calls().await.unwrap();
        let again = page(&operator, known).await.items;
        let is_unchanged = |item: &DiscoveredItem| matches!(item, DiscoveredItem::Unchanged { .. });
        assert!(again.iter().all(is_unchanged), "{kind:?}: {again:?}");
        assert_eq!(kong.calls().await.unwrap() - before, calls_again, "{kind:?}");
    }
}
