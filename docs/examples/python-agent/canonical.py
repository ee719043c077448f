"""The canonical form of a JSON value, and its fingerprint, as the Agent API defines them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

Json = dict[str, Any]

# Beyond it, a float no longer names one integer.
EXACT = 2.0**53


def canonical(value: Any) -> Any:
    """Whole floats become integers; all else stays. Keys are sorted when it is written."""
    match value:
        case dict():
            return {key: canonical(item) for key, item in value.items()}
        case list():
            return [canonical(item) for item in value]
        case float() if value.is_integer() and abs(value) < EXACT:
            return int(value)
    return value


def canonical_json(value: Any) -> str:
    """Keys sorted by code point, no white space between tokens, everything but quotes, `\\` and controls as it is."""
    return json.dumps(canonical(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def fingerprint(value: Any) -> str:
    """The hash of a value's canonical form."""
    return "sha256:" + hashlib.sha256(canonical_json(value).encode()).hexdigest()


def content_fingerprint(content: Json) -> str:
    """Of an API that is not managed."""
    return fingerprint(content)


def desired_fingerprint(content: Json, secrets: list[Json]) -> str:
    """Of a managed API: what it is, and which versions of secrets it holds."""
    return fingerprint({"content": content, "secrets": secrets})
