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
                "admin": ("/api/v1/openapi.json", server.admin_token()),
                "agent": ("/agent/v1/openapi.json", agent_token),
            }
            failed = [
                name
                for name, (document, token) in apis.items()
                if options.only in (None, name) and not run(server, name, document, token, options.max_examples)
            ]
            server.still_answers()
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
    parser.add_argument("--max-examples", type=int, default=25)
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


def call(url, token=None, body=None):
    request = urllib.request.Request(url, method="GET" if body is None else "POST")
    if token:
        request.add_header("authorization", f"Bearer {token}")
    if body is not None:
        request.add_header("content-type", "application/json")
        request.data = json.dumps(body).encode()
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.loads(response.read() or b"null")
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{url}: {error.code} {error.read().decode()}") from error


def seed(server):
    """One object of each kind, an enrolled agent, a deployment, a discovery; the agent's token."""
    token = server.admin_token()

    def resource(kind, name, spec):
        return {"apiVersion": "gatehouse.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}

    keys = {"keys": [{"consumer": "shop", "secretRef": "existing"}]}
    documents = [
        resource("Project", "existing", {}),
        resource("Secret", "existing", {"value": "open-sesame"}),
        resource("Environment", "existing", {"gatewayType": "seeded"}),
        resource("Policy", "existing", {
            "targets": [{"project": "existing"}],
            "policies": [{"type": "auth.apiKey", "with": keys}],
        }),
        resource("Api", "existing", {
            "basePath": "/existing",
            "upstreams": {"main": {"url": "http://127.0.0.1:9"}},
        }),
    ]
    api = f"{server.url}/api/v1"
    call(f"{api}/apply", token, {"documents": documents})
    call(f"{api}/deployments", token, {"api": "existing", "environment": "existing"})
    call(f"{api}/discoveries", token, {"environment": "existing"})
    join = call(f"{api}/join-tokens", token, {"gatewayType": "seeded"})["token"]
    key = "k" * 64
    agent = call(f"{server.url}/agent/v1/enroll", None, {
        "joinToken": join,
        "gatewayType": "seeded",
        "name": "schemathesis",
        "keySha256": hashlib.sha256(key.encode()).hexdigest(),
    })
    exchanged = call(f"{server.url}/agent/v1/token", None, {"agentId": agent["agentId"], "key": key})
    return exchanged["token"]


def run(server, name, document, token, max_examples):
    began = time.monotonic()
    found = known_identities(server)
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": str(HERE / "hooks.py"),
        "GATEHOUSE_KNOWN": json.dumps(found),
        "GATEHOUSE_AGENT": "1" if name == "agent" else "",
    }
    command = [
        str(pathlib.Path(sys.executable).with_name("schemathesis")), "run", server.url + document,
        "--url", server.url,
        "--header", f"Authorization: Bearer {token}",
        "--checks", CHECKS,
        "--phases", "examples,coverage,fuzzing",
        "--max-examples", str(max_examples),
        "--seed", str(SEED),
        "--generation-database", "none",
        "--request-timeout", "30",
        "--suppress-health-check", "all",
        "--warnings", "off",
        "--workers", "2",
        "--no-color",
    ]
    outcome = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, cwd=server.folder, check=False)
    print(f"schemathesis {name}: {time.monotonic() - began:.0f} s, exit {outcome.returncode}", flush=True)
    return outcome.returncode == 0


def known_identities(server):
    token = server.admin_token()

    def first(collection):
        items = call(f"{server.url}/api/v1/{collection}", token)["items"]
        return items[0]["id"] if items else None

    return {collection: first(collection) for collection in ["deployments", "discoveries", "agents"]}


if __name__ == "__main__":
    main()
