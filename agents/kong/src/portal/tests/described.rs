//! Portals as Kong's own OpenAPI files describe them.

use gatehouse_connector_sdk::error::ErrorKind;

use crate::{
    client::node::Edition,
    portal::{Content, Finding, Portal, classic},
    test_support::{konnect, prism::Prism, workspace},
};

/// The service of the examples in Konnect's description.
const SERVICE: &str = "7710d5c4-d902-410b-992f-18b814155b53";

#[tokio::test]
async fn a_definition_is_found_in_konnects_catalogue() {
    let Some(prism) = Prism::start("konnect-api-builder-v3-openapi.yaml").await else {
        return;
    };
    let client = konnect(prism.below("/v3", None).await).await;
    let portal = Portal::look(&client, Edition::Konnect, &[SERVICE]).await.unwrap();
    let Finding::Definition(document) = portal.finding(SERVICE) else {
        panic!("{:?}", portal.finding(SERVICE))
    };
    assert!(document.place.starts_with("API `myAPI` "), "{}", document.place);
    let Content::Definition(definition) = &document.content else {
        panic!("it is a definition")
    };
    assert_eq!(
        (definition.title.as_str(), definition.operations.len()),
        ("Example API", 1)
    );
}

#[tokio::test]
async fn a_catalogue_that_may_not_be_read_says_so_in_konnects_words() {
    let Some(prism) = Prism::start("konnect-api-builder-v3-openapi.yaml").await else {
        return;
    };
    let client = konnect(prism.below("/v3", Some("code=401")).await).await;
    let error = Portal::look(&client, Edition::Konnect, &[SERVICE])
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    let client = konnect(prism.below("/v3", Some("code=403")).await).await;
    let portal = Portal::look(&client, Edition::Konnect, &[SERVICE]).await.unwrap();
    let Finding::Unreadable(_, reason) = portal.finding(SERVICE) else {
        panic!("{:?}", portal.finding(SERVICE))
    };
    assert!(
        reason.contains("with 403: You do not have permission to perform this action; "),
        "{reason}"
    );
}

#[tokio::test]
async fn a_file_of_the_portal_is_read_as_its_description_shapes_it() {
    let Some(prism) = Prism::start("gateway-dev-portal-v1-openapi.yaml").await else {
        return;
    };
    let client = workspace(prism.below("/admin/zoo", None).await).await;
    let page = client.read(&["files"], &[("size", "1")]).await.unwrap();
    let file = &page["data"][0];
    let path = file["path"].as_str().unwrap();
    let content = classic::content(&format!("the portal's file `{path}`"), file);
    assert_eq!(content, Content::Other("prose".to_owned()), "{path}");
}
