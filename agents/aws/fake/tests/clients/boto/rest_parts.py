"""The parts of a REST API one by one, as consoles and other tools make and change them."""

import documents
from rest_apis import NOBODY


def replace(path, value):
    return [{"op": "replace", "path": path, "value": value}]


def authorizers(aws):
    api = aws.ok("create_rest_api", name="parts")["id"]
    made = aws.ok(
        "create_authorizer",
        restApiId=api,
        name="token",
        type="TOKEN",
        authorizerUri=documents.AUTHORIZER_URI,
        identitySource="method.request.header.Authorization",
        authorizerResultTtlInSeconds=60,
    )
    place = {"restApiId": api, "authorizerId": made["id"]}
    aws.same("an authorizer", aws.ok("get_authorizer", **place)["authorizerResultTtlInSeconds"], 60)
    changed = aws.ok("update_authorizer", **place, patchOperations=replace("/authorizerResultTtlInSeconds", "0"))
    aws.same("an authorizer that was changed", changed["authorizerResultTtlInSeconds"], 0)
    aws.ok("delete_authorizer", **place)
    aws.refused("NotFoundException", 404, "get_authorizer", **place)
    aws.refused("NotFoundException", 404, "delete_authorizer", **place)
    aws.ok("delete_rest_api", restApiId=api)


def validators_and_models(aws):
    api = aws.ok("create_rest_api", name="parts")["id"]
    made = aws.ok("create_request_validator", restApiId=api, name="all", validateRequestBody=True)
    place = {"restApiId": api, "requestValidatorId": made["id"]}
    aws.same("a validator", aws.ok("get_request_validator", **place)["validateRequestBody"], True)
    call = place | {"patchOperations": replace("/validateRequestParameters", "true")}
    aws.same("one that was changed", aws.ok("update_request_validator", **call)["validateRequestParameters"], True)
    aws.ok("delete_request_validator", **place)
    aws.refused("NotFoundException", 404, "get_request_validator", **place)
    model = {"restApiId": api, "name": "Order", "contentType": "application/json", "schema": '{"type": "object"}'}
    aws.ok("create_model", **model)
    place = {"restApiId": api, "modelName": "Order"}
    aws.same("a model", aws.ok("get_model", **place)["schema"], '{"type": "object"}')
    changed = aws.ok("update_model", **place, patchOperations=replace("/description", "what is ordered"))
    aws.same("a model that was changed", changed["description"], "what is ordered")
    aws.ok("delete_model", **place)
    aws.refused("NotFoundException", 404, "get_model", **place)
    aws.ok("delete_rest_api", restApiId=api)


def methods(aws):
    api = aws.ok("import_rest_api", body=documents.rest())["id"]
    resources = {one["path"]: one["id"] for one in aws.ok("get_resources", restApiId=api)["items"]}
    place = {"restApiId": api, "resourceId": resources["/orders"]}
    aws.same("a resource", aws.ok("get_resource", **place)["path"], "/orders")
    aws.refused("NotFoundException", 404, "get_resource", **(place | {"resourceId": NOBODY}))
    method = aws.ok("get_method", **place, httpMethod="POST")
    aws.same("scopes of a method", method["authorizationScopes"], ["orders/write"])
    aws.same("its model", method["requestModels"], {"application/json": "Order"})
    integration = aws.ok("get_integration", **place, httpMethod="GET")
    aws.same("an integration", integration["uri"], "https://orders.example.com/orders")
    aws.same("its time", integration["timeoutInMillis"], 5000)
    aws.refused("NotFoundException", 404, "get_method", **place, httpMethod="PUT")
    aws.refused("NotFoundException", 404, "get_integration", **place, httpMethod="PUT")
    aws.ok("delete_rest_api", restApiId=api)


def gateway_responses(aws):
    api = aws.ok("create_rest_api", name="parts")["id"]
    place = {"restApiId": api, "responseType": "THROTTLED"}
    aws.same("a response that nobody made", aws.ok("get_gateway_response", **place)["defaultResponse"], True)
    made = aws.ok("put_gateway_response", **place, statusCode="429", responseTemplates={"text/plain": "later"})
    aws.same("one that was made", (made["statusCode"], made["defaultResponse"]), ("429", False))
    changed = aws.ok("update_gateway_response", **place, patchOperations=replace("/statusCode", "503"))
    aws.same("one that was changed", changed["statusCode"], "503")
    aws.ok("delete_gateway_response", **place)
    aws.same("one that was removed", aws.ok("get_gateway_response", **place)["defaultResponse"], True)
    aws.ok("delete_rest_api", restApiId=api)


def documentation(aws):
    api = aws.ok("create_rest_api", name="parts")["id"]
    location = {"type": "METHOD", "path": "/orders", "method": "GET"}
    text = '{"description": "all orders"}'
    made = aws.ok("create_documentation_part", restApiId=api, location=location, properties=text)
    place = {"restApiId": api, "documentationPartId": made["id"]}
    aws.same("a text", aws.ok("get_documentation_part", **place)["properties"], text)
    aws.same("all texts", [one["id"] for one in aws.ok("get_documentation_parts", restApiId=api)["items"]], [made["id"]])
    aws.ok("delete_documentation_part", **place)
    aws.refused("NotFoundException", 404, "get_documentation_part", **place)
    aws.ok("delete_rest_api", restApiId=api)


def stages(aws):
    api = aws.ok("import_rest_api", body=documents.rest())["id"]
    deployment = aws.ok("create_deployment", restApiId=api)["id"]
    aws.ok("create_stage", restApiId=api, stageName="prod", deploymentId=deployment)
    place = {"restApiId": api, "deploymentId": deployment}
    changed = aws.ok("update_deployment", **place, patchOperations=replace("/description", "the first"))
    aws.same("a deployment that was described", changed["description"], "the first")
    aws.ok("flush_stage_cache", restApiId=api, stageName="prod")
    aws.ok("flush_stage_authorizers_cache", restApiId=api, stageName="prod")
    aws.refused("NotFoundException", 404, "flush_stage_cache", restApiId=api, stageName="other")
    aws.ok("delete_rest_api", restApiId=api)


def account(aws):
    role = "arn:aws:iam::111111111111:role/logs"
    aws.ok("get_account")
    changed = aws.ok("update_account", patchOperations=replace("/cloudwatchRoleArn", role))
    aws.same("the role that logs", changed["cloudwatchRoleArn"], role)
    aws.same("its limits", set(changed["throttleSettings"]), {"burstLimit", "rateLimit"})


def links(aws):
    balancer = "arn:aws:elasticloadbalancing:eu-central-1:111111111111:loadbalancer/net/one/two"
    made = aws.ok("create_vpc_link", name="inside", targetArns=[balancer])
    aws.same("a link", aws.ok("get_vpc_link", vpcLinkId=made["id"])["targetArns"], [balancer])
    aws.same("all links", [one["id"] for one in aws.ok("get_vpc_links")["items"]], [made["id"]])
    aws.ok("delete_vpc_link", vpcLinkId=made["id"])
    aws.refused("NotFoundException", 404, "get_vpc_link", vpcLinkId=made["id"])


def domains(aws):
    certificate = "arn:aws:acm:eu-central-1:111111111111:certificate/{}"
    name = {"domainName": "parts.example.com"}
    aws.ok("create_domain_name", **name, regionalCertificateArn=certificate.format("one"))
    change = replace("/regionalCertificateArn", certificate.format("two"))
    changed = aws.ok("update_domain_name", **name, patchOperations=change)
    aws.same("a certificate that was changed", changed["regionalCertificateArn"], certificate.format("two"))
    api = aws.ok("import_rest_api", body=documents.rest())["id"]
    deployment = aws.ok("create_deployment", restApiId=api)["id"]
    for stage in ("prod", "next"):
        aws.ok("create_stage", restApiId=api, stageName=stage, deploymentId=deployment)
    aws.ok("create_base_path_mapping", **name, basePath="shop", restApiId=api, stage="prod")
    change = replace("/stage", "next")
    changed = aws.ok("update_base_path_mapping", **name, basePath="shop", patchOperations=change)
    aws.same("a mapping that was changed", changed["stage"], "next")
    aws.ok("delete_base_path_mapping", **name, basePath="shop")
    aws.ok("delete_domain_name", **name)
    aws.ok("delete_rest_api", restApiId=api)


TOPICS = [authorizers, validators_and_models, methods, gateway_responses, documentation, stages, account, links, domains]
