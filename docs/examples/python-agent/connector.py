"""The connector: what can be done on a tiny gateway. Each call is one honest attempt; loops and reports are others'."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from fnmatch import translate as glob
from pathlib import Path
import re
from typing import Any

import translate
from environments import Lease
from gateway_client import GatewayError

Json = dict[str, Any]

DESCRIPTOR: Json = {
    "gatewayType": translate.GATEWAY_TYPE,
    "displayName": "Tiny gateway",
    "version": "1.0.0",
    "capabilities": {"deploy": True, "undeploy": True, "observe": True, "discover": True, "check": True,
                     "replicated": False, "adopt": True, "versions": True, "largestPage": 100},
    "settingsSchema": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tiny gateway settings",
        "type": "object",
        "required": ["adminUrl"],
        "additionalProperties": False,
        "properties": {
            "adminUrl": {"type": "string", "format": "uri", "pattern": "^https?://",
                         "description": "Where the gateway's Admin API listens."},
            "proxyUrl": {"type": "string", "format": "uri", "pattern": "^https?://",
                         "description": "Where consumers reach the gateway, unless the environment has endpoints."},
        },
    },
    "credentials": [
        {"name": "adminToken", "description": "The token of the gateway's Admin API.", "required": True},
    ],
    # At best: the control plane refuses by this before it knows of a single policy, and each one is looked at later
    # (`translate.fidelity_report`). What is not listed is unsupported.
    "policies": [
        {"policy": "auth.apiKey", "fidelity": {"level": "exact"}},
        {"policy": "headers", "fidelity": {"level": "exact"}},
    ],
    # What the conformance suite saw, as `gatehouse connector report --summary` wrote it.
    "conformance": json.loads((Path(__file__).parent / "conformance.json").read_text() .strip() or "null"),
}


@dataclass(frozen=True)
class Page:
    """A page of a listing: findings, and the position of the next page, if there is one."""

    items: list[Json]
    next: str | None


def observe(lease: Lease, external_ref: str | None, mark: Json) -> Json:
    """What is there: by the gateway's own identity, marked or not; only if that is not there, by our mark.

    Absent only if the gateway said so. Not being able to look is an error.
    """
    client = lease.client()
    api = client.read(external_ref) if external_ref else None
    if api is None:
        api = find_marked(lease, mark)
    return {"state": "absent"} if api is None else present(lease, api)


def inspect(lease: Lease, external_ref: str) -> Json:
    """What is there under an identity, ours or not."""
    api = lease.client().read(external_ref)
    return {"state": "absent"} if api is None else present(lease, api)


def find_marked(lease: Lease, mark: Json) -> Json | None:
    client, after = lease.client(), ""
    while True:
        page = client.page(after=after, label=f"{translate.API_LABEL}={mark['apiId']}")
        for summary in page["items"]:
            api = client.read(summary["id"])
            if api is not None and translate.is_same_place(translate.mark_of(api), mark):
                return api
        if page["next"] is None:
            return None
        after = page["next"]


def present(lease: Lease, api: Json) -> Json:
    return {"state": "present"} | translate.observed(api, lease.endpoints)


def deploy(lease: Lease, desired: Json, observation: Json) -> Json:
    """Makes the gateway serve the desired API, in place of exactly what was observed. One call: there is no in-between.

    Gives what the gateway holds afterwards.
    """
    refuse_unless_writable(lease, "deploy")
    content = desired["content"]
    # Secrets first: without its keys, nothing of the API is written.
    form = translate.form_of(content, lease.secrets(translate.secret_names(content)))
    is_there = observation["state"] == "present"
    body = form | {"labels": translate.labels_of(desired, form), "tags": observation["tags"] if is_there else []}
    api_id = observation["externalRef"] if is_there else identity_of(desired["mark"])
    version = int(observation["version"]) if is_there else None
    return present(lease, lease.client().put(api_id, body, version))


def undeploy(lease: Lease, observed: Json) -> None:
    """Removes exactly what was observed. What is gone already is removed."""
    refuse_unless_writable(lease, "undeploy")
    lease.client().delete(observed["externalRef"], int(observed["version"]))


def identity_of(mark: Json) -> str:
    """The identity that we give an API: the same at every attempt, so that no crash makes a second one."""
    digest = hashlib.sha256(f"{mark['environmentId']}/{mark['apiId']}".encode()).hexdigest()
    return f"gatehouse-{digest[:32]}"


def refuse_unless_writable(lease: Lease, operation: str) -> None:
    """The control plane holds the mode, too; an agent does not rely on that."""
    if lease.mode == "read-only":
        raise GatewayError("Forbidden", f"environment `{lease.environment_name}` is read-only and refuses to {operation}; "
                           "set its mode to `read-write` or `write-only`")


def discover(lease: Lease, selection: Json, known: dict[str, str], position: str | None) -> Page:
    """One page of all that the gateway has. What cannot be read is told as that, and the listing goes on."""
    if lease.mode == "write-only":
        raise GatewayError("Forbidden", f"environment `{lease.environment_name}` is write-only and refuses to discover; "
                           "set its mode to `read-write` or `read-only`")
    if selection.get("selector"):
        raise GatewayError("Invalid", "the tiny gateway has no selectors; filter the discovery by tags and names")
    page = lease.client().page(after=position or "")
    found = (finding(lease, summary, known) for summary in page["items"] if admits(selection, summary))
    return Page([item for item in found if item is not None], page["next"])


def finding(lease: Lease, summary: Json, known: dict[str, str]) -> Json | None:
    api_id, name = summary["id"], summary["name"]
    if known.get(api_id) == str(summary["version"]):
        return {"result": "unchanged", "externalRef": api_id, "name": name}
    try:
        api = lease.client().read(api_id)
    except GatewayError as error:
        # Damaged is what the gateway says of this one. If it is not able to answer now, the page cannot be read.
        if error.status != 500:
            raise
        return {"result": "unreadable", "externalRef": api_id, "name": name, "reason": error.message}
    # Removed between the listing and now.
    return None if api is None else {"result": "api"} | translate.observed(api, lease.endpoints)


def admits(selection: Json, summary: Json) -> bool:
    names, tags = selection.get("names", []), selection.get("tags", [])
    # Only `*` and `?` stand for something.
    patterns = [re.compile(glob(name.replace("[", "[[]"))) for name in names]
    return (not names or any(pattern.match(summary["name"]) for pattern in patterns)) and (
        not tags or bool(set(tags) & set(summary["tags"] or [])))


def check(lease: Lease) -> Json:
    """Whether the gateway answers and the credential is good for the mode."""
    client = lease.client()
    findings = []
    status = client.status()
    try:
        client.page(limit=1)
        findings.append({"severity": "ok", "message": "the credential may look at APIs"})
    except GatewayError as error:
        if error.kind not in ("Unauthorized", "Forbidden"):
            raise
        findings.append({"severity": "error", "message": error.message})
    if lease.mode == "read-only":
        findings.append({"severity": "warning", "message": "the gateway has one token for everything, so the credential may "
                         "change APIs although the environment is read-only"})
    return {"kind": "checked", "gatewayVersion": str(status.get("version")), "findings": findings}
