"""REST APIs that are built piece by piece: resources, methods, integrations."""

AT = {"op": "replace"}


def by_hand(aws):
    made = aws.ok("create_rest_api", name="by hand")
    api = {"restApiId": made["id"]}
    part = {"parentId": made["rootResourceId"], "pathPart": "pets"}
    pets = aws.ok("create_resource", **api, **part)["id"]
    aws.refused("ConflictException", 409, "create_resource", "already has this name: pets", **api, **part)
    method = {**api, "resourceId": pets, "httpMethod": "GET"}
    aws.ok("put_method", **method, authorizationType="NONE")
    aws.ok("put_method_response", **method, statusCode="200")
    proxy = {"type": "HTTP_PROXY", "integrationHttpMethod": "GET", "uri": "http://pets.example/"}
    aws.ok("put_integration", **method, **proxy)
    aws.ok("put_integration_response", **method, statusCode="200", selectionPattern="2..")
    elsewhere = [{**AT, "path": "/uri", "value": "http://cats.example/"}]
    changed = aws.ok("update_integration", **method, patchOperations=elsewhere)
    aws.same("where an integration leads", changed["uri"], "http://cats.example/")
    keyed = [{**AT, "path": "/apiKeyRequired", "value": "true"}]
    aws.same("a method with keys", aws.ok("update_method", **method, patchOperations=keyed)["apiKeyRequired"], True)
    aws.ok("delete_integration", **method)
    aws.ok("delete_method", **method)
    aws.refused("NotFoundException", 404, "delete_method", **method)
    aws.ok("delete_resource", **api, resourceId=pets)
    aws.ok("delete_rest_api", **api)


TOPICS = [by_hand]
