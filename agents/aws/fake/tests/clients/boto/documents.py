"""OpenAPI documents with the extensions of API Gateway."""

import json

COGNITO = "arn:aws:cognito-idp:eu-central-1:111111111111:userpool/eu-central-1_gate"
FUNCTION = "arn:aws:lambda:eu-central-1:111111111111:function:authorize"
AUTHORIZER_URI = f"arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/{FUNCTION}/invocations"


def forwarded(path, method, upstream="https://orders.example.com"):
    """An integration that hands the call on, with the parameters of the path."""
    integration = {"type": "http_proxy", "httpMethod": method, "uri": upstream + path}
    names = [part[1:-1].rstrip("+") for part in path.split("/") if part.startswith("{")]
    if names:
        mapping = {f"integration.request.path.{name}": f"method.request.path.{name}" for name in names}
        integration["requestParameters"] = mapping
    return integration | {"passthroughBehavior": "when_no_match", "timeoutInMillis": 5000}


def operation(path, method, **more):
    names = [part[1:-1].rstrip("+") for part in path.split("/") if part.startswith("{")]
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    described = {"operationId": f"{method.lower()}{path.replace('/', '-')}", "responses": {"200": {"description": "ok"}}}
    if parameters:
        described["parameters"] = parameters
    return described | {"x-amazon-apigateway-integration": forwarded(path, method)} | more


def preflight():
    headers = {f"Access-Control-Allow-{name}": {"schema": {"type": "string"}} for name in ("Origin", "Methods")}
    values = {"Origin": "'https://shop.example.com'", "Methods": "'GET,POST'"}
    mapping = {f"method.response.header.Access-Control-Allow-{name}": text for name, text in values.items()}
    integration = {
        "type": "mock",
        "requestTemplates": {"application/json": '{"statusCode": 200}'},
        "passthroughBehavior": "when_no_match",
        "responses": {"default": {"statusCode": "200", "responseParameters": mapping}},
    }
    response = {"description": "preflight", "headers": headers}
    return {"responses": {"200": response}, "x-amazon-apigateway-integration": integration}


def rest(title="orders", version="1.0.0", more_paths=None, **more):
    """A REST API with a bit of everything."""
    order = {"type": "object", "required": ["item"], "properties": {"item": {"type": "string"}}}
    body = {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}}
    added = {"requestBody": body, "x-amazon-apigateway-request-validator": "body"}
    paths = {
        "/orders": {
            "get": operation("/orders", "GET", security=[{"token": []}]),
            "post": operation("/orders", "POST", security=[{"pool": ["orders/write"]}], **added),
            "options": preflight(),
        },
        "/orders/{order}": {
            "get": operation("/orders/{order}", "GET"),
            "delete": operation("/orders/{order}", "DELETE", security=[{"key": []}]),
        },
    }
    document = {
        "openapi": "3.0.1",
        "info": {"title": title, "version": version, "description": "Orders and what became of them"},
        "paths": paths | (more_paths or {}),
        "components": {"schemas": {"Order": order}, "securitySchemes": schemes()},
        "x-amazon-apigateway-api-key-source": "HEADER",
        "x-amazon-apigateway-binary-media-types": ["image/png"],
        "x-amazon-apigateway-request-validators": {
            "body": {"validateRequestBody": True, "validateRequestParameters": False}
        },
        "x-amazon-apigateway-gateway-responses": {"DEFAULT_5XX": {"statusCode": "503"}},
        "x-amazon-apigateway-policy": policy(),
    }
    return json.dumps(document | more)


def schemes():
    token = {"type": "token", "authorizerUri": AUTHORIZER_URI, "authorizerResultTtlInSeconds": 60}
    pool = {"type": "cognito_user_pools", "providerARNs": [COGNITO]}
    header = {"type": "apiKey", "name": "Authorization", "in": "header"}
    return {
        "key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
        "token": header | {"x-amazon-apigateway-authtype": "custom", "x-amazon-apigateway-authorizer": token},
        "pool": header
        | {"x-amazon-apigateway-authtype": "cognito_user_pools", "x-amazon-apigateway-authorizer": pool},
    }


def policy():
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": ["execute-api:/*"]}
    return {"Version": "2012-10-17", "Statement": [everybody]}


def http(title="orders", version="1.0.0", more_paths=None):
    """An HTTP API with a JWT authorizer and CORS."""
    jwt = {
        "type": "jwt",
        "identitySource": "$request.header.Authorization",
        "jwtConfiguration": {"issuer": "https://login.example.com", "audience": ["orders"]},
    }
    integration = {
        "type": "http_proxy",
        "httpMethod": "GET",
        "uri": "https://orders.example.com/orders",
        "payloadFormatVersion": "1.0",
        "connectionType": "INTERNET",
    }
    get = {"responses": {"default": {"description": "any"}}, "security": [{"login": ["orders/read"]}]}
    document = {
        "openapi": "3.0.1",
        "info": {"title": title, "version": version},
        "paths": {"/orders": {"get": get | {"x-amazon-apigateway-integration": integration}}} | (more_paths or {}),
        "components": {"securitySchemes": {"login": {"type": "oauth2", "x-amazon-apigateway-authorizer": jwt}}},
        "x-amazon-apigateway-cors": {"allowOrigins": ["https://shop.example.com"], "allowMethods": ["GET"]},
        "x-amazon-apigateway-importexport-version": "1.0",
    }
    return json.dumps(document)
