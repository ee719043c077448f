"""What the tiny gateway holds: APIs, the table that requests are served from, and the file it is kept in."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping
from urllib.parse import unquote, urlsplit

Json = dict[str, Any]


class Refused(Exception):
    """An answer other than success: its status and what to do about it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


FIELDS: dict[str, type | tuple[type, ...]] = {
    "name": str, "labels": dict, "tags": list, "hosts": list, "basePath": str, "routes": list, "upstreamUrl": str,
    "timeoutMs": int, "apiKey": (dict, type(None)), "responseHeaders": dict,
}
REQUIRED = {"name", "basePath", "upstreamUrl"}


def checked(body: Any) -> Json:
    """An API as it is kept: every field there and of its type, keys hashed."""
    if not isinstance(body, dict):
        raise Refused(400, "the body is not an object")
    unknown, missing = set(body) - set(FIELDS) - {"id", "version"}, REQUIRED - set(body)
    if unknown or missing:
        raise Refused(400, f"unknown fields: {sorted(unknown)}; missing fields: {sorted(missing)}")
    for name, kind in FIELDS.items():
        if name in body and (not isinstance(body[name], kind) or isinstance(body[name], bool)):
            raise Refused(400, f"`{name}` has the wrong type")
    api: Json = {"labels": {}, "tags": [], "hosts": [], "routes": [], "timeoutMs": 30_000, "apiKey": None,
           "responseHeaders": {}} | {key: body[key] for key in FIELDS if key in body}
    check_places(api)
    check_texts(api)
    api["apiKey"] = None if api["apiKey"] is None else hashed(api["apiKey"])
    return api


def restored(api_id: str, kept: Json) -> Json:
    """An API from the file. One that somebody damaged there is told as that, kept, and not served."""
    try:
        return {"id": api_id, "version": int(kept["version"])} | checked(kept)
    except (Refused, KeyError, TypeError, ValueError):
        return {"id": api_id, "name": str(kept.get("name", api_id)), "version": 0, "damaged": True, "kept": kept}


def check_places(api: Json) -> None:
    base_path = api["basePath"]
    if not base_path.startswith("/") or (base_path != "/" and base_path.endswith("/")):
        raise Refused(400, "`basePath` begins with a slash and does not end with one")
    for route in api["routes"]:
        if not isinstance(route, dict) or set(route) - {"method", "path", "upstreamUrl"}:
            raise Refused(400, "a route has `method`, `path` and perhaps `upstreamUrl`")
        if not isinstance(route.get("method"), str) or not str(route.get("path")).startswith("/"):
            raise Refused(400, "a route's `method` is a text and its `path` begins with a slash")
    urls = [api["upstreamUrl"]] + [route["upstreamUrl"] for route in api["routes"] if "upstreamUrl" in route]
    for url in urls:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise Refused(400, f"`{url}` is not an http or https URL")


def check_texts(api: Json) -> None:
    for name in ("labels", "responseHeaders"):
        if not all(isinstance(value, str) for value in api[name].values()):
            raise Refused(400, f"the values of `{name}` are texts")
    for name, value in api["responseHeaders"].items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or re.search(r"[\r\n\0]", value):
            raise Refused(400, f"`{name}` is not a header that can be sent")
    for name in ("tags", "hosts"):
        if not all(isinstance(value, str) for value in api[name]):
            raise Refused(400, f"`{name}` is a list of texts")


def hashed(api_key: Json) -> Json:
    """Only hashes of keys are kept, and shown: what was read can be written back, and tells nobody a key."""
    keys = api_key.get("keys")
    if not isinstance(keys, list) or not keys or set(api_key) - {"header", "forward", "keys"}:
        raise Refused(400, "`apiKey` has `header`, `forward` and at least one of `keys`")
    kept = []
    for key in keys:
        if not isinstance(key, dict) or not isinstance(key.get("consumer"), str) or key.get("key") == "":
            raise Refused(400, "each of `apiKey.keys` has a `consumer` and a key that is not empty")
        sha256 = sha256_of(key["key"]) if isinstance(key.get("key"), str) else key.get("sha256")
        if not isinstance(sha256, str) or not re.fullmatch("[0-9a-f]{64}", sha256):
            raise Refused(400, "each of `apiKey.keys` has a `key`, or its `sha256` in hexadecimal")
        kept.append({"consumer": key["consumer"], "sha256": sha256})
    return {"header": str(api_key.get("header", "x-api-key")).lower(), "forward": api_key.get("forward") is True,
            "keys": sorted(kept, key=lambda key: (key["consumer"], key["sha256"]))}


def sha256_of(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


@dataclass(frozen=True)
class Table:
    """All APIs at one moment. Never changed once it is made."""

    apis: Mapping[str, Json]
    # The last version given to anything: an API that is removed and made again does not get an old one.
    version: int = 0
    order: list[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "order", sorted(self.apis))

    def route(self, host: str, method: str, path: str) -> tuple[Json, str]:
        """The API that a request is for, and the upstream's URL for it."""
        if any(unquote(segment) in (".", "..") for segment in path.split("/")):
            raise Refused(400, "a path with `.` or `..` would leave its place at the upstream")
        reached = [api for api in self.apis.values() if not api.get("damaged") and covers(api, host, path)]
        if not reached:
            raise Refused(404, "no API is here")
        api = max(reached, key=lambda api: (bool(api["hosts"]), len(api["basePath"])))
        rest = path if api["basePath"] == "/" else path[len(api["basePath"]):] or "/"
        if not api["routes"]:
            return api, api["upstreamUrl"].rstrip("/") + rest
        fitting = [route for route in api["routes"] if pattern(route["path"]).fullmatch(rest)]
        named = [route for route in fitting if route["method"] in (method, "*")]
        if not named:
            raise Refused(405 if fitting else 404, "the API has no such operation")
        # Literal text goes before a parameter: the longer what is left without parameters, the closer the route.
        route = max(named, key=lambda route: (len(re.sub(r"\{[^}]*\}", "", route["path"])), route["method"] != "*"))
        return api, route.get("upstreamUrl", api["upstreamUrl"]).rstrip("/") + rest


def covers(api: Json, host: str, path: str) -> bool:
    base_path = api["basePath"]
    return (not api["hosts"] or host in api["hosts"]) and (
        base_path == "/" or path == base_path or path.startswith(base_path + "/"))


def pattern(template: str) -> re.Pattern[str]:
    """`{name}` stands for one segment or a part of one, `{name...}` for the rest."""
    parts = re.split(r"(\{[^}]*\})", template)
    return re.compile("".join(
        (".*" if part.endswith("...}") else "[^/]+") if part.startswith("{") else re.escape(part) for part in parts))


class Store:
    """The table in force, and the file it is kept in."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self.table = Table({})
        if file is not None and file.exists():
            kept = json.loads(file.read_text())
            apis = {api_id: restored(api_id, api) for api_id, api in kept["apis"].items()}
            self.table = Table(apis, kept["version"])

    def put(self, api_id: str, body: Any, expected: "Expected") -> Json:
        api = checked(body)
        with self._lock:
            present = self.table.apis.get(api_id)
            expected.check(present)
            self._check_free(api_id, api)
            version = self.table.version + 1
            kept = {"id": api_id, "version": version} | api
            self._swap(Table({**self.table.apis, api_id: kept}, version))
        return kept

    def delete(self, api_id: str, expected: "Expected") -> None:
        with self._lock:
            present = self.table.apis.get(api_id)
            if present is None:
                raise Refused(404, f"there is no API `{api_id}`")
            expected.check(present)
            left = {other: api for other, api in self.table.apis.items() if other != api_id}
            self._swap(Table(left, self.table.version + 1))

    def _check_free(self, api_id: str, api: Json) -> None:
        for other in self.table.apis.values():
            same_host = not api["hosts"] and not other.get("hosts") or set(api["hosts"]) & set(other.get("hosts", []))
            if other["id"] != api_id and same_host and other.get("basePath") == api["basePath"]:
                raise Refused(409, f"`{api['basePath']}` belongs to the API `{other['id']}` ({other['name']})")

    def _swap(self, table: Table) -> None:
        # First on disk, then in force: what was acknowledged survives, whenever the process ends.
        if self._file is not None:
            descriptor, part = tempfile.mkstemp(dir=self._file.parent, prefix=self._file.name)
            with os.fdopen(descriptor, "w") as writer:
                apis = {api_id: api.get("kept", api) for api_id, api in table.apis.items()}
                json.dump({"version": table.version, "apis": apis}, writer)
                writer.flush()
                os.fsync(writer.fileno())
            os.replace(part, self._file)
        self.table = table


@dataclass(frozen=True)
class Expected:
    """What a caller says must be there for a change to be made."""

    if_match: str | None
    if_none_match: str | None

    def check(self, present: Json | None) -> None:
        if self.if_none_match == "*" and present is not None:
            raise Refused(412, f"the API `{present['id']}` exists")
        if self.if_match is not None and (present is None or self.if_match != f'"{present["version"]}"'):
            raise Refused(412, "the API is not at this version any more")
