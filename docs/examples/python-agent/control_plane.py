"""The Agent API: every request of it that this agent makes, with a token that is always fresh.

Its requests and answers are those of `schemas/generated/openapi/agent.json`.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from datetime import datetime, timezone
from enum import Enum, auto
from typing import Any, Callable
from urllib.parse import quote, urlsplit

from backoff import Backoff
from log import log

Json = dict[str, Any]

TIMEOUT_SECONDS = 30
# Even if the clocks disagree, a token is used this long; refused ones are replaced at once.
SHORTEST_USE_SECONDS = 30
RECONNECT = Backoff(first_seconds=0.25, longest_seconds=15)


class Unreachable(Exception):
    """There was no answer that means anything: asking again is all that helps."""


class Problem(Exception):
    """A refusal of the control plane (RFC 9457)."""

    def __init__(self, status: int, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        # The last segment of `type`, by which programs decide.
        self.kind = kind
        self.detail = detail


class Revoked(Exception):
    """The agent's key is not accepted any more."""


class Delivery(Enum):
    """What became of a report."""

    ACKNOWLEDGED = auto()
    # The control plane is further: a newer generation or lease.
    STALE = auto()
    # Its object is gone, or it is refused: sending it again does not help.
    REFUSED = auto()
    STOPPED = auto()


class Transport:
    """Requests without a token."""

    def __init__(self, base: str) -> None:
        self.base = base.rstrip("/")
        self._url = urlsplit(self.base)

    def send(self, method: str, path: str, body: Json | bytes | None = None, *, token: str = "",
             timeout: float = TIMEOUT_SECONDS) -> Json:
        headers = {"accept": "application/json, application/problem+json"}
        if token:
            headers["authorization"] = f"Bearer {token}"
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if data is not None:
            # The only body that is not one JSON value is a page of findings, one a line.
            headers["content-type"] = "application/x-ndjson" if isinstance(body, bytes) else "application/json"
        is_tls = self._url.scheme == "https"
        connection_type = http.client.HTTPSConnection if is_tls else http.client.HTTPConnection
        connection = connection_type(str(self._url.hostname), self._url.port, timeout=timeout)
        try:
            connection.request(method, f"{self._url.path}/agent/v1{path}", data, headers)
            response = connection.getresponse()
            return answer_of(response.status, response.read())
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"the control plane at {self.base} cannot be reached: {error}") from error
        finally:
            connection.close()


def answer_of(status: int, body: bytes) -> Json:
    try:
        answer = json.loads(body) if body else {}
    except ValueError as error:
        # A proxy in between, perhaps.
        raise Unreachable(f"an answer with status {status} is not JSON") from error
    if 200 <= status < 300:
        return answer
    kind = str(answer.get("type", "")).rsplit("/", 1)[-1]
    raise Problem(status, kind, str(answer.get("detail", f"status {status}")))


class ControlPlane:
    """An enrolled agent's way to its control plane."""

    def __init__(self, transport: Transport, agent_id: str, key: str) -> None:
        self.base = transport.base
        self._transport = transport
        self._agent_id = agent_id
        self._key = key
        self._lock = threading.Lock()
        self._token = ""
        self._replace_at = 0.0

    def open_session(self, descriptor: Json) -> Json:
        return self._call("POST", "/session", {"descriptor": descriptor, "protocolMin": 2, "protocolMax": 2})

    def work(self, after: int, wait_seconds: int) -> Json:
        path = f"/work?after={after}&waitSeconds={wait_seconds}"
        return self._call("GET", path, timeout=wait_seconds + TIMEOUT_SECONDS)

    def secrets(self, environment_id: str, names: list[str]) -> dict[str, str]:
        return self._call("POST", f"/environments/{environment_id}/secrets", {"names": names})["values"]

    def report(self, deployment_id: str, report: Json) -> None:
        self._call("POST", f"/deployments/{deployment_id}/status", report)

    def observations(self, environment_id: str, report: Json) -> None:
        self._call("POST", f"/environments/{environment_id}/observations", report)

    def answer_task(self, task_id: str, report: Json) -> None:
        self._call("POST", f"/tasks/{task_id}/result", report)

    def inventory(self, environment_id: str) -> dict[str, str]:
        return self._call("GET", f"/environments/{environment_id}/inventory")["versions"]

    def page(self, discovery_id: str, number: int, position: str | None, lines: bytes) -> None:
        query = "" if position is None else "?position=" + quote(position, safe="")
        self._call("POST", f"/discoveries/{discovery_id}/pages/{number}{query}", lines)

    def complete(self, discovery_id: str, completion: Json) -> None:
        self._call("POST", f"/discoveries/{discovery_id}/completion", completion)

    def _call(self, method: str, path: str, body: Json | bytes | None = None,
              timeout: float = TIMEOUT_SECONDS) -> Json:
        token = self._fresh_token()
        try:
            return self._transport.send(method, path, body, token=token, timeout=timeout)
        except Problem as problem:
            if problem.status != 401:
                raise
        # The token, not the key, may be what is not accepted; only a new token tells.
        self._forget(token)
        return self._transport.send(method, path, body, token=self._fresh_token(), timeout=timeout)

    def _fresh_token(self) -> str:
        with self._lock:
            if self._token and time.monotonic() < self._replace_at:
                return self._token
            try:
                answer = self._transport.send("POST", "/token", {"agentId": self._agent_id, "key": self._key})
            except Problem as problem:
                if problem.status in (401, 403, 404):
                    raise Revoked(problem.detail) from problem
                raise
            self._token = answer["token"]
            self._replace_at = time.monotonic() + use_for(answer["expiresAt"])
            return self._token

    def _forget(self, token: str) -> None:
        with self._lock:
            if self._token == token:
                self._token = ""


def use_for(expires_at: str) -> float:
    """How long to use a token, in seconds: until four fifths of its time have passed."""
    left = datetime.fromisoformat(expires_at.replace("Z", "+00:00")) - datetime.now(timezone.utc)
    return max(left.total_seconds() * 0.8, SHORTEST_USE_SECONDS)


def deliver(what: str, stop: threading.Event, send: Callable[[], None]) -> Delivery:
    """Sends a report until there is an answer. It may arrive twice, since the answer to the first may be lost.

    When the agent stops, it is sent once all the same: something was done, and that is worth telling.
    """
    failures = 0
    while True:
        try:
            send()
            return Delivery.ACKNOWLEDGED
        except Problem as problem:
            delivery = verdict(what, problem)
            if delivery is not None:
                return delivery
        except (Unreachable, Revoked) as error:
            # Who is revoked learns it from the session, which ends everything.
            log("debug", f"The report of {what} did not arrive; it is sent again", error=str(error))
        failures += 1
        if stop.wait(RECONNECT.pause(failures)):
            return Delivery.STOPPED


def verdict(what: str, problem: Problem) -> Delivery | None:
    """What a refusal means for a report; none if it is to be sent again."""
    if problem.status >= 500 or problem.status in (401, 429):
        return None
    if problem.kind == "stale":
        return Delivery.STALE
    if problem.kind != "not-found":
        log("warn", f"The control plane refuses the report of {what}", error=problem.detail)
    return Delivery.REFUSED
