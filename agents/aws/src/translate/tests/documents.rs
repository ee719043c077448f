//! Whole documents.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::{api, form, http, jwt_policy, key_policy, rest, settings};

fn check(value: &impl serde::Serialize, expected: Expect) {
    expected.assert_eq(&serde_json::to_string_pretty(value).expect("JSON"));
}

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
                "jwt-fb504fd9": {
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
                      "jwt-fb504fd9": [
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
                  "cognito-22790886": {
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
                  "lambda-3b856be4": {
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
                  "lambda-3b856be4": []
                }
              ],
              [
                {
                  "cognito-22790886": [
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
fn a_rest_api_answers_preflight_requests_itself() {
    let cors = |with: Value| json!([{"type": "cors", "with": with}]);
    let one = cors(
        json!({"allowOrigins": ["https://a.example.com"], "allowCredentials": true, "maxAgeSeconds": 60}),
    );
    let several = cors(
        json!({"allowOrigins": ["https://a.example.com", "https://*.b.example.com"], "allowHeaders": ["x-a", "x-b"]}),
    );
    let operations = [
        ("GET", "/items/{id}", json!([])),
        ("PUT", "/items/{id}", json!([])),
    ];
    let first = form(&api(&one, &operations), &rest()).document;
    check(
        &first["paths"]["/items/{id}"]["options"],
        expect![[r##"
        {
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
            "204": {
              "description": "Whether the origin may call"
            }
          },
          "summary": "Answers browsers that ask before they call",
          "x-amazon-apigateway-integration": {
            "contentHandling": "CONVERT_TO_TEXT",
            "passthroughBehavior": "when_no_match",
            "requestTemplates": {
              "application/json": "{\"statusCode\": 204}"
            },
            "responses": {
              "default": {
                "responseTemplates": {
                  "application/json": "#set($origin = $input.params(\"Origin\"))\n#if($origin == \"\")#set($origin = $input.params(\"origin\"))#end\n#set($asked = $input.params(\"Access-Control-Request-Headers\"))\n#if($asked == \"\")#set($asked = $input.params(\"access-control-request-headers\"))#end\n#set($context.responseOverride.header.Vary = \"Origin, Access-Control-Request-Method, Access-Control-Request-Headers\")\n#if($origin == \"https://a.example.com\")\n#set($context.responseOverride.header.Access-Control-Allow-Origin = $origin)\n#set($context.responseOverride.header.Access-Control-Allow-Methods = \"GET, PUT\")\n#if($asked != \"\")#set($context.responseOverride.header.Access-Control-Allow-Headers = $asked)#end\n#set($context.responseOverride.header.Access-Control-Allow-Credentials = \"true\")\n#set($context.responseOverride.header.Access-Control-Max-Age = \"60\")\n#end"
                },
                "statusCode": "204"
              }
            },
            "type": "mock"
          }
        }"##]],
    );
    check(
        &first["x-amazon-apigateway-gateway-responses"]["DEFAULT_4XX"],
        expect![[r#"
            {
              "responseParameters": {
                "gatewayresponse.header.Access-Control-Allow-Credentials": "'true'",
                "gatewayresponse.header.Access-Control-Allow-Origin": "'https://a.example.com'",
                "gatewayresponse.header.Vary": "'Origin'"
              }
            }"#]],
    );
    let second = form(&api(&several, &operations), &rest()).document;
    let integration = &second["paths"]["/items/{id}"]["options"]["x-amazon-apigateway-integration"];
    expect![[r##"
        #set($origin = $input.params("Origin"))
        #if($origin == "")#set($origin = $input.params("origin"))#end
        #set($asked = $input.params("Access-Control-Request-Headers"))
        #if($asked == "")#set($asked = $input.params("access-control-request-headers"))#end
        #set($context.responseOverride.header.Vary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
        #if($origin == "https://a.example.com" || $origin.matches("https://[^/@:]+[.]b[.]example[.]com"))
        #set($context.responseOverride.header.Access-Control-Allow-Origin = $origin)
        #set($context.responseOverride.header.Access-Control-Allow-Methods = "GET, PUT")
        #set($context.responseOverride.header.Access-Control-Allow-Headers = "x-a, x-b")
        #end"##]].assert_eq(
        integration["responses"]["default"]["responseTemplates"]["application/json"]
            .as_str()
            .expect("a template"),
    );
    check(
        &second["x-amazon-apigateway-gateway-responses"],
        expect![[r#"
        {
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

#[test]
fn requests_are_checked_answered_and_kept() {
    let validate = json!([{"type": "request.validate", "with": {
        "requiredHeaders": ["x-tenant"], "requiredQuery": ["page"],
        "bodySchema": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
    }}]);
    let respond = json!([{"type": "respond", "with": {"status": 503, "headers": {"content-type": "text/plain; charset=utf-8", "retry-after": "60"}, "body": "Costs $5 at #1"}}]);
    let cache = json!([key_policy(), {"type": "cache", "with": {"ttlSeconds": 30, "varyQuery": ["page"], "varyHeaders": ["accept"]}}]);
    let desired = api(
        &json!([]),
        &[
            ("POST", "/checked", validate),
            ("GET", "/closed", respond),
            ("GET", "/kept/{id}", cache),
        ],
    );
    let form = form(&desired, &rest());
    check(
        &form.document["paths"],
        expect![[r##"
        {
          "/checked": {
            "post": {
              "operationId": "o0",
              "parameters": [
                {
                  "in": "header",
                  "name": "x-tenant",
                  "required": true,
                  "schema": {
                    "type": "string"
                  }
                },
                {
                  "in": "query",
                  "name": "page",
                  "required": true,
                  "schema": {
                    "type": "string"
                  }
                }
              ],
              "requestBody": {
                "content": {
                  "application/json": {
                    "schema": {
                      "properties": {
                        "name": {
                          "type": "string"
                        }
                      },
                      "required": [
                        "name"
                      ],
                      "type": "object"
                    }
                  }
                },
                "required": true
              },
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
                "uri": "http://shop.internal/api/checked"
              },
              "x-amazon-apigateway-request-validator": "all"
            }
          },
          "/closed": {
            "get": {
              "operationId": "o1",
              "responses": {
                "503": {
                  "description": "The answer of the gateway itself",
                  "headers": {
                    "content-type": {
                      "schema": {
                        "type": "string"
                      }
                    },
                    "retry-after": {
                      "schema": {
                        "type": "string"
                      }
                    }
                  }
                }
              },
              "x-amazon-apigateway-integration": {
                "contentHandling": "CONVERT_TO_TEXT",
                "passthroughBehavior": "never",
                "requestTemplates": {
                  "application/json": "{\"statusCode\": 503}",
                  "application/octet-stream": "{\"statusCode\": 503}",
                  "application/x-www-form-urlencoded": "{\"statusCode\": 503}",
                  "application/xml": "{\"statusCode\": 503}",
                  "multipart/form-data": "{\"statusCode\": 503}",
                  "text/plain": "{\"statusCode\": 503}",
                  "text/xml": "{\"statusCode\": 503}"
                },
                "responses": {
                  "default": {
                    "responseParameters": {
                      "method.response.header.content-type": "'text/plain; charset=utf-8'",
                      "method.response.header.retry-after": "'60'"
                    },
                    "responseTemplates": {
                      "text/plain": "#set($dollar = '$')#set($hash = '#')Costs ${dollar}5 at ${hash}1"
                    },
                    "statusCode": "503"
                  }
                },
                "type": "mock"
              }
            }
          },
          "/kept/{id}": {
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
                },
                {
                  "in": "header",
                  "name": "accept",
                  "required": false,
                  "schema": {
                    "type": "string"
                  }
                },
                {
                  "in": "header",
                  "name": "x-api-key",
                  "required": false,
                  "schema": {
                    "type": "string"
                  }
                },
                {
                  "in": "query",
                  "name": "page",
                  "required": false,
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
                  "apiKey": []
                }
              ],
              "x-amazon-apigateway-integration": {
                "cacheKeyParameters": [
                  "method.request.path.id",
                  "method.request.header.accept",
                  "method.request.header.x-api-key",
                  "method.request.querystring.page"
                ],
                "connectionType": "INTERNET",
                "httpMethod": "GET",
                "passthroughBehavior": "when_no_match",
                "requestParameters": {
                  "integration.request.header.x-api-key": "'hidden'",
                  "integration.request.path.id": "method.request.path.id"
                },
                "timeoutInMillis": 3000,
                "type": "http_proxy",
                "uri": "http://shop.internal/api/kept/{id}"
              }
            }
          }
        }"##]],
    );
    check(
        &form.document["x-amazon-apigateway-request-validators"],
        expect![[r#"
            {
              "all": {
                "validateRequestBody": true,
                "validateRequestParameters": true
              }
            }"#]],
    );
    check(
        &form.stage,
        expect![[r#"
        {
          "name": "live",
          "cacheClusterSize": "0.5",
          "tracingEnabled": false,
          "methods": [
            {
              "path": "/kept/{id}",
              "method": "GET",
              "cacheTtlSeconds": 30
            }
          ]
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

#[test]
fn fragments_are_put_over_what_we_write() {
    let native = |config: Value| json!({"type": "native", "with": {"gatewayType": "aws", "config": config}});
    let whole = native(
        json!({"api": {"minimumCompressionSize": 1024}, "stage": {"tracingEnabled": true, "methodSettings": {"loggingLevel": "ERROR"}}}),
    );
    let lambda = json!([native(json!({"integration": {
        "type": "aws_proxy", "httpMethod": "POST",
        "uri": "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:111122223333:function:list/invocations",
    }, "authorization": "AWS_IAM", "methodSettings": {"metricsEnabled": true}}))]);
    let tls = json!([native(
        json!({"integration": {"tlsConfig": {"insecureSkipVerification": false}}, "authorizer": {
            "name": "mine", "scopes": [], "scheme": {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authorizer": {"type": "token"}},
        }})
    )]);
    let desired = api(&json!([whole]), &[("GET", "/a", lambda), ("GET", "/b", tls)]);
    let form = form(&desired, &rest());
    check(
        &form.document,
        expect![[r#"
            {
              "components": {
                "securitySchemes": {
                  "mine": {
                    "in": "header",
                    "name": "Authorization",
                    "type": "apiKey",
                    "x-amazon-apigateway-authorizer": {
                      "type": "token"
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
                "/a": {
                  "get": {
                    "operationId": "o0",
                    "responses": {
                      "200": {
                        "description": "What the upstream answers"
                      }
                    },
                    "x-amazon-apigateway-auth": {
                      "type": "AWS_IAM"
                    },
                    "x-amazon-apigateway-integration": {
                      "httpMethod": "POST",
                      "type": "aws_proxy",
                      "uri": "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:111122223333:function:list/invocations"
                    }
                  }
                },
                "/b": {
                  "get": {
                    "operationId": "o1",
                    "responses": {
                      "200": {
                        "description": "What the upstream answers"
                      }
                    },
                    "security": [
                      {
                        "mine": []
                      }
                    ],
                    "x-amazon-apigateway-integration": {
                      "connectionType": "INTERNET",
                      "httpMethod": "GET",
                      "passthroughBehavior": "when_no_match",
                      "timeoutInMillis": 3000,
                      "tlsConfig": {
                        "insecureSkipVerification": false
                      },
                      "type": "http_proxy",
                      "uri": "http://shop.internal/api/b"
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
              },
              "x-amazon-apigateway-minimum-compression-size": 1024
            }"#]],
    );
    check(
        &form.stage,
        expect![[r#"
            {
              "name": "live",
              "tracingEnabled": true,
              "methods": [
                {
                  "path": "*",
                  "method": "*",
                  "loggingLevel": "ERROR"
                },
                {
                  "path": "/a",
                  "method": "GET",
                  "loggingLevel": "ERROR",
                  "metricsEnabled": true
                }
              ]
            }"#]],
    );
    check(
        &crate::translate::permissions_needed(&form),
        expect![[r#"
        [
          "`arn:aws:lambda:eu-central-1:111122223333:function:list` must let `apigateway.amazonaws.com` invoke it (`lambda:AddPermission` with the API's ARN as source)"
        ]"#]],
    );
}
