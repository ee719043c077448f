//! AWS's own words, put over ours.

use expect_test::expect;
use serde_json::{Value, json};

use super::{
    super::{api, form, rest},
    check,
};

#[test]
fn fragments_are_put_over_what_we_write() {
    let native = |config: Value| json!({"type": "native", "with": {"gatewayType": "aws", "config": config}});
    let whole = native(
        json!({"document": {"x-amazon-apigateway-minimum-compression-size": 1024}, "stage": {"tracingEnabled": true, "loggingLevel": "ERROR"}}),
    );
    let lambda = json!([native(json!({"operation": {"x-amazon-apigateway-integration": {
        "type": "aws_proxy", "httpMethod": "POST",
        "uri": "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:111122223333:function:list/invocations",
    }, "x-amazon-apigateway-auth": {"type": "AWS_IAM"}}, "methodSettings": {"metricsEnabled": true}}))]);
    let tls = json!([native(
        json!({"operation": {"x-amazon-apigateway-integration": {"tlsConfig": {"insecureSkipVerification": false}}}, "authorizer": {
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
