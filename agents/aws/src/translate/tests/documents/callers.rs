//! Who may call: keys with their limits, tokens, addresses.

use expect_test::expect;
use serde_json::json;

use super::{
    super::{api, form, jwt_policy, key_policy, rest, settings},
    check,
};

#[test]
fn keys_limits_and_quotas_are_a_usage_plan() {
    let policies = json!([
        key_policy(),
        {"type": "ratelimit", "with": {"limits": [{"requests": 10, "per": "minute"}], "key": "consumer"}},
        {"type": "quota", "with": {"requests": 1000, "per": "month"}},
    ]);
    let burst = json!([{"type": "ratelimit", "with": {"limits": [{"requests": 1, "per": "second"}], "key": "consumer"}}]);
    let desired = api(
        &policies,
        &[("GET", "/items", json!([])), ("POST", "/items", burst)],
    );
    let form = form(&desired, &rest());
    check(
        &json!([form.usage_plan, form.keys, form.stage]),
        expect![[r#"
        [
          {
            "methods": {
              "/items/POST": {
                "burst": 1,
                "rate": 0.166667
              }
            },
            "quota": {
              "limit": 1000,
              "period": "MONTH"
            },
            "throttle": {
              "burst": 10,
              "rate": 0.166667
            }
          },
          [
            {
              "consumer": "ann",
              "secret": "ann-key",
              "version": 3
            }
          ],
          {
            "name": "live",
            "tracingEnabled": false
          }
        ]"#]],
    );
    check(
        &form.document["paths"]["/items"]["get"],
        expect![[r#"
        {
          "operationId": "o0",
          "responses": {
            "200": {
              "description": "What the upstream answers"
            }
          },
          "security": [
            {
              "apiKey": []
            }
          ],
          "x-amazon-apigateway-integration": {
            "connectionType": "INTERNET",
            "httpMethod": "GET",
            "passthroughBehavior": "when_no_match",
            "requestParameters": {
              "integration.request.header.x-api-key": "'hidden'"
            },
            "timeoutInMillis": 3000,
            "type": "http_proxy",
            "uri": "http://shop.internal/api/items"
          }
        }"#]],
    );
    check(
        &form.document["x-amazon-apigateway-gateway-responses"],
        expect![[r#"
            {
              "INVALID_API_KEY": {
                "responseTemplates": {
                  "application/json": "{\"message\":\"Unauthorized\"}"
                },
                "statusCode": "401"
              },
              "MISSING_AUTHENTICATION_TOKEN": {
                "responseTemplates": {
                  "application/json": "{\"message\":\"Not Found\"}"
                },
                "statusCode": "404"
              }
            }"#]],
    );
}

#[test]
fn tokens_are_checked_by_an_http_api() {
    let cors = json!({"type": "cors", "with": {"allowOrigins": ["https://shop.example.com"], "allowMethods": ["GET"], "allowHeaders": ["authorization"], "maxAgeSeconds": 600}});
    let headers = json!({"type": "headers", "with": {"request": {"set": {"x-from": "aws"}, "add": {"x-tag": "a"}, "remove": ["cookie"]}}});
    let desired = api(
        &json!([jwt_policy(), cors, headers]),
        &[("GET", "/items/{id}", json!([]))],
    );
    check(
        &form(&desired, &settings(json!({}))),
        expect![[r#"
            {
              "kind": "http",
              "document": {
                "components": {
                  "securitySchemes": {
                    "jwt-4e59f8dd": {
                      "flows": {},
                      "type": "oauth2",
                      "x-amazon-apigateway-authorizer": {
                        "identitySource": "$request.header.Authorization",
                        "jwtConfiguration": {
                          "audience": [
                            "shop"
                          ],
                          "issuer": "https://login.example.com/"
                        },
                        "type": "jwt"
                      }
                    }
                  }
                },
                "info": {
                  "title": "Shop",
                  "version": "v1"
                },
                "openapi": "3.0.1",
                "paths": {
                  "/items/{id}": {
                    "get": {
                      "operationId": "o0",
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
                      "security": [
                        {
                          "jwt-4e59f8dd": [
                            "read"
                          ]
                        }
                      ],
                      "x-amazon-apigateway-integration": {
                        "connectionType": "INTERNET",
                        "httpMethod": "GET",
                        "payloadFormatVersion": "1.0",
                        "requestParameters": {
                          "append:header.x-tag": "a",
                          "overwrite:header.x-from": "aws",
                          "remove:header.cookie": "''"
                        },
                        "timeoutInMillis": 3000,
                        "type": "http_proxy",
                        "uri": "http://shop.internal/api/items/{id}"
                      }
                    }
                  }
                },
                "x-amazon-apigateway-cors": {
                  "allowHeaders": [
                    "authorization"
                  ],
                  "allowMethods": [
                    "GET"
                  ],
                  "allowOrigins": [
                    "https://shop.example.com"
                  ],
                  "maxAge": 600
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
fn lambda_functions_and_user_pools_check_tokens_for_rest_apis() {
    let oauth2 = json!([{"type": "auth.oauth2", "with": {"introspectionUrl": "https://login.example.com/introspect", "clientId": "gateway", "clientSecretRef": "gateway-secret", "cacheSeconds": 60}}]);
    let pool = json!([{"type": "auth.jwt", "with": {
        "issuer": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_a1", "audiences": ["shop"], "requiredScopes": ["shop/read"],
        "jwksUri": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_a1/.well-known/jwks.json",
    }}]);
    let desired = api(&json!([]), &[("GET", "/a", oauth2), ("GET", "/b", pool)]);
    let settings = settings(json!({
        "kind": "rest",
        "cognitoUserPoolArns": ["arn:aws:cognito-idp:eu-central-1:111122223333:userpool/eu-central-1_a1"],
        "oauth2Authorizer": {"functionArn": "arn:aws:lambda:eu-central-1:111122223333:function:ask", "ttlSeconds": 300},
    }));
    let form = form(&desired, &settings);
    let asked = |path: &str| form.document["paths"][path]["get"]["security"].clone();
    check(
        &json!([form.document["components"], asked("/a"), asked("/b")]),
        expect![[r#"
            [
              {
                "securitySchemes": {
                  "cognito-1f1765fa": {
                    "in": "header",
                    "name": "Authorization",
                    "type": "apiKey",
                    "x-amazon-apigateway-authorizer": {
                      "providerARNs": [
                        "arn:aws:cognito-idp:eu-central-1:111122223333:userpool/eu-central-1_a1"
                      ],
                      "type": "cognito_user_pools"
                    },
                    "x-amazon-apigateway-authtype": "cognito_user_pools"
                  },
                  "lambda-fd90b6ab": {
                    "in": "header",
                    "name": "Authorization",
                    "type": "apiKey",
                    "x-amazon-apigateway-authorizer": {
                      "authorizerResultTtlInSeconds": 60,
                      "authorizerUri": "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:111122223333:function:ask/invocations",
                      "identitySource": "method.request.header.Authorization",
                      "type": "token"
                    },
                    "x-amazon-apigateway-authtype": "custom"
                  }
                }
              },
              [
                {
                  "lambda-fd90b6ab": []
                }
              ],
              [
                {
                  "cognito-1f1765fa": [
                    "shop/read"
                  ]
                }
              ]
            ]"#]],
    );
    check(
        &crate::translate::permissions_needed(&form),
        expect![[r#"
        [
          "`arn:aws:lambda:eu-central-1:111122223333:function:ask` must let `apigateway.amazonaws.com` invoke it (`lambda:AddPermission` with the API's ARN as source)"
        ]"#]],
    );
}

#[test]
fn addresses_are_a_resource_policy() {
    let policies = json!([
        {"type": "ip.filter", "with": {"allow": ["10.0.0.0/8"], "deny": ["10.1.0.0/16"]}},
        {"type": "ip.filter", "with": {"deny": ["10.2.0.0/16"]}},
    ]);
    let desired = api(&policies, &[]);
    check(
        &form(&desired, &rest()).document["x-amazon-apigateway-policy"],
        expect![[r#"
            {
              "Statement": [
                {
                  "Action": "execute-api:Invoke",
                  "Effect": "Allow",
                  "Principal": "*",
                  "Resource": "execute-api:/*"
                },
                {
                  "Action": "execute-api:Invoke",
                  "Condition": {
                    "NotIpAddress": {
                      "aws:SourceIp": [
                        "10.0.0.0/8"
                      ]
                    }
                  },
                  "Effect": "Deny",
                  "Principal": "*",
                  "Resource": "execute-api:/*"
                },
                {
                  "Action": "execute-api:Invoke",
                  "Condition": {
                    "IpAddress": {
                      "aws:SourceIp": [
                        "10.1.0.0/16"
                      ]
                    }
                  },
                  "Effect": "Deny",
                  "Principal": "*",
                  "Resource": "execute-api:/*"
                },
                {
                  "Action": "execute-api:Invoke",
                  "Condition": {
                    "IpAddress": {
                      "aws:SourceIp": [
                        "10.2.0.0/16"
                      ]
                    }
                  },
                  "Effect": "Deny",
                  "Principal": "*",
                  "Resource": "execute-api:/*"
                }
              ],
              "Version": "2012-10-17"
            }"#]],
    );
    let private = settings(json!({"kind": "rest", "endpointType": "private", "vpcEndpointIds": ["vpce-1"]}));
    let form = form(&api(&json!([]), &[]), &private);
    check(
        &json!([form.document["x-amazon-apigateway-policy"], form.endpoint]),
        expect![[r#"
            [
              {
                "Statement": [
                  {
                    "Action": "execute-api:Invoke",
                    "Effect": "Allow",
                    "Principal": "*",
                    "Resource": "execute-api:/*"
                  },
                  {
                    "Action": "execute-api:Invoke",
                    "Condition": {
                      "StringNotEquals": {
                        "aws:SourceVpce": [
                          "vpce-1"
                        ]
                      }
                    },
                    "Effect": "Deny",
                    "Principal": "*",
                    "Resource": "execute-api:/*"
                  }
                ],
                "Version": "2012-10-17"
              },
              {
                "type": "PRIVATE",
                "vpcEndpointIds": [
                  "vpce-1"
                ]
              }
            ]"#]],
    );
}
