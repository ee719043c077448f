"""Between our words and the tiny gateway's, both ways, and how faithfully. No effects.

Ours is the `RevisionContent` of the Agent API; the gateway's is its API, of which everything that Gatehouse writes except
labels is here called the *form*. What the gateway cannot say (versions, policies' secrets, summaries) is kept in a label
beside the form that was written for it, so that what nobody touched reads back as exactly what was written.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Mapping

from canonical import canonical_json, content_fingerprint, desired_fingerprint
from gateway_client import GatewayError

Json = dict[str, Any]

GATEWAY_TYPE = "tiny"
PARTS = ("name", "hosts", "basePath", "routes", "upstreamUrl", "timeoutMs", "apiKey", "responseHeaders")

ENVIRONMENT_LABEL = "gatehouse.dev/environment-id"
API_LABEL = "gatehouse.dev/api-id"
NAME_LABEL = "gatehouse.dev/api-name"
REVISION_LABEL = "gatehouse.dev/revision"
APPLIED_LABEL = "gatehouse.dev/applied"


# ---- how faithfully ------------------------------------------------------------------------------


def fidelity_report(content: Json) -> list[Json]:
    """Every policy of the content, with how faithfully the gateway expresses it. Silence would count as `unsupported`."""
    policies = content.get("policies", [])
    first_key = next((index for index, policy in enumerate(policies) if policy["type"] == "auth.apiKey"), None)
    report = [{"pointer": f"/policies/{index}", "policy": policy["type"],
               "fidelity": of_api(policy, is_first_key=index == first_key)} for index, policy in enumerate(policies)]
    for position, operation in enumerate(content.get("operations", [])):
        for index, policy in enumerate(operation.get("policies", [])):
            report.append({"pointer": f"/operations/{position}/policies/{index}", "policy": policy["type"],
                           "operation": operation["match"],
                           "fidelity": unsupported("the gateway has policies for whole APIs only")})
    return report


def of_api(policy: Json, *, is_first_key: bool) -> Json:
    match policy["type"]:
        case "auth.apiKey":
            return of_api_key(policy["with"], is_first_key)
        case "headers":
            return of_headers(policy["with"])
    return unsupported("the gateway has nothing like it")


def of_api_key(parameters: Json, is_first: bool) -> Json:
    if parameters.get("in", "header") != "header":
        return unsupported("the gateway looks for keys in headers only")
    if any(key.get("expiresAt") for key in parameters["keys"]):
        return unsupported("keys of the gateway do not expire")
    # Security policies add up: callers need a key of each. One `apiKey` cannot say that.
    return {"level": "exact"} if is_first else unsupported("the gateway takes one set of keys for an API")


def of_headers(parameters: Json) -> Json:
    sides = (("request", "remove"), ("request", "set"), ("request", "add"), ("response", "remove"), ("response", "add"))
    lost = [f"{side}.{change}" for side, change in sides if (parameters.get(side) or {}).get(change)]
    if not lost:
        return {"level": "exact"}
    if not (parameters.get("response") or {}).get("set"):
        return unsupported("the gateway sets headers of responses and changes no others")
    return {"level": "approximated", "difference": f"only `response.set` is carried out, not {', '.join(lost)}"}


def unsupported(reason: str) -> Json:
    return {"level": "unsupported", "reason": reason}


def losses(content: Json) -> tuple[list[Json], list[Json]]:
    """Security policies that would not be enforced, and everything else that is not exact."""
    inexact = [entry for entry in fidelity_report(content) if entry["fidelity"]["level"] != "exact"]
    unenforced = [entry for entry in inexact if is_security(entry["policy"])
                  and entry["fidelity"]["level"] == "unsupported"]
    return unenforced, [entry for entry in inexact if entry not in unenforced]


def is_security(policy_type: str) -> bool:
    return policy_type.startswith(("auth.", "ext.")) or policy_type == "ip.filter"


def described(entry: Json) -> str:
    operation = entry.get("operation")
    place = f"`{operation['method']} {operation['path']}`" if operation else "the whole API"
    fidelity = entry["fidelity"]
    why = fidelity.get("reason") or fidelity.get("difference")
    return f"`{entry['policy']}` of {place} at `{entry['pointer']}` ({fidelity['level']}: {why})"


# ---- ours to the gateway's -----------------------------------------------------------------------


# All that the gateway has words for. A field that comes later is refused, not passed over.
UPSTREAM = {"url", "timeoutMs", "connectTimeoutMs"}
OPERATION = {"match", "policies", "upstream", "id", "summary", "deprecated"}
MATCH = {"method", "path"}


def check_expressible(api_name: str, content: Json) -> None:
    """Refuses what is no policy and cannot be expressed: nobody can accept that an API answers other requests."""
    obstacles = []
    if content["type"] != "rest":
        obstacles.append(f"APIs of type `{content['type']}`")
    for name, upstream in content.get("upstreams", {}).items():
        obstacles += [f"`{field}` of upstream `{name}`" for field in sorted(upstream.keys() - UPSTREAM)]
    for operation in content.get("operations", []):
        named = f"`{operation['match']['method']} {operation['match']['path']}`"
        strange = (operation.keys() - OPERATION) | (operation["match"].keys() - MATCH)
        obstacles += [f"`{field}` of {named}" for field in sorted(strange)]
    if obstacles:
        raise GatewayError("Unsupported", f"the tiny gateway cannot serve `{api_name}`: it does not know "
                           f"{', '.join(obstacles)}; deploy it to another gateway")


def secret_names(content: Json) -> list[str]:
    """The secrets that the form needs."""
    return sorted({key["secretRef"] for policy in content.get("policies", []) if policy["type"] == "auth.apiKey"
                   for key in policy["with"]["keys"]})


def form_of(content: Json, secrets: Mapping[str, str]) -> Json:
    """The content in the gateway's words, with keys as their SHA-256."""
    main = content["upstreams"]["main"]
    return {
        "name": content["displayName"],
        "hosts": content.get("hostnames", []),
        "basePath": content["basePath"],
        "routes": [route_of(operation, content["upstreams"]) for operation in content.get("operations", [])],
        "upstreamUrl": main["url"],
        "timeoutMs": main.get("timeoutMs", 30_000),
        "apiKey": api_key_of(content, secrets),
        "responseHeaders": response_headers_of(content),
    }


def route_of(operation: Json, upstreams: Json) -> Json:
    route = {"method": operation["match"]["method"], "path": operation["match"]["path"]}
    upstream = operation.get("upstream") or "main"
    return route if upstream == "main" else route | {"upstreamUrl": upstreams[upstream]["url"]}


def api_key_of(content: Json, secrets: Mapping[str, str]) -> Json | None:
    policies = [policy["with"] for policy in content.get("policies", []) if policy["type"] == "auth.apiKey"]
    if not policies:
        return None
    keys = [{"consumer": key["consumer"], "sha256": hashlib.sha256(secrets[key["secretRef"]].encode()).hexdigest()}
            for key in policies[0]["keys"]]
    return {"header": policies[0].get("name", "x-api-key").lower(), "forward": policies[0].get("forward", False),
            "keys": sorted(keys, key=lambda key: (key["consumer"], key["sha256"]))}


def response_headers_of(content: Json) -> dict[str, str]:
    """Policies act in order, so the last one to set a header wins, however it writes its name."""
    headers: dict[str, tuple[str, str]] = {}
    for policy in content.get("policies", []):
        if policy["type"] == "headers":
            for name, value in ((policy["with"].get("response") or {}).get("set") or {}).items():
                headers[name.lower()] = (name, value)
    return dict(sorted(headers.values()))


def labels_of(desired: Json, form: Json) -> dict[str, str]:
    """Our mark, and what makes the form read back as what was desired."""
    mark = desired["mark"]
    applied = {name: desired[name] for name in ("content", "fingerprint")} | {
        "secrets": desired.get("secrets", []), "form": form}
    return {ENVIRONMENT_LABEL: mark["environmentId"], API_LABEL: mark["apiId"], NAME_LABEL: mark["apiName"],
            REVISION_LABEL: str(mark["revision"]), APPLIED_LABEL: canonical_json(applied)}


# ---- the gateway's to ours -----------------------------------------------------------------------


def mark_of(api: Json) -> Json | None:
    """Our mark, if the API carries a whole one."""
    labels = api["labels"]
    names = (ENVIRONMENT_LABEL, API_LABEL, NAME_LABEL, REVISION_LABEL)
    if not all(name in labels for name in names) or not labels[REVISION_LABEL].isdigit():
        return None
    return {"environmentId": labels[ENVIRONMENT_LABEL], "apiId": labels[API_LABEL], "apiName": labels[NAME_LABEL],
            "revision": int(labels[REVISION_LABEL])}


def is_same_place(one: Json | None, other: Json) -> bool:
    """Whether two marks name the same API in the same environment, whatever the revision."""
    return one is not None and all(one[field] == other[field] for field in ("environmentId", "apiId"))


def observed(api: Json, endpoints: list[str]) -> Json:
    """The `ObservedApi` for what the gateway holds."""
    mark = mark_of(api)
    applied = applied_of(api) if mark else None
    form = {part: api[part] for part in PARTS}
    content = content_of(form, applied)
    if applied is not None and form == applied["form"]:
        fingerprint = applied["fingerprint"]
    elif mark is not None:
        fingerprint = desired_fingerprint(content, held_secrets(form, content, applied))
    else:
        fingerprint = content_fingerprint(content)
    seen = {"externalRef": api["id"], "name": api["name"], "version": str(api["version"]), "tags": api["tags"],
            "endpointUrls": [url.rstrip("/") + content["basePath"] for url in endpoints],
            "content": content, "fingerprint": fingerprint}
    return seen | ({"mark": mark} if mark else {})


def applied_of(api: Json) -> Json | None:
    """What was written with the present mark. A label that somebody broke tells nothing, and the API has drifted."""
    try:
        applied = json.loads(api["labels"][APPLIED_LABEL])
        return applied if {"content", "fingerprint", "secrets", "form"} <= set(applied) else None
    except (KeyError, TypeError, ValueError):
        return None


def content_of(form: Json, applied: Json | None) -> Json:
    """What was applied, with each part that differs now in the place of what was written there."""
    if applied is None:
        return with_parts(blank(), form, PARTS, {})
    changed = [part for part in PARTS if form[part] != applied["form"].get(part)]
    return with_parts(json.loads(json.dumps(applied["content"])), form, changed, applied["form"])


def blank() -> Json:
    """What is the same for everything that this gateway can hold."""
    return {"direction": "ingress", "type": "rest", "version": "v1", "upstreams": {"main": {}}}


def with_parts(content: Json, form: Json, parts: list[str] | tuple[str, ...], written: Json) -> Json:
    for part in parts:
        match part:
            case "name":
                content["displayName"] = form["name"]
            case "basePath":
                content["basePath"] = form["basePath"]
            case "hosts":
                content["hostnames"] = sorted(form["hosts"])
            case "upstreamUrl":
                content["upstreams"]["main"]["url"] = form["upstreamUrl"]
            case "timeoutMs":
                content["upstreams"]["main"]["timeoutMs"] = form["timeoutMs"]
            case "routes":
                put_operations(content, form["routes"], written.get("routes", []))
            case "apiKey":
                put_policy(content, "auth.apiKey", api_key_policy(content, form, written.get("apiKey")))
            case "responseHeaders":
                headers = form["responseHeaders"]
                put_policy(content, "headers", {"response": {"set": headers}} if headers else None)
    return content


def put_operations(content: Json, routes: list[Json], written: list[Json]) -> None:
    """Operations for the routes; one whose route is as it was written is as it was."""
    before = {canonical_json(route): operation for route, operation in zip(written, content.get("operations", []))}
    operations = []
    for route in routes:
        operation = before.get(canonical_json(route))
        if operation is None:
            operation = {"match": {"method": route["method"], "path": route["path"]}}
            if "upstreamUrl" in route:
                operation["upstream"] = upstream_named(content, route["upstreamUrl"])
        operations.append(operation)
    content["operations"] = sorted(operations, key=lambda it: (it["match"]["path"], it["match"]["method"]))


def upstream_named(content: Json, url: str) -> str:
    """The name of the upstream with a URL, which is made if there is none."""
    upstreams = content["upstreams"]
    for name, upstream in upstreams.items():
        if name != "main" and upstream["url"] == url:
            return name
    name = next(name for number in range(1, len(upstreams) + 2) if (name := f"upstream-{number}") not in upstreams)
    upstreams[name] = {"url": url}
    return name


def put_policy(content: Json, policy_type: str, parameters: Json | None) -> None:
    """One policy in the place of the first of its type; none of the others of the type is there now."""
    policies = content.get("policies", [])
    places = [index for index, policy in enumerate(policies) if policy["type"] == policy_type]
    kept = [policy for policy in policies if policy["type"] != policy_type]
    if parameters is not None:
        kept.insert(places[0] if places else len(kept), {"type": policy_type, "with": parameters})
    content["policies"] = kept


def api_key_policy(content: Json, form: Json, written: Json | None) -> Json | None:
    """The keys that the gateway takes. Their values are not seen: a key that we did not write is named as a secret that
    people have to make, and until then the API is not deployed anywhere without it."""
    api_key = form["apiKey"]
    if api_key is None:
        return None
    names = {key["consumer"]: key["secretRef"] for policy in content.get("policies", [])
             if policy["type"] == "auth.apiKey" for key in policy["with"]["keys"]}
    keys = [{"consumer": resource_name(key["consumer"]),
             "secretRef": names.get(key["consumer"]) or resource_name(f"{form['name']}-{key['consumer']}-key")}
            for key in api_key["keys"]]
    return {"in": "header", "name": api_key["header"], "keys": keys, "forward": api_key["forward"]}


def held_secrets(form: Json, content: Json, applied: Json | None) -> list[Json]:
    """The versions of secrets that the gateway holds: of a key that is not the one we wrote, none that exists."""
    known = {secret["name"]: secret["version"] for secret in applied["secrets"]} if applied else {}
    written = ((applied or {}).get("form", {}).get("apiKey") or {}).get("keys", [])
    present = (form["apiKey"] or {}).get("keys", [])
    intact = {key["consumer"] for key in present if key in written}
    of_consumer = {key["consumer"]: key["secretRef"] for policy in content.get("policies", [])
                   if policy["type"] == "auth.apiKey" for key in policy["with"]["keys"]}
    replaced = {secret for consumer, secret in of_consumer.items() if consumer not in intact}
    return [{"name": name, "version": 0 if name in replaced else known.get(name, 0)} for name in secret_names(content)]


def resource_name(text: str) -> str:
    """The nearest name that a resource of Gatehouse can have."""
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")[:63].rstrip("-") or "unnamed"
