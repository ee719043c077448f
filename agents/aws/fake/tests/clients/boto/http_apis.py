"""HTTP APIs (version 2)."""

import json

import documents
from rest_apis import MARK, NOBODY


def life_of_an_api(aws):
    api = created(aws)
    first = deployed(aws, api)
    second = changed(aws, api)
    put_back(aws, api, first, second)
    aws.ok("delete_stage", ApiId=api, StageName="prod")
    aws.refused("NotFoundException", 404, "delete_stage", ApiId=api, StageName="prod")
    aws.ok("delete_api", ApiId=api)
    aws.refused("NotFoundException", 404, "get_api", ApiId=api)
    aws.refused("NotFoundException", 404, "delete_api", ApiId=api)


def created(aws):
    answer = aws.ok("import_api", Body=documents.http(), FailOnWarnings=False)
    api = answer["ApiId"]
    aws.same("its name", (answer["Name"], answer["ProtocolType"]), ("orders", "HTTP"))
    aws.same("who may come from elsewhere", answer["CorsConfiguration"]["AllowOrigins"], ["https://shop.example.com"])
    endpoint = f"https://{api}.execute-api.eu-central-1.amazonaws.com"
    aws.same("its endpoint", answer["ApiEndpoint"], endpoint)
    routes = {one["RouteKey"]: one for one in aws.ok("get_routes", ApiId=api)["Items"]}
    aws.same("its routes", set(routes), {"GET /orders"})
    authorizer = aws.ok("get_authorizers", ApiId=api)["Items"][0]
    aws.same("its authorizer", (authorizer["Name"], authorizer["AuthorizerType"]), ("login", "JWT"))
    route = routes["GET /orders"]
    aws.same("who may read", route["AuthorizerId"], authorizer["AuthorizerId"])
    aws.same("with which scopes", route["AuthorizationScopes"], ["orders/read"])
    integration = aws.ok("get_integrations", ApiId=api)["Items"][0]
    aws.same("its target", route["Target"], f"integrations/{integration['IntegrationId']}")
    aws.same("its integration", integration["IntegrationType"], "HTTP_PROXY")
    aws.refused("BadRequestException", 400, "import_api", Body="no document")
    aws.refused("NotFoundException", 404, "reimport_api", ApiId=NOBODY, Body=documents.http())
    return api


def deployed(aws, api):
    first = aws.ok("create_deployment", ApiId=api, Description="revision 1")
    stage = {"ApiId": api, "StageName": "prod", "DeploymentId": first["DeploymentId"]}
    variables = {"gatehouseRecord0": "A" * 512}
    answer = aws.ok("create_stage", **stage, StageVariables=variables, Tags=MARK, AutoDeploy=False)
    aws.same("the variables of a stage", answer["StageVariables"], variables)
    aws.refused("ConflictException", 409, "create_stage", **stage)
    aws.refused("NotFoundException", 404, "get_stage", ApiId=api, StageName="other")
    call = {"ApiId": api, "StageName": "prod", "OutputType": "JSON", "Specification": "OAS30"}
    document = json.loads(aws.ok("export_api", **call)["body"].read())
    kept = "x-amazon-apigateway-integration" in document["paths"]["/orders"]["get"]
    aws.same("an exported integration", kept, True)
    arn = f"arn:aws:apigateway:eu-central-1::/apis/{api}"
    aws.ok("tag_resource", ResourceArn=arn, Tags=MARK)
    aws.same("its tags", aws.ok("get_tags", ResourceArn=arn)["Tags"], MARK)
    aws.same("its tags, read with it", aws.ok("get_api", ApiId=api)["Tags"], MARK)
    aws.ok("untag_resource", ResourceArn=arn, TagKeys=["gatehouse:api-name"])
    return first["DeploymentId"]


def changed(aws, api):
    get = {"responses": {"default": {"description": "any"}}}
    get["x-amazon-apigateway-integration"] = documents.forwarded("/returns", "GET") | {"payloadFormatVersion": "1.0"}
    body = documents.http(title="renamed", version="2.0.0", more_paths={"/returns": {"get": get}})
    answer = aws.ok("reimport_api", ApiId=api, Body=body)
    aws.same("its name after a second import", answer["Name"], "renamed")
    found, pages = aws.pages("get_routes", "Items", "1", ApiId=api)
    aws.same("its routes over two pages", ({one["RouteKey"] for one in found}, pages), ({"GET /orders", "GET /returns"}, 2))
    second = aws.ok("create_deployment", ApiId=api, Description="revision 2")["DeploymentId"]
    limits = {"ThrottlingRateLimit": 10.0, "ThrottlingBurstLimit": 20}
    move = {"DeploymentId": second, "StageVariables": {"gatehouseRecord0": "B"}, "DefaultRouteSettings": limits}
    stage = aws.ok("update_stage", ApiId=api, StageName="prod", **move)
    aws.same("its deployment", stage["DeploymentId"], second)
    aws.same("its variables", stage["StageVariables"], {"gatehouseRecord0": "B"})
    aws.same("its rate", stage["DefaultRouteSettings"]["ThrottlingRateLimit"], 10.0)
    return second


def put_back(aws, api, first, second):
    aws.ok("update_stage", ApiId=api, StageName="prod", DeploymentId=first)
    aws.same("a stage that was put back", aws.ok("get_stage", ApiId=api, StageName="prod")["DeploymentId"], first)
    kept = {one["DeploymentId"] for one in aws.ok("get_deployments", ApiId=api)["Items"]}
    aws.same("the deployments", kept, {first, second})
    aws.ok("get_deployment", ApiId=api, DeploymentId=second)
    aws.ok("delete_deployment", ApiId=api, DeploymentId=second)
    aws.refused("NotFoundException", 404, "get_deployment", ApiId=api, DeploymentId=second)
    aws.same("the stages", [one["StageName"] for one in aws.ok("get_stages", ApiId=api)["Items"]], ["prod"])


def paging(aws):
    ids = {aws.ok("create_api", Name=f"paged {number}", ProtocolType="HTTP")["ApiId"] for number in range(5)}
    found, pages = aws.pages("get_apis", "Items", "2")
    aws.same("APIs over all pages", {one["ApiId"] for one in found} >= ids, True)
    aws.same("an API that is on two pages", len({one["ApiId"] for one in found}), len(found))
    aws.same("their pages", pages, -(-len(found) // 2))
    for api in ids:
        aws.ok("delete_api", ApiId=api)


TOPICS = [life_of_an_api, paging]
