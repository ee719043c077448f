"""REST APIs (version 1), as the connector uses them and as AWS was recorded to answer."""

import json

import documents
from caller import account

MARK = {"gatehouse:environment": "4f0c0c5e-2f4c-4d6f-9d86-6c3f9fd6a0b1", "gatehouse:api-name": "orders"}
NOBODY = "abcde0"


def life_of_an_api(aws):
    """Created, described, deployed, changed, put back, removed."""
    api = created(aws)
    described(aws, api)
    first = deployed(aws, api)
    exported(aws, api)
    second = changed(aws, api, first)
    put_back(aws, api, first, second)
    aws.ok("delete_stage", restApiId=api, stageName="prod")
    aws.refused("NotFoundException", 404, "delete_stage", restApiId=api, stageName="prod")
    aws.ok("delete_rest_api", restApiId=api)
    unknown = f"Invalid API identifier specified {account()}:{api}"
    aws.refused("NotFoundException", 404, "get_rest_api", unknown, restApiId=api)
    aws.refused("NotFoundException", 404, "delete_rest_api", unknown, restApiId=api)


def created(aws):
    configuration = {"types": ["REGIONAL"]}
    answer = aws.ok("create_rest_api", name="draft", tags=MARK, endpointConfiguration=configuration)
    aws.same("the tags of a new API", answer.get("tags"), MARK)
    aws.same("its endpoint", answer["endpointConfiguration"].get("ipAddressType"), "ipv4")
    aws.same("its endpoint is open", answer.get("disableExecuteApiEndpoint"), False)
    aws.same("an API without a root", bool(answer.get("rootResourceId")), True)
    bare = aws.ok("create_rest_api", name="bare")
    aws.same("a new API without tags", "tags" in bare, False)
    aws.same("the tags of an API without any", aws.ok("get_rest_api", restApiId=bare["id"]).get("tags"), {})
    aws.ok("delete_rest_api", restApiId=bare["id"])
    return answer["id"]


def described(aws, api):
    answer = aws.ok("put_rest_api", restApiId=api, mode="overwrite", body=documents.rest())
    aws.same("its name after an overwrite", answer["name"], "orders")
    aws.same("its version", answer["version"], "1.0.0")
    aws.same("its tags after an overwrite", answer.get("tags"), MARK)
    aws.same("its binary types", answer.get("binaryMediaTypes"), ["image/png"])
    aws.same("its policy", "execute-api:Invoke" in answer.get("policy", ""), True)
    methods(aws, api)
    names = {one["name"] for one in aws.ok("get_request_validators", restApiId=api)["items"]}
    aws.same("its validators", names, {"body"})
    names = {one["name"] for one in aws.ok("get_models", restApiId=api)["items"]}
    aws.same("its models", "Order" in names, True)
    responses = {one["responseType"]: one for one in aws.ok("get_gateway_responses", restApiId=api)["items"]}
    aws.same("its response to 5xx", responses.get("DEFAULT_5XX", {}).get("statusCode"), "503")
    broken(aws, api)


def methods(aws, api):
    authorizers = {one["name"]: one for one in aws.ok("get_authorizers", restApiId=api)["items"]}
    aws.same("its authorizers", set(authorizers), {"token", "pool"})
    resources = aws.ok("get_resources", restApiId=api, embed=["methods"])["items"]
    found = {one["path"]: one.get("resourceMethods", {}) for one in resources}
    aws.same("its paths", set(found), {"/", "/orders", "/orders/{order}"})
    get = found["/orders"]["GET"]
    aws.same("who may read", get.get("authorizerId"), authorizers["token"]["id"])
    aws.same("the kind of its authorizer", get["authorizationType"], "CUSTOM")
    aws.same("its integration", get["methodIntegration"]["type"], "HTTP_PROXY")
    aws.same("scopes", found["/orders"]["POST"].get("authorizationScopes"), ["orders/write"])
    aws.same("a key", found["/orders/{order}"]["DELETE"]["apiKeyRequired"], True)
    bare = aws.ok("get_resources", restApiId=api)["items"]
    kept = {one["path"]: one.get("resourceMethods", {}) for one in bare}
    aws.same("a method that was not asked for", kept["/orders"].get("GET"), {})


def broken(aws, api):
    """A document that cannot be read is told before an API that is not there."""
    for unknown in (api, NOBODY):
        call = {"restApiId": unknown, "mode": "overwrite", "body": "no document"}
        aws.refused("BadRequestException", 400, "put_rest_api", "Invalid OpenAPI input.", **call)
    aws.refused("BadRequestException", 400, "import_rest_api", "Invalid OpenAPI input.", body="no document")
    message = f"Invalid API identifier specified {account()}:{NOBODY}"
    call = {"restApiId": NOBODY, "mode": "overwrite", "body": documents.rest()}
    aws.refused("NotFoundException", 404, "put_rest_api", message, **call)


def deployed(aws, api):
    first = aws.ok("create_deployment", restApiId=api, description="revision 1")["id"]
    variables = {"gatehouseRecord0": "A" * 512}
    stage = {"restApiId": api, "stageName": "prod", "deploymentId": first}
    answer = aws.ok("create_stage", **stage, variables=variables, tags=MARK)
    aws.same("the variables of a stage", answer.get("variables"), variables)
    aws.refused("ConflictException", 409, "create_stage", "Stage already exists", **stage)
    aws.refused("NotFoundException", 404, "get_stage", restApiId=api, stageName="other")
    message = "Active stages pointing to this deployment must be moved or deleted"
    aws.refused("BadRequestException", 400, "delete_deployment", message, restApiId=api, deploymentId=first)
    return first


def exported(aws, api):
    call = {"restApiId": api, "stageName": "prod", "exportType": "oas30", "accepts": "application/json"}
    answer = aws.ok("get_export", **call, parameters={"extensions": "apigateway"})
    aws.same("the type of an export", answer["contentType"], "application/octet-stream")
    aws.same("its file", answer["contentDisposition"], 'attachment; filename="oas30_1.0.0.json"')
    document = json.loads(answer["body"].read())
    server = document["servers"][0]
    url = f"https://{api}.execute-api.eu-central-1.amazonaws.com/{{basePath}}"
    aws.same("its server", server.get("url"), url)
    aws.same("its base path", server["variables"]["basePath"]["default"], "prod")
    integration = document["paths"]["/orders"]["get"]["x-amazon-apigateway-integration"]
    aws.same("its integration", integration["type"], "http_proxy")
    aws.same("what passes", integration["passthroughBehavior"], "when_no_match")
    bare = json.loads(aws.ok("get_export", **call)["body"].read())
    kept = "x-amazon-apigateway-integration" in bare["paths"]["/orders"]["get"]
    aws.same("an integration that was not asked for", kept, False)
    aws.refused("NotFoundException", 404, "get_export", **(call | {"stageName": "other"}))


def changed(aws, api, first):
    """The stage keeps what was deployed until it is moved."""
    more = {"/returns": {"get": documents.operation("/returns", "GET")}}
    aws.ok("put_rest_api", restApiId=api, mode="overwrite", body=documents.rest(version="2.0.0", more_paths=more))
    aws.same("the paths of the stage", paths(aws, api), {"/orders", "/orders/{order}"})
    second = aws.ok("create_deployment", restApiId=api, description="revision 2")["id"]
    move = [
        {"op": "replace", "path": "/deploymentId", "value": second},
        {"op": "replace", "path": "/variables/gatehouseRecord0", "value": "B"},
        {"op": "replace", "path": "/variables/gatehouseRecord1", "value": "C"},
        {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": "10"},
        {"op": "replace", "path": "/*/*/throttling/burstLimit", "value": "20"},
        {"op": "replace", "path": "/~1orders/GET/throttling/rateLimit", "value": "5"},
    ]
    stage = aws.ok("update_stage", restApiId=api, stageName="prod", patchOperations=move)
    aws.same("its deployment", stage["deploymentId"], second)
    aws.same("its variables", stage["variables"], {"gatehouseRecord0": "B", "gatehouseRecord1": "C"})
    aws.same("its rate", stage["methodSettings"]["*/*"]["throttlingRateLimit"], 10.0)
    aws.same("the tags of a stage that moved", stage.get("tags"), MARK)
    aws.same("the paths of the stage that moved", paths(aws, api), {"/orders", "/orders/{order}", "/returns"})
    wrong = [{"op": "replace", "path": "/nothing", "value": "x"}]
    call = {"restApiId": api, "stageName": "prod", "patchOperations": wrong}
    aws.refused("BadRequestException", 400, "update_stage", "Invalid patch path", **call)
    return second


def put_back(aws, api, first, second):
    move = [{"op": "replace", "path": "/deploymentId", "value": first}]
    aws.ok("update_stage", restApiId=api, stageName="prod", patchOperations=move)
    aws.same("the paths of the stage that was put back", paths(aws, api), {"/orders", "/orders/{order}"})
    kept = {one["id"] for one in aws.ok("get_deployments", restApiId=api)["items"]}
    aws.same("the deployments", kept, {first, second})
    aws.ok("get_deployment", restApiId=api, deploymentId=second)
    aws.ok("delete_deployment", restApiId=api, deploymentId=second)
    aws.refused("NotFoundException", 404, "get_deployment", restApiId=api, deploymentId=second)
    aws.refused("NotFoundException", 404, "delete_deployment", restApiId=api, deploymentId=second)
    stages = aws.ok("get_stages", restApiId=api)["item"]
    aws.same("the stages", [one["stageName"] for one in stages], ["prod"])


def paths(aws, api):
    call = {"restApiId": api, "stageName": "prod", "exportType": "oas30", "accepts": "application/json"}
    return set(json.loads(aws.ok("get_export", **call)["body"].read())["paths"])


def merging(aws):
    """A merge adds, and changes name and version all the same; an overwrite replaces."""
    api = aws.ok("import_rest_api", body=documents.rest(title="imported"))["id"]
    more = {"/returns": {"get": documents.operation("/returns", "GET")}}
    types = {"x-amazon-apigateway-binary-media-types": ["image/gif"]}
    second = documents.rest(title="merged", version="3.0.0", more_paths=more, **types)
    answer = aws.ok("put_rest_api", restApiId=api, mode="merge", body=second)
    aws.same("name and version after a merge", (answer["name"], answer["version"]), ("merged", "3.0.0"))
    aws.same("its types after a merge", set(answer["binaryMediaTypes"]), {"image/png", "image/gif"})
    only = {"openapi": "3.0.1", "info": {"title": "one", "version": "4.0.0"}, "paths": more}
    answer = aws.ok("put_rest_api", restApiId=api, mode="overwrite", body=json.dumps(only))
    found = {one["path"] for one in aws.ok("get_resources", restApiId=api)["items"]}
    aws.same("the paths after an overwrite", found, {"/", "/returns"})
    rename = [{"op": "replace", "path": "/description", "value": "changed"}]
    aws.same("a change", aws.ok("update_rest_api", restApiId=api, patchOperations=rename)["description"], "changed")
    wrong = [{"op": "replace", "path": "/nothing", "value": "x"}]
    aws.refused("BadRequestException", 400, "update_rest_api", "Invalid patch path", restApiId=api, patchOperations=wrong)
    aws.ok("delete_rest_api", restApiId=api)


def paging(aws):
    """Lists come in pages, and nothing is twice or missing."""
    ids = {aws.ok("create_rest_api", name=f"paged {number}")["id"] for number in range(5)}
    found, pages = aws.pages("get_rest_apis", "items", 2)
    aws.same("APIs over all pages", {one["id"] for one in found} >= ids, True)
    aws.same("an API that is on two pages", len({one["id"] for one in found}), len(found))
    aws.same("their pages", pages, -(-len(found) // 2))
    api = next(iter(ids))
    aws.ok("put_rest_api", restApiId=api, mode="overwrite", body=documents.rest())
    resources, pages = aws.pages("get_resources", "items", 2, restApiId=api, embed=["methods"])
    aws.same("resources over two pages", (len(resources), pages), (3, 2))
    for _ in range(3):
        aws.ok("create_deployment", restApiId=api)
    deployments, pages = aws.pages("get_deployments", "items", 2, restApiId=api)
    aws.same("deployments over two pages", (len(deployments), pages), (3, 2))
    for api in ids:
        aws.ok("delete_rest_api", restApiId=api)


TOPICS = [life_of_an_api, merging, paging]
