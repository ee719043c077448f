"""What the tests run against: a control plane, a gateway, its agent, an upstream, each started and ended here."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable, TypeVar
from urllib.parse import urlsplit

Json = dict[str, Any]
T = TypeVar("T")

HERE = Path(__file__).resolve().parent
ADMIN_TOKEN = "the-gateways-admin-token"


def gatehouse_binary() -> str:
    return os.environ.get("GATEHOUSE_BIN") or str(HERE.parents[2] / "target/debug/gatehouse")


def until(what: str, look: Callable[[], T | None], seconds: float = 20) -> T:
    """Waits until something is so; gives what was seen."""
    ends = time.monotonic() + seconds
    last: Any = None
    while time.monotonic() < ends:
        try:
            last = look()
            if last:
                return last
        except (OSError, http.client.HTTPException, KeyError, IndexError) as error:
            last = repr(error)
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s for: {what}; last seen: {last}")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def request(method: str, url: str, body: Any = None, headers: dict[str, str] = {}) -> tuple[int, Any, dict[str, str]]:
    """Status, body (JSON if it is), headers by lower-case name."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
    try:
        data = None if body is None else json.dumps(body).encode()
        sent = {"content-type": "application/json"} | headers
        connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), data, sent)
        response = connection.getresponse()
        text = response.read().decode()
        try:
            answer: Any = json.loads(text) if text else None
        except ValueError:
            answer = text
        return response.status, answer, {name.lower(): value for name, value in response.getheaders()}
    finally:
        connection.close()


class Process:
    """A process that can be killed and started again; its output is in a file."""

    def __init__(self, command: list[str], log: Path, environment: dict[str, str] = {}) -> None:
        self._command = command
        self._environment = {**os.environ, **environment}
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=self._environment, cwd=self.log.parent)

    def kill(self) -> None:
        """Without warning, and waits until it is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def exit_code(self) -> int | None:
        """None as long as it runs."""
        return None if self.process is None else self.process.poll()

    def terminate(self) -> int:
        """Asks it to end; gives its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=20)
        self.process = None
        return code


class Upstream(BaseHTTPRequestHandler):
    """Says what it was asked."""

    def do_GET(self) -> None:
        body = json.dumps({"path": self.path, "headers": {name.lower(): value for name, value in self.headers.items()}})
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nobody reads it."""


class Tap(BaseHTTPRequestHandler):
    """Stands between agent and Admin API: tells tests of changes, and cuts the line where they say so."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    gateway = ""
    # Called before and after each change is passed on; the answer is lost if one says so.
    before: Callable[[str, str], bool] = staticmethod(lambda method, path: True)
    after: Callable[[str, str], bool] = staticmethod(lambda method, path: True)
    # Called before each page of the listing is passed on.
    listing: Callable[[str], bool] = staticmethod(lambda path: True)

    def handle_request(self) -> None:
        length = int(self.headers.get("content-length", "0"))
        body = json.loads(self.rfile.read(length)) if length else None
        is_change = self.command != "GET"
        if is_change and not type(self).before(self.command, self.path):
            return self._cut()
        if self.path.startswith("/apis?") and "label=" not in self.path and not type(self).listing(self.path):
            return self._cut()
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() in
                       ("authorization", "if-match", "if-none-match")}
            status, answer, sent = request(self.command, self.gateway + self.path, body, headers)
        except (OSError, http.client.HTTPException):
            return self._cut()
        if is_change and not type(self).after(self.command, self.path):
            return self._cut()
        data = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_DELETE = handle_request

    def _cut(self) -> None:
        self.close_connection = True

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nobody reads it."""


class Stack:
    """Everything, on loopback, below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state_file = folder / "gateway.json"
        listen, gateway_admin, proxy = (f"127.0.0.1:{free_port()}" for _ in range(3))
        self.url = f"http://{listen}"
        self.proxy = f"http://{proxy}"
        self.gateway_admin = f"http://{gateway_admin}"
        self.control_plane = Process(
            [gatehouse_binary(), "serve", "--data-dir", str(folder / "server"), "--listen", listen,
             "--admin-listen", f"127.0.0.1:{free_port()}"],
            folder / "control-plane.log", {"HOME": str(folder), "NO_COLOR": "1"})
        self.gateway = Process(
            [sys.executable, str(HERE / "tiny_gateway.py"), "--admin-listen", gateway_admin, "--listen", proxy,
             "--state-file", str(self.state_file)],
            folder / "gateway.log", {"TINY_GATEWAY_ADMIN_TOKEN": ADMIN_TOKEN})
        self.tap: Any = type("TapOfStack", (Tap,), {"gateway": self.gateway_admin})
        self._listeners = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for handler in (Upstream, self.tap)]
        self.upstream, self.tapped = (f"http://127.0.0.1:{listener.server_address[1]}" for listener in self._listeners)
        self._token = ""
        self.agent: Process

    def start(self) -> None:
        for listener in self._listeners:
            listener.daemon_threads = True
            threading.Thread(target=listener.serve_forever, daemon=True).start()
        self.start_control_plane()
        self.start_gateway()
        self._token = (self.folder / "server/admin-token").read_text().strip()
        self.agent = self.another_agent("agent")
        self.agent.start()

    def another_agent(self, name: str) -> Process:
        """An agent with a folder and a join token of its own."""
        join_token = self.ok("POST", "/join-tokens", {"gatewayType": "tiny"})["token"]
        state = str(self.folder / name)
        return Process(
            [sys.executable, str(HERE / "agent.py"), "--control-plane", self.url, "--state-dir", state],
            self.folder / f"{name}.log", {"GATEHOUSE_JOIN_TOKEN": join_token})

    def start_control_plane(self) -> None:
        self.control_plane.start()
        until("the control plane answers", lambda: request("GET", self.url + "/api/v1/openapi.json")[0] == 200)

    def start_gateway(self) -> None:
        self.gateway.start()
        until("the gateway answers", lambda: self.on_gateway("GET", "/status")[0] == 200)

    def stop(self) -> None:
        """Ends everything that was started here."""
        for process in (getattr(self, "agent", None), self.gateway, self.control_plane):
            if process is not None:
                process.kill()
        for listener in self._listeners:
            listener.shutdown()
            listener.server_close()

    # ---- the control plane -------------------------------------------------------------------------

    def admin(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        status, answer, _ = request(method, f"{self.url}/api/v1{path}", body, {"authorization": f"Bearer {self._token}"})
        return status, answer

    def ok(self, method: str, path: str, body: Any = None) -> Any:
        status, answer = self.admin(method, path, body)
        assert 200 <= status < 300, f"{method} {path}: {status} {json.dumps(answer, indent=1)}"
        return answer

    def apply(self, *documents: Json) -> None:
        self.ok("POST", "/apply", {"documents": list(documents)})

    def deployment(self, deployment_id: str) -> Json:
        return self.ok("GET", f"/deployments/{deployment_id}")

    def settled(self, deployment: Json, phase: str, reason: str = "") -> Json:
        """Waits until the generation of a deployment has been reported on, with this phase and reason."""
        def look() -> Json | None:
            now = self.deployment(deployment["id"])
            is_told = now["observedGeneration"] >= deployment["generation"] and now["phase"] == phase
            return now if is_told and (not reason or reason in json.dumps(now["conditions"])) else None
        try:
            return until(f"{deployment['api']} is {phase} {reason}", look)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {json.dumps(self.deployment(deployment['id']), indent=1)}") from error

    def deploy(self, api: str, environment: str = "tiny", **more: Any) -> Json:
        return self.ok("POST", "/deployments", {"api": api, "environment": environment} | more)

    def deploy_and_wait(self, api: str, environment: str = "tiny", **more: Any) -> Json:
        return self.settled(self.deploy(api, environment, **more), "Deployed")

    def undeploy_and_wait(self, deployment: Json) -> None:
        self.ok("DELETE", f"/deployments/{deployment['id']}")
        until(f"{deployment['api']} is gone", lambda: self.admin("GET", f"/deployments/{deployment['id']}")[0] == 404)

    def drift(self, deployment: Json, environment: str = "tiny") -> Json:
        """Has the agent look, and gives what is known afterwards of one deployment."""
        task = self.ok("POST", f"/environments/{environment}/observations")
        done = until("the look is done", lambda: self._ended(task))
        assert done["state"] == "Answered", done
        reports = self.ok("GET", f"/drift?environment={environment}")["items"]
        return next(report for report in reports if report["deploymentId"] == deployment["id"])

    def until_drift(self, deployment: Json, state: str) -> None:
        """Waits until a look finds it like this: after a start, deployments are at first busy, which is unknown."""
        until(f"{deployment['api']} is {state}", lambda: self.drift(deployment)["state"] == state)

    def _ended(self, task: Json) -> Json | None:
        now = self.ok("GET", f"/tasks/{task['id']}")
        return now if now["state"] != "Pending" else None

    def check(self, environment: str) -> Json:
        task = self.ok("POST", f"/environments/{environment}/checks")
        return until("the check is done", lambda: self._ended(task))["result"]

    def discover(self, environment: str = "tiny") -> Json:
        return self.discovered(self.ok("POST", "/discoveries", {"environment": environment}))

    def discovered(self, discovery: Json) -> Json:
        def look() -> Json | None:
            now = self.ok("GET", f"/discoveries/{discovery['id']}")
            return now if now["state"] in ("Complete", "Partial", "Failed") else None
        return until("the discovery ends", look, seconds=30)

    def findings(self, discovery: Json) -> list[Json]:
        items, cursor = [], ""
        while True:
            page = self.ok("GET", f"/discoveries/{discovery['id']}/items?limit=200{cursor}")
            items += page["items"]
            if not page.get("nextCursor"):
                return items
            cursor = f"&cursor={page['nextCursor']}"

    # ---- the gateway -------------------------------------------------------------------------------

    def on_gateway(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        status, answer, _ = request(method, self.gateway_admin + path, body, {"authorization": f"Bearer {ADMIN_TOKEN}"})
        return status, answer

    def held(self, deployment: Json) -> Json:
        """What the gateway holds of a deployment."""
        status, api = self.on_gateway("GET", f"/apis/{deployment['externalRef']}")
        assert status == 200, api
        return api

    def edit(self, deployment: Json, **fields: Any) -> Json:
        """Changes an API on the gateway, as somebody does who knows nothing of Gatehouse."""
        status, api = self.on_gateway("PUT", f"/apis/{deployment['externalRef']}", self.held(deployment) | fields)
        assert status == 200, api
        return api

    def call(self, path: str, key: str | None = None) -> tuple[int, Any, dict[str, str]]:
        return request("GET", self.proxy + path, None, {} if key is None else {"x-api-key": key})
