//! Documents made from operations.

use expect_test::expect;
use gatehouse_connector_sdk::schemas::{
    canonical::Fingerprint,
    observed::resource_name,
    openapi,
    revision::{build, to_spec},
};
use serde_json::json;

use super::kong::{a_route, of_service, read, with_routes};
use crate::read::with_definition;

#[test]
fn a_document_says_the_operations_and_that_it_was_made() {
    let routes = vec![
        a_route(
            "r1",
            json!({"paths": ["~/shop/items/(?<id>[^/]+)$"], "methods": ["GET"], "strip_path": false}),
        ),
        a_route(
            "r2",
            json!({"paths": ["/shop/cart"], "methods": ["PUT"], "headers": {"x-kind": ["new"]}, "strip_path": false}),
        ),
    ];
    let mut snapshot = with_routes(routes);
    snapshot.plugins = vec![of_service("request-size-limiting", json!({}))];
    let content = read(&snapshot).unwrap().content;
    let (described, document) = with_definition(content.clone(), "orders", &[]);
    let document = document.unwrap();

    expect![[r#"
        {
          "info": {
            "description": "Made from the routes of the gateway: it says which requests are taken, and nothing of what they and their answers look like.",
            "title": "orders",
            "version": "v1"
          },
          "openapi": "3.1.0",
          "paths": {
            "/cart#x-kind=new": {
              "put": {
                "parameters": [
                  {
                    "in": "header",
                    "name": "x-kind",
                    "required": true,
                    "schema": {
                      "enum": [
                        "new"
                      ],
                      "type": "string"
                    }
                  }
                ],
                "responses": {
                  "default": {
                    "description": "Whatever the upstream answers."
                  }
                }
              }
            },
            "/cart/{rest...}#x-kind=new": {
              "put": {
                "parameters": [
                  {
                    "in": "path",
                    "name": "rest...",
                    "required": true,
                    "schema": {
                      "type": "string"
                    }
                  },
                  {
                    "in": "header",
                    "name": "x-kind",
                    "required": true,
                    "schema": {
                      "enum": [
                        "new"
                      ],
                      "type": "string"
                    }
                  }
                ],
                "responses": {
                  "default": {
                    "description": "Whatever the upstream answers."
                  }
                }
              }
            },
            "/items/{id}": {
              "get": {
                "parameters": [
                  {
                    "in": "path",
                    "name": "id",
                    "required": true,
                    "schema": {
                      "type": "string"
                    }
                  }
                ],
                "responses": {
                  "default": {
                    "description": "Whatever the upstream answers."
                  }
                }
              }
            }
          },
          "servers": [
            {
              "url": "/shop"
            }
          ],
          "x-gatehouse-synthesised": true
        }"#]].assert_eq(&format!("{document:#}"));
    let summary = described.definition.clone().unwrap();
    let known = openapi::read(&document).unwrap();
    assert_eq!(summary.fingerprint, Fingerprint::of_value(&known.canonical));
    assert_eq!(described.operations, content.operations);
    let built = build(
        &resource_name("orders").unwrap(),
        &to_spec(&described),
        Some((&summary.fingerprint, &known)),
    );
    assert_eq!(built.unwrap(), described);
}

#[test]
fn operations_that_openapi_cannot_say_have_no_document() {
    for route in [
        json!({"paths": ["/orders"]}),
        json!({"paths": ["~/orders$"]}),
        json!({"methods": ["PROPFIND"]}),
    ] {
        let content = read(&with_routes(vec![a_route("r1", route)])).unwrap().content;
        assert_eq!(with_definition(content.clone(), "orders", &[]), (content, None));
    }
}
