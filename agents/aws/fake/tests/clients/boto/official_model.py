"""Holds raw answers to the official model of the service, which comes with botocore.

boto3 reads answers leniently: it drops members it does not know, takes a number for a text, and does not care for the
status. `Official` looks at the bytes before boto3 does."""

import datetime
import json

INTEGERS = ("integer", "long")
NUMBERS = ("double", "float")
NOT_IN_THE_BODY = ("header", "headers", "statusCode")


class Official:
    """What was called, and every way in which an answer departs from the model."""

    def __init__(self):
        self.called = set()
        self.departures = []

    def watch(self, client):
        """Looks at every answer that this client gets from now on."""
        self.service = client.meta.service_model.service_name
        client.meta.events.register("before-parse.*", self._before_parse)

    def _before_parse(self, operation_model, response_dict, **_):
        self.called.add(f"{operation_model.service_model.service_name}:{operation_model.name}")
        status = response_dict["status_code"]
        check = self._success if status < 300 else self._error
        for departure in check(operation_model, status, response_dict):
            self.departures.append(f"{operation_model.name}: {departure}")

    def _success(self, operation, status, response):
        declared = operation.http.get("responseCode", 200)
        if status != declared:
            yield f"status {status}, the model declares {declared}"
        output = operation.output_shape
        if output is None or output.serialization.get("payload"):
            return
        document = read(response["body"] or b"{}")
        if document is None:
            yield f"the body is no JSON: {response['body'][:80]!r}"
        else:
            yield from structure(document, output, "")

    def _error(self, operation, status, response):
        headers = {name.lower(): value for name, value in response["headers"].items()}
        kind = headers.get("x-amzn-errortype", "").split(":")[0]
        declared = {shape.name: shape for shape in operation.error_shapes}
        if not kind:
            yield f"{status} without the header x-amzn-errortype"
        elif kind in declared:
            wanted = declared[kind].metadata.get("error", {}).get("httpStatusCode")
            if wanted != status:
                yield f"{kind} with status {status}, the model declares {wanted}"
        elif status not in (403, 500):
            yield f"{kind} ({status}) is not declared for the operation"
        document = read(response["body"])
        if not isinstance(document, dict) or not isinstance(document.get("message"), str):
            yield f"{kind} ({status}) without a message: {response['body'][:80]!r}"


def read(body):
    try:
        return json.loads(body)
    except ValueError:
        return None


def value(found, shape, path):
    """How one value departs from its shape."""
    if found is None:
        yield f"{path} is null"
        return
    kind = shape.type_name
    if kind == "structure":
        yield from structure(found, shape, path)
    elif kind == "list":
        yield from elements(found, shape, path)
    elif kind == "map":
        yield from entries(found, shape, path)
    elif not fits(found, kind, shape):
        yield f"{path} is {json.dumps(found)[:60]}, which is no {kind} as {shape.name} has it"


def structure(found, shape, path):
    if not isinstance(found, dict):
        yield f"{path} is no object, as {shape.name} is"
        return
    members = {
        member.serialization.get("name", name): member
        for name, member in shape.members.items()
        if member.serialization.get("location") not in NOT_IN_THE_BODY
    }
    for name, inner in found.items():
        if name in members:
            yield from value(inner, members[name], f"{path}.{name}")
        else:
            yield f"{path}.{name} is no member of {shape.name}"
    for name in shape.required_members:
        wire = shape.members[name].serialization.get("name", name)
        if wire in members and wire not in found:
            yield f"{path}.{wire} is missing"


def elements(found, shape, path):
    if not isinstance(found, list):
        yield f"{path} is no list, as {shape.name} is"
        return
    for number, inner in enumerate(found):
        yield from value(inner, shape.member, f"{path}[{number}]")


def entries(found, shape, path):
    if not isinstance(found, dict):
        yield f"{path} is no map, as {shape.name} is"
        return
    for key, inner in found.items():
        yield from value(inner, shape.value, f"{path}.{key}")


def fits(found, kind, shape):
    if kind == "boolean":
        return isinstance(found, bool)
    if isinstance(found, bool):
        return False
    if kind in INTEGERS:
        return isinstance(found, int)
    if kind in NUMBERS:
        return isinstance(found, (int, float))
    if kind == "timestamp":
        return timestamp(found, shape.serialization.get("timestampFormat", "unixTimestamp"))
    if getattr(shape, "enum", None):
        return found in shape.enum
    return isinstance(found, str)


def timestamp(found, form):
    if form == "unixTimestamp":
        return isinstance(found, (int, float))
    try:
        datetime.datetime.fromisoformat(found.replace("Z", "+00:00"))
        return True
    except (AttributeError, ValueError):
        return False
