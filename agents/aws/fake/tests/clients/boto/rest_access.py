"""What guards REST APIs: keys, usage plans, tags, domain names, links to private networks."""

import documents
from rest_apis import MARK, NOBODY

VALUE = "a-key-that-nobody-may-see"


def keys_and_plans(aws):
    api, stage = served(aws)
    key = keys(aws)
    plan = plans(aws, api, stage, key)
    aws.ok("delete_usage_plan_key", usagePlanId=plan, keyId=key)
    aws.refused("NotFoundException", 404, "delete_usage_plan_key", usagePlanId=plan, keyId=key)
    without = [{"op": "remove", "path": "/apiStages", "value": f"{api}:{stage}"}]
    aws.same("the stages of a plan", aws.ok("update_usage_plan", usagePlanId=plan, patchOperations=without)["apiStages"], [])
    aws.ok("delete_usage_plan", usagePlanId=plan)
    aws.refused("NotFoundException", 404, "delete_usage_plan", usagePlanId=plan)
    aws.ok("delete_api_key", apiKey=key)
    aws.refused("NotFoundException", 404, "delete_api_key", apiKey=key)
    aws.refused("NotFoundException", 404, "get_api_key", apiKey=key)
    aws.ok("delete_rest_api", restApiId=api)


def served(aws):
    api = aws.ok("import_rest_api", body=documents.rest())["id"]
    deployment = aws.ok("create_deployment", restApiId=api)["id"]
    aws.ok("create_stage", restApiId=api, stageName="prod", deploymentId=deployment)
    return api, "prod"


def keys(aws):
    key = aws.ok("create_api_key", name="shop", enabled=True, value=VALUE, tags=MARK)
    aws.refused("ConflictException", 409, "create_api_key", "API Key already exists", name="other", value=VALUE)
    aws.refused("BadRequestException", 400, "create_api_key", name="short", value="x" * 19)
    aws.refused("BadRequestException", 400, "create_api_key", name="long", value="x" * 129)
    aws.same("a value nobody asked for", "value" in aws.ok("get_api_key", apiKey=key["id"]), False)
    aws.same("a value", aws.ok("get_api_key", apiKey=key["id"], includeValue=True)["value"], VALUE)
    listed = aws.ok("get_api_keys", nameQuery="shop", includeValues=False)["items"]
    aws.same("listed keys", [(one["id"], "value" in one) for one in listed], [(key["id"], False)])
    off = [{"op": "replace", "path": "/enabled", "value": "false"}]
    aws.same("a key that is off", aws.ok("update_api_key", apiKey=key["id"], patchOperations=off)["enabled"], False)
    more = [aws.ok("create_api_key", name=f"more {number}")["id"] for number in range(2)]
    found, pages = aws.pages("get_api_keys", "items", 2)
    aws.same("keys over all pages", {one["id"] for one in found} >= {key["id"], *more}, True)
    aws.same("their pages", pages, -(-len(found) // 2))
    for one in more:
        aws.ok("delete_api_key", apiKey=one)
    return key["id"]


def plans(aws, api, stage, key):
    limits = {"throttle": {"rateLimit": 5.5, "burstLimit": 10}, "quota": {"limit": 1000, "period": "DAY"}}
    stages = [{"apiId": api, "stage": stage}]
    plan = aws.ok("create_usage_plan", name="shops", apiStages=stages, tags=MARK, **limits)
    aws.same("the rate of a plan", plan["throttle"]["rateLimit"], 5.5)
    nowhere = [{"apiId": api, "stage": "nowhere"}]
    aws.refused("NotFoundException", 404, "create_usage_plan", "API Stage not found", name="wrong", apiStages=nowhere)
    call = {"usagePlanId": plan["id"], "keyId": key, "keyType": "API_KEY"}
    aws.same("the key of a plan", aws.ok("create_usage_plan_key", **call)["id"], key)
    aws.refused("ConflictException", 409, "create_usage_plan_key", **call)
    aws.refused("NotFoundException", 404, "create_usage_plan_key", **(call | {"keyId": NOBODY}))
    aws.ok("get_usage_plan_key", usagePlanId=plan["id"], keyId=key)
    listed = aws.ok("get_usage_plan_keys", usagePlanId=plan["id"])["items"]
    aws.same("the keys of a plan", [one["id"] for one in listed], [key])
    of_key = aws.ok("get_usage_plans", keyId=key)["items"]
    aws.same("the plans of a key", [one["id"] for one in of_key], [plan["id"]])
    change = [{"op": "replace", "path": "/throttle/rateLimit", "value": "7"}, {"op": "remove", "path": "/quota"}]
    answer = aws.ok("update_usage_plan", usagePlanId=plan["id"], patchOperations=change)
    aws.same("a plan that was changed", (answer["throttle"]["rateLimit"], "quota" in answer), (7.0, False))
    aws.same("the same read again", aws.ok("get_usage_plan", usagePlanId=plan["id"])["throttle"]["rateLimit"], 7.0)
    aws.refused("NotFoundException", 404, "get_usage_plan", usagePlanId=NOBODY)
    return plan["id"]


def tags(aws):
    api = aws.ok("create_rest_api", name="tagged", tags=MARK)["id"]
    arn = f"arn:aws:apigateway:eu-central-1::/restapis/{api}"
    aws.same("tags", aws.ok("get_tags", resourceArn=arn)["tags"], MARK)
    aws.ok("tag_resource", resourceArn=arn, tags={"gatehouse:revision": "2"})
    more = MARK | {"gatehouse:revision": "2"}
    aws.same("tags of an API that got one more", aws.ok("get_rest_api", restApiId=api)["tags"], more)
    aws.ok("untag_resource", resourceArn=arn, tagKeys=["gatehouse:revision"])
    aws.same("tags without that one", aws.ok("get_tags", resourceArn=arn)["tags"], MARK)
    nobody = f"arn:aws:apigateway:eu-central-1::/restapis/{NOBODY}"
    aws.refused("NotFoundException", 404, "tag_resource", resourceArn=nobody, tags={"a": "b"})
    aws.ok("delete_rest_api", restApiId=api)


def domains(aws):
    api, stage = served(aws)
    certificate = "arn:aws:acm:eu-central-1:111111111111:certificate/one"
    domain = {"domainName": "api.example.com", "regionalCertificateArn": certificate, "securityPolicy": "TLS_1_2"}
    answer = aws.ok("create_domain_name", **domain, endpointConfiguration={"types": ["REGIONAL"]})
    aws.same("a domain", answer["domainName"], "api.example.com")
    aws.ok("get_domain_name", domainName="api.example.com")
    aws.refused("NotFoundException", 404, "get_domain_name", domainName="nobody.example.com")
    names = [one["domainName"] for one in aws.ok("get_domain_names")["items"]]
    aws.same("all domains", names, ["api.example.com"])
    mapping = {"domainName": "api.example.com", "basePath": "shop", "restApiId": api, "stage": stage}
    aws.ok("create_base_path_mapping", **mapping)
    aws.refused("ConflictException", 409, "create_base_path_mapping", **mapping)
    place = {"domainName": "api.example.com", "basePath": "shop"}
    aws.same("a mapping", aws.ok("get_base_path_mapping", **place)["restApiId"], api)
    listed = aws.ok("get_base_path_mappings", domainName="api.example.com")["items"]
    aws.same("all mappings", [one["basePath"] for one in listed], ["shop"])
    aws.ok("delete_base_path_mapping", **place)
    aws.refused("NotFoundException", 404, "delete_base_path_mapping", **place)
    aws.ok("delete_domain_name", domainName="api.example.com")
    aws.ok("delete_rest_api", restApiId=api)


TOPICS = [keys_and_plans, tags, domains]
