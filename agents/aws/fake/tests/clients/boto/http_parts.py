"""The parts of an HTTP API one by one."""

import documents
from rest_apis import NOBODY

JWT = {"Issuer": "https://login.example.com", "Audience": ["orders"]}


def routes(aws):
    api = aws.ok("create_api", Name="parts", ProtocolType="HTTP")["ApiId"]
    authorizer = authorizers(aws, api)
    integration = integrations(aws, api)
    made = aws.ok(
        "create_route",
        ApiId=api,
        RouteKey="GET /orders",
        Target=f"integrations/{integration}",
        AuthorizationType="JWT",
        AuthorizerId=authorizer,
        AuthorizationScopes=["orders/read"],
    )
    place = {"ApiId": api, "RouteId": made["RouteId"]}
    aws.same("a route", aws.ok("get_route", **place)["AuthorizationScopes"], ["orders/read"])
    aws.refused("ConflictException", 409, "create_route", ApiId=api, RouteKey="GET /orders")
    changed = aws.ok("update_route", **place, AuthorizationType="NONE")
    aws.same("a route that was opened", changed["AuthorizationType"], "NONE")
    aws.ok("delete_route", **place)
    aws.refused("NotFoundException", 404, "get_route", **place)
    aws.ok("delete_integration", ApiId=api, IntegrationId=integration)
    aws.refused("NotFoundException", 404, "get_integration", ApiId=api, IntegrationId=integration)
    aws.ok("delete_authorizer", ApiId=api, AuthorizerId=authorizer)
    aws.refused("NotFoundException", 404, "get_authorizer", ApiId=api, AuthorizerId=authorizer)
    aws.ok("delete_api", ApiId=api)


def authorizers(aws, api):
    made = aws.ok(
        "create_authorizer",
        ApiId=api,
        Name="login",
        AuthorizerType="JWT",
        IdentitySource=["$request.header.Authorization"],
        JwtConfiguration=JWT,
    )
    place = {"ApiId": api, "AuthorizerId": made["AuthorizerId"]}
    aws.same("an authorizer", aws.ok("get_authorizer", **place)["JwtConfiguration"], JWT)
    other = JWT | {"Audience": ["orders", "returns"]}
    aws.same("one that was changed", aws.ok("update_authorizer", **place, JwtConfiguration=other)["JwtConfiguration"], other)
    return made["AuthorizerId"]


def integrations(aws, api):
    made = aws.ok(
        "create_integration",
        ApiId=api,
        IntegrationType="HTTP_PROXY",
        IntegrationMethod="GET",
        IntegrationUri="https://orders.example.com",
        PayloadFormatVersion="1.0",
    )
    place = {"ApiId": api, "IntegrationId": made["IntegrationId"]}
    aws.same("an integration", aws.ok("get_integration", **place)["IntegrationUri"], "https://orders.example.com")
    changed = aws.ok("update_integration", **place, TimeoutInMillis=5000)
    aws.same("one that was changed", changed["TimeoutInMillis"], 5000)
    return made["IntegrationId"]


def settings(aws):
    """What is taken away from an API and a stage is gone."""
    api = aws.ok("import_api", Body=documents.http())["ApiId"]
    aws.same("a name", aws.ok("update_api", ApiId=api, Name="renamed")["Name"], "renamed")
    aws.ok("delete_cors_configuration", ApiId=api)
    aws.same("an API without CORS", "CorsConfiguration" in aws.ok("get_api", ApiId=api), False)
    deployment = aws.ok("create_deployment", ApiId=api)["DeploymentId"]
    place = {"ApiId": api, "DeploymentId": deployment}
    changed = aws.ok("update_deployment", **place, Description="the first")
    aws.same("a deployment that was described", changed["Description"], "the first")
    stage = {"ApiId": api, "StageName": "prod"}
    logs = {"DestinationArn": "arn:aws:logs:eu-central-1:111111111111:log-group:orders", "Format": "$context.requestId"}
    limits = {"GET /orders": {"ThrottlingRateLimit": 5.0, "ThrottlingBurstLimit": 5}}
    aws.ok("create_stage", **stage, DeploymentId=deployment, AccessLogSettings=logs, RouteSettings=limits)
    aws.ok("delete_access_log_settings", **stage)
    aws.ok("delete_route_settings", **stage, RouteKey="GET /orders")
    left = aws.ok("get_stage", **stage)
    aws.same("a stage without logs", "AccessLogSettings" in left, False)
    aws.same("a stage without limits", left.get("RouteSettings", {}), {})
    aws.ok("delete_api", ApiId=api)


def domains(aws):
    configuration = {"CertificateArn": "arn:aws:acm:eu-central-1:111111111111:certificate/one", "EndpointType": "REGIONAL"}
    name = {"DomainName": "http.example.com"}
    made = aws.ok("create_domain_name", **name, DomainNameConfigurations=[configuration])
    aws.same("a domain", made["DomainNameConfigurations"][0]["EndpointType"], "REGIONAL")
    aws.ok("get_domain_name", **name)
    names = [one["DomainName"] for one in aws.ok("get_domain_names")["Items"]]
    aws.same("all domains", names, ["http.example.com"])
    other = configuration | {"CertificateArn": "arn:aws:acm:eu-central-1:111111111111:certificate/two"}
    changed = aws.ok("update_domain_name", **name, DomainNameConfigurations=[other])["DomainNameConfigurations"][0]
    aws.same("a certificate that was changed", changed["CertificateArn"], other["CertificateArn"])
    api = aws.ok("import_api", Body=documents.http())["ApiId"]
    for stage in ("prod", "next"):
        aws.ok("create_stage", ApiId=api, StageName=stage)
    made = aws.ok("create_api_mapping", **name, ApiId=api, Stage="prod", ApiMappingKey="shop/orders")
    place = name | {"ApiMappingId": made["ApiMappingId"]}
    aws.same("a mapping", aws.ok("get_api_mapping", **place)["ApiMappingKey"], "shop/orders")
    aws.same("all mappings", [one["ApiId"] for one in aws.ok("get_api_mappings", **name)["Items"]], [api])
    aws.same("one that was changed", aws.ok("update_api_mapping", **place, ApiId=api, Stage="next")["Stage"], "next")
    aws.ok("delete_api_mapping", **place)
    aws.refused("NotFoundException", 404, "get_api_mapping", **place)
    aws.ok("delete_domain_name", **name)
    aws.refused("NotFoundException", 404, "get_domain_name", **name)
    aws.ok("delete_api", ApiId=api)


def links(aws):
    aws.same("links", aws.ok("get_vpc_links")["Items"], [])
    aws.refused("NotFoundException", 404, "get_routes", ApiId=NOBODY)


TOPICS = [routes, settings, domains, links]
