//! What API Gateway answers itself: preflight requests, refusals, kept and written answers.

use expect_test::expect;
use serde_json::{Value, json};

use super::{
    super::{api, form, key_policy, rest},
    check,
};

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
