//! What is passed on: methods, paths, targets, headers, times.

use expect_test::expect;
use serde_json::json;

use super::{
    super::{api, form, http, rest},
    check,
};

#[test]
fn a_plain_api_is_proxied_method_by_method() {
    let desired = api(
        &json!([]),
        &[
            ("GET", "/", json!([])),
            ("POST", "/items", json!([])),
            ("GET", "/items/{id}", json!([])),
        ],
    );
    check(
        &form(&desired, &rest()),
        expect![[r#"
        {
          "kind": "rest",
          "document": {
            "info": {
              "title": "Shop",
              "version": "v1"
            },
            "openapi": "3.0.1",
            "paths": {
              "/": {
                "get": {
                  "operationId": "o0",
                  "responses": {
                    "200": {
                      "description": "What the upstream answers"
                    }
                  },
                  "x-amazon-apigateway-integration": {
                    "connectionType": "INTERNET",
                    "httpMethod": "GET",
                    "passthroughBehavior": "when_no_match",
                    "timeoutInMillis": 3000,
                    "type": "http_proxy",
                    "uri": "http://shop.internal/api/"
                  }
                }
              },
              "/items": {
                "post": {
                  "operationId": "o1",
                  "responses": {
                    "200": {
                      "description": "What the upstream answers"
                    }
                  },
                  "x-amazon-apigateway-integration": {
                    "connectionType": "INTERNET",
                    "httpMethod": "POST",
                    "passthroughBehavior": "when_no_match",
                    "timeoutInMillis": 3000,
                    "type": "http_proxy",
                    "uri": "http://shop.internal/api/items"
                  }
                }
              },
              "/items/{id}": {
                "get": {
                  "operationId": "o2",
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
                    "200": {
                      "description": "What the upstream answers"
                    }
                  },
                  "x-amazon-apigateway-integration": {
                    "connectionType": "INTERNET",
                    "httpMethod": "GET",
                    "passthroughBehavior": "when_no_match",
                    "requestParameters": {
                      "integration.request.path.id": "method.request.path.id"
                    },
                    "timeoutInMillis": 3000,
                    "type": "http_proxy",
                    "uri": "http://shop.internal/api/items/{id}"
                  }
                }
              }
            },
            "x-amazon-apigateway-binary-media-types": [
              "*/*"
            ],
            "x-amazon-apigateway-gateway-responses": {
              "MISSING_AUTHENTICATION_TOKEN": {
                "responseTemplates": {
                  "application/json": "{\"message\":\"Not Found\"}"
                },
                "statusCode": "404"
              }
            }
          },
          "endpoint": {
            "type": "REGIONAL"
          },
          "stage": {
            "name": "live",
            "tracingEnabled": false
          }
        }"#]],
    );
}

#[test]
fn an_api_without_operations_takes_everything() {
    check(
        &form(&api(&json!([]), &[]), &rest()).document["paths"],
        expect![[r#"
            {
              "/": {
                "x-amazon-apigateway-any-method": {
                  "responses": {
                    "200": {
                      "description": "What the upstream answers"
                    }
                  },
                  "x-amazon-apigateway-integration": {
                    "connectionType": "INTERNET",
                    "httpMethod": "ANY",
                    "passthroughBehavior": "when_no_match",
                    "timeoutInMillis": 3000,
                    "type": "http_proxy",
                    "uri": "http://shop.internal/api/"
                  }
                }
              },
              "/{proxy+}": {
                "x-amazon-apigateway-any-method": {
                  "parameters": [
                    {
                      "in": "path",
                      "name": "proxy",
                      "required": true,
                      "schema": {
                        "type": "string"
                      }
                    }
                  ],
                  "responses": {
                    "200": {
                      "description": "What the upstream answers"
                    }
                  },
                  "x-amazon-apigateway-integration": {
                    "connectionType": "INTERNET",
                    "httpMethod": "ANY",
                    "passthroughBehavior": "when_no_match",
                    "requestParameters": {
                      "integration.request.path.proxy": "method.request.path.proxy"
                    },
                    "timeoutInMillis": 3000,
                    "type": "http_proxy",
                    "uri": "http://shop.internal/api/{proxy}"
                  }
                }
              }
            }"#]],
    );
    check(
        &form(&api(&json!([]), &[]), &http()).document["paths"],
        expect![[r#"
            {
              "/": {
                "x-amazon-apigateway-any-method": {
                  "responses": {
                    "200": {
                      "description": "What the upstream answers"
                    }
                  },
                  "x-amazon-apigateway-integration": {
                    "connectionType": "INTERNET",
                    "httpMethod": "ANY",
                    "payloadFormatVersion": "1.0",
                    "timeoutInMillis": 3000,
                    "type": "http_proxy",
                    "uri": "http://shop.internal/api/"
                  }
                }
              },
              "/{proxy+}": {
                "x-amazon-apigateway-any-method": {
                  "parameters": [
                    {
                      "in": "path",
                      "name": "proxy",
                      "required": true,
                      "schema": {
                        "type": "string"
                      }
                    }
                  ],
                  "responses": {
                    "200": {
                      "description": "What the upstream answers"
                    }
                  },
                  "x-amazon-apigateway-integration": {
                    "connectionType": "INTERNET",
                    "httpMethod": "ANY",
                    "payloadFormatVersion": "1.0",
                    "timeoutInMillis": 3000,
                    "type": "http_proxy",
                    "uri": "http://shop.internal/api/{proxy}"
                  }
                }
              }
            }"#]],
    );
}

#[test]
fn targets_headers_and_times_are_mapped() {
    let policies = json!([
        {"type": "rewrite", "with": {"path": "/v2/{rest}/of/{shop}", "query": {"set": {"from": "aws"}}}},
        {"type": "headers", "with": {"request": {"set": {"x-from": "aws"}}}},
        {"type": "timeout", "with": {"responseMs": 500}},
    ]);
    let desired = api(&json!([]), &[("*", "/{shop}/files/{rest...}", policies)]);
    check(
        &form(&desired, &rest()).document["paths"],
        expect![[r#"
        {
          "/{shop}/files": {
            "x-amazon-apigateway-any-method": {
              "parameters": [
                {
                  "in": "path",
                  "name": "shop",
                  "required": true,
                  "schema": {
                    "type": "string"
                  }
                }
              ],
              "responses": {
                "200": {
                  "description": "What the upstream answers"
                }
              },
              "x-amazon-apigateway-integration": {
                "connectionType": "INTERNET",
                "httpMethod": "ANY",
                "passthroughBehavior": "when_no_match",
                "requestParameters": {
                  "integration.request.header.x-from": "'aws'",
                  "integration.request.path.shop": "method.request.path.shop",
                  "integration.request.querystring.from": "'aws'"
                },
                "timeoutInMillis": 500,
                "type": "http_proxy",
                "uri": "http://shop.internal/api/v2//of/{shop}"
              }
            }
          },
          "/{shop}/files/{rest+}": {
            "x-amazon-apigateway-any-method": {
              "operationId": "o0",
              "parameters": [
                {
                  "in": "path",
                  "name": "rest",
                  "required": true,
                  "schema": {
                    "type": "string"
                  }
                },
                {
                  "in": "path",
                  "name": "shop",
                  "required": true,
                  "schema": {
                    "type": "string"
                  }
                }
              ],
              "responses": {
                "200": {
                  "description": "What the upstream answers"
                }
              },
              "x-amazon-apigateway-integration": {
                "connectionType": "INTERNET",
                "httpMethod": "ANY",
                "passthroughBehavior": "when_no_match",
                "requestParameters": {
                  "integration.request.header.x-from": "'aws'",
                  "integration.request.path.rest": "method.request.path.rest",
                  "integration.request.path.shop": "method.request.path.shop",
                  "integration.request.querystring.from": "'aws'"
                },
                "timeoutInMillis": 500,
                "type": "http_proxy",
                "uri": "http://shop.internal/api/v2/{rest}/of/{shop}"
              }
            }
          }
        }"#]],
    );
    let http = form(&desired, &http()).document;
    check(
        &http["paths"]["/{shop}/files/{rest+}"],
        expect![[r#"
        {
          "x-amazon-apigateway-any-method": {
            "operationId": "o0",
            "parameters": [
              {
                "in": "path",
                "name": "rest",
                "required": true,
                "schema": {
                  "type": "string"
                }
              },
              {
                "in": "path",
                "name": "shop",
                "required": true,
                "schema": {
                  "type": "string"
                }
              }
            ],
            "responses": {
              "200": {
                "description": "What the upstream answers"
              }
            },
            "x-amazon-apigateway-integration": {
              "connectionType": "INTERNET",
              "httpMethod": "ANY",
              "payloadFormatVersion": "1.0",
              "requestParameters": {
                "overwrite:header.x-from": "aws",
                "overwrite:querystring.from": "aws"
              },
              "timeoutInMillis": 500,
              "type": "http_proxy",
              "uri": "http://shop.internal/api/v2/{rest}/of/{shop}"
            }
          }
        }"#]],
    );
}
