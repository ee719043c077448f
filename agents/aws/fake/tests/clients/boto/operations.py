"""Prints the operations of both versions as the official model has them: service, method, path, status, name."""

from botocore.session import get_session

for service in ("apigateway", "apigatewayv2"):
    model = get_session().get_service_model(service)
    for name in model.operation_names:
        http = model.operation_model(name).http
        print(service, http["method"], http["requestUri"], http.get("responseCode", 200), name)
