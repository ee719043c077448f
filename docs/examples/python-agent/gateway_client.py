"""The tiny gateway's Admin API, and what its refusals mean. No other module knows its HTTP."""

from __future__ import annotations

import http.client
import json
import threading
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

Json = dict[str, Any]

TIMEOUT_SECONDS = 10


class GatewayError(Exception):
    """What went wrong: a kind, whether trying again helps, and a sentence that says what to do.

    The kinds are those of `DeploymentOutcome.reason` in the Agent API.
    """

    def __init__(self, kind: str, message: str, *, retry: bool | None = None,
                 after_seconds: float | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.is_temporary = kind in ("RateLimited", "Unavailable") if retry is None else retry
        self.after_seconds = after_seconds
        self.status = status


class GatewayClient:
    """Speaks to one gateway. Each thread has a connection of its own."""

    def __init__(self, admin_url: str, token: str) -> None:
        self._url = urlsplit(admin_url)
        self._admin_url = admin_url
        self._token = token
        self._of_thread = threading.local()

    def status(self) -> Json:
        return self._call("GET", "/status")

    def page(self, *, after: str = "", limit: int = 100, label: str = "") -> Json:
        """A page of summaries: `items`, and `next`, which is the `after` of the page that follows."""
        query = {name: value for name, value in (("after", after), ("limit", limit), ("label", label)) if value}
        return self._call("GET", f"/apis?{urlencode(query)}")

    def read(self, api_id: str) -> Json | None:
        """An API; none only if the gateway says that it is not there."""
        try:
            return self._call("GET", path_of(api_id))
        except GatewayError as error:
            if error.kind == "NotFound":
                return None
            raise

    def put(self, api_id: str, body: Json, version: int | None) -> Json:
        """Makes an API that is not there, or replaces the version that was seen; never anything else."""
        condition = {"if-none-match": "*"} if version is None else {"if-match": f'"{version}"'}
        return self._call("PUT", path_of(api_id), body, condition)

    def delete(self, api_id: str, version: int) -> None:
        """Removes the version that was seen. One that is gone is gone."""
        try:
            self._call("DELETE", path_of(api_id), None, {"if-match": f'"{version}"'})
        except GatewayError as error:
            if error.kind != "NotFound":
                raise

    def _call(self, method: str, path: str, body: Json | None = None, headers: dict[str, str] = {}) -> Json:
        is_kept, connection = self._connection()
        try:
            try:
                return self._exchange(connection, method, path, body, headers)
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                # A kept connection may have been closed meanwhile. Every call can be made twice.
                if not is_kept:
                    raise
                return self._exchange(connection, method, path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise GatewayError(
                "Unavailable", f"the gateway's Admin API at {self._admin_url} cannot be reached; see that it runs"
            ) from error

    def _connection(self) -> tuple[bool, http.client.HTTPConnection]:
        kept = getattr(self._of_thread, "connection", None)
        if kept is not None:
            return True, kept
        is_tls = self._url.scheme == "https"
        connection_type = http.client.HTTPSConnection if is_tls else http.client.HTTPConnection
        self._of_thread.connection = connection_type(str(self._url.hostname), self._url.port, timeout=TIMEOUT_SECONDS)
        return False, self._of_thread.connection

    def _exchange(self, connection: http.client.HTTPConnection, method: str, path: str, body: Json | None,
                  headers: dict[str, str]) -> Json:
        sent = {"authorization": f"Bearer {self._token}", "content-type": "application/json"} | headers
        data = None if body is None else json.dumps(body).encode()
        try:
            connection.request(method, self._url.path.rstrip("/") + path, data, sent)
            response = connection.getresponse()
            answer = response.read()
        except BaseException:
            connection.close()
            raise
        return understood(response, answer, f"{method} {path}")


def path_of(api_id: str) -> str:
    return "/apis/" + quote(api_id, safe="")


def understood(response: http.client.HTTPResponse, body: bytes, what: str) -> Json:
    """The answer as JSON, or the error that it is."""
    try:
        answer = json.loads(body) if body else {}
    except ValueError as error:
        raise GatewayError("Unexpected", f"the gateway's answer to `{what}` is not JSON") from error
    if not isinstance(answer, dict):
        raise GatewayError("Unexpected", f"the gateway's answer to `{what}` is not an object")
    if response.status < 300:
        return answer
    message = f"the gateway refused `{what}` with {response.status}: {answer.get('error', 'no reason given')}"
    raise refusal(response, message)


def refusal(response: http.client.HTTPResponse, message: str) -> GatewayError:
    """The one place where the gateway's statuses become our kinds."""
    status = response.status
    wait = response.getheader("retry-after", "")
    after_seconds = float(wait) if wait.isdigit() else None
    match status:
        case 401:
            return GatewayError("Unauthorized", message + "; set the credential `adminToken` of the environment")
        case 403:
            return GatewayError("Forbidden", message)
        case 404:
            return GatewayError("NotFound", message)
        case 409:
            return GatewayError("Conflict", message + "; remove or move it there, or choose another place", status=status)
        case 412:
            # Somebody was faster. Looking again tells what there is now.
            return GatewayError("Conflict", message + "; it is looked at again", retry=True, status=status)
        case 429:
            return GatewayError("RateLimited", message, after_seconds=after_seconds)
        case _ if status >= 500:
            return GatewayError("Unavailable", message, after_seconds=after_seconds, status=status)
    return GatewayError("Invalid", message)
