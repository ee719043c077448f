#!/usr/bin/env python3
"""Runs schemathesis against a running control plane, from its own OpenAPI documents.

    run.py PATH-OF-GATEHOUSE [--max-examples N] [--only admin|agent] [--database URL]

It starts `gatehouse serve` with an empty database, puts in one object of each kind, so that requests find something, and
then lets schemathesis write its own requests: no 5xx, no status, content type or body that the document does not
have. The seed is fixed. It needs nothing beside Python's own library; schemathesis is looked for beside this Python.
"""

import argparse
import hashlib
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
CHECKS = ",".join([
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
])
SEED = 20261121
PATIENCE_SECONDS = 60


def main():
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="gatehouse-schemathesis-") as folder:
        server = Server(options.gatehouse, options.database, pathlib.Path(folder))
        try:
            server.start()
            agent_token = seed(server)
            apis = {
                # The agent first: its token and its lease do not live long.
                "agent": ("/agent/v1/openapi.json", agent_token),
                "admin": ("/api/v1/openapi.json", server.admin_token()),
            }
            failed = [
                name
                for name, (document, token) in apis.items()
                if options.only in (None, name) and not run(server, name, document, token, options.max_examples)
            ]
            server.still_answers()
            tell_reach(server)
        except Exception:
            sys.stderr.write(server.log()[-4000:])
            raise
        finally:
            server.stop()
    if failed:
        sys.exit(f"schemathesis found something in: {', '.join(failed)}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("gatehouse", type=pathlib.Path)
    parser.add_argument("--max-examples", type=int, default=50)
    parser.add_argument("--only", choices=["admin", "agent"])
    parser.add_argument("--database")
    return parser.parse_args()


class Server:
    """`gatehouse serve` on free ports."""

    def __init__(self, gatehouse, database, folder):
        self.gatehouse, self.folder = gatehouse, folder
        self.database = database or f"sqlite://{folder}/gatehouse.db"
        self.address, self.admin_address = free_address(), free_address()
        self.url = f"http://{self.address}"
        self.process = None

    def start(self):
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                [self.gatehouse, "serve", "--database", self.database, "--data-dir", self.folder,
                 "--listen", self.address, "--admin-listen", self.admin_address],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                self.still_answers()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"`gatehouse serve` does not answer at {self.url}")
                time.sleep(0.05)

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def log(self):
        return (self.folder / "log").read_text(errors="replace") if (self.folder / "log").exists() else ""

    def admin_token(self):
        return (self.folder / "admin-token").read_text().strip()

    def still_answers(self):
        """The server lives, and nobody has revoked the token that all requests carry."""
        try:
            token = self.admin_token()
        except FileNotFoundError as error:
            raise OSError from error
        call(f"{self.url}/api/v1/whoami", token)


def free_address():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"


def call(url, token=None, body=None, content_type="application/json"):
    request = urllib.request.Request(url, method="GET" if body is None else "POST")
    if token:
        request.add_header("authorization", f"Bearer {token}")
    if body is not None:
        request.add_header("content-type", content_type)
        request.data = json.dumps(body).encode()
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.loads(response.read() or b"null")
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{url}: {error.code} {error.read().decode()}") from error


def resource(kind, name, spec):
    return {"apiVersion": "gatehouse.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def seed(server):
    """One object of each kind, and an agent that is at work: its token."""
    token = server.admin_token()
    keys = {"keys": [{"consumer": "shop", "secretRef": "existing"}]}
    definition = {
        "openapi": "3.0.3",
        "info": {"title": "Existing", "version": "1"},
        "paths": {"/things/{id}": {"get": {"responses": {"200": {"description": "One"}}}}},
    }
    documents = [
        resource("Project", "existing", {}),
        resource("Secret", "existing", {"value": "open-sesame"}),
        resource("Environment", "existing", {"gatewayType": "seeded"}),
        resource("Policy", "existing", {
            "targets": [{"labels": {"tier": "public"}}],
            "policies": [{"type": "auth.apiKey", "with": keys}],
        }),
        resource("Api", "existing", {
            "basePath": "/existing",
            "upstreams": {"main": {"url": "http://127.0.0.1:9"}},
            "definition": {"openapi": {"inline": definition}},
            "policies": [{"type": "auth.apiKey", "with": keys}],
        }),
    ]
    api = f"{server.url}/api/v1"
    call(f"{api}/apply", token, {"documents": documents})
    call(f"{api}/deployments", token, {"api": "existing", "environment": "existing"})
    agent = Agent(server, call(f"{api}/join-tokens", token, {"gatewayType": "seeded"})["token"])
    ended = call(f"{api}/discoveries", token, {"environment": "existing"})["id"]
    agent.carry_out(ended)
    call(f"{api}/discoveries/{ended}/imports", token, {})
    call(f"{api}/discoveries", token, {"environment": "existing"})
    return agent.token


class Agent:
    """What an agent does, as far as it makes requests succeed: enroll, hold a session, carry out a discovery."""

    def __init__(self, server, join_token):
        self.url = f"{server.url}/agent/v1"
        key = "k" * 64
        agent = call(f"{self.url}/enroll", None, {
            "joinToken": join_token,
            "gatewayType": "seeded",
            "name": "schemathesis",
            "keySha256": hashlib.sha256(key.encode()).hexdigest(),
        })
        exchange = {"agentId": agent["agentId"], "key": key}
        self.token = call(f"{self.url}/token", None, exchange)["token"]
        everything = ["deploy", "undeploy", "observe", "discover", "check"]
        call(f"{self.url}/session", self.token, {
            "protocolMin": 1,
            "protocolMax": 1,
            "descriptor": {
                "gatewayType": "seeded",
                "displayName": "Seeded",
                "version": "1.0.0",
                "capabilities": dict.fromkeys(everything, True) | {"replicated": False},
                "settingsSchema": {"type": "object"},
                "policies": [{"policy": "auth.apiKey", "fidelity": {"level": "exact"}}],
            },
        })
        work = call(f"{self.url}/work?after=0", self.token)
        self.fencing = work["environments"][0]["fencing"]

    def carry_out(self, discovery):
        finding = {"result": "unreadable", "externalRef": "thing-1", "name": "thing", "reason": "it is locked"}
        call(f"{self.url}/discoveries/{discovery}/pages/1", self.token, finding, "application/x-ndjson")
        ended = {"fencing": self.fencing, "outcome": "complete", "pages": 1}
        call(f"{self.url}/discoveries/{discovery}/completion", self.token, ended)


def run(server, name, document, token, max_examples):
    began = time.monotonic()
    found = known_identities(server, ended=name == "admin")
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": str(HERE / "hooks.py"),
        "GATEHOUSE_KNOWN": json.dumps(found),
    }
    command = [
        str(pathlib.Path(sys.executable).with_name("schemathesis")), "run", server.url + document,
        "--url", server.url,
        "--header", f"Authorization: Bearer {token}",
        "--checks", CHECKS,
        "--phases", "examples,coverage,fuzzing,stateful",
        "--max-examples", str(max_examples),
        "--seed", str(SEED),
        "--generation-database", "none",
        "--request-timeout", "30",
        "--suppress-health-check", "all",
        "--warnings", "off",
        # More than one runs into a defect of CPython 3.11: "AST constructor recursion depth mismatch".
        "--workers", "1",
        "--no-color",
    ]
    outcome = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, cwd=server.folder, check=False)
    print(f"schemathesis {name}: {time.monotonic() - began:.0f} s, exit {outcome.returncode}", flush=True)
    return outcome.returncode == 0


def tell_reach(server):
    """How many operations were answered 2xx at all; only refusals would prove little."""
    with urllib.request.urlopen(f"http://{server.admin_address}/metrics", timeout=30) as response:
        lines = response.read().decode().splitlines()
    counted = [
        dict(re.findall(r'(\w+)="([^"]*)"', line))
        for line in lines
        if line.startswith("gatehouse_http_requests_total{")
    ]
    reached = {(labels["method"], labels["route"]) for labels in counted if labels["status_class"] == "2xx"}
    declared = operations(server)
    refused = sorted(f"{method} {route}" for method, route in declared - reached)
    print(f"{len(declared) - len(refused)} of {len(declared)} operations were answered 2xx; never: {', '.join(refused) or 'none'}")
    if len(refused) > len(declared) / 2:
        raise RuntimeError("more than half of the operations only ever refused; do the hooks still work?")


def operations(server):
    documents = [call(f"{server.url}{path}") for path in ["/api/v1/openapi.json", "/agent/v1/openapi.json"]]
    return {
        (method.upper(), path)
        for document in documents
        for path, item in document["paths"].items()
        for method in item
        if method in ("get", "put", "post", "delete", "patch")
    }


def known_identities(server, ended):
    """What path parameters can stand for, by the collection they follow; a discovery that has ended, or one that has not."""
    token = server.admin_token()

    def first(path, field="id"):
        items = call(f"{server.url}/api/v1/{path}", token)["items"]
        return items[0][field] if items else None

    found = {collection: first(collection) for collection in ["deployments", "agents", "imports"]}
    discoveries = call(f"{server.url}/api/v1/discoveries", token)["items"]
    found["discoveries"] = next(one["id"] for one in discoveries if (one["state"] == "Complete") == ended)
    if ended:
        found["items"] = first(f"discoveries/{found['discoveries']}/items")
    environment = call(f"{server.url}/api/v1/environments/existing", token)
    return found | {"environments": environment["metadata"]["uid"], "revisions": 1, "pages": 2}


if __name__ == "__main__":
    main()
