"""Who the agent is: its id and its key, in a state folder that nobody else can read, for one process at a time."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import socket
import threading
from dataclasses import dataclass
from pathlib import Path

from control_plane import Problem, Revoked, Transport, Unreachable, RECONNECT
from log import log


class Unusable(Exception):
    """The agent cannot begin; the message says what to do."""


@dataclass(frozen=True)
class Identity:
    """What the agent knows of itself. Without an id, the control plane has not answered yet."""

    key: str
    agent_id: str | None = None

    @property
    def key_sha256(self) -> str:
        """The hash of the key's text, which is all that the control plane keeps of it."""
        return hashlib.sha256(self.key.encode()).hexdigest()


class StateFolder:
    """The folder. As long as this lives, no other agent uses it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._file = folder / "identity.json"
        self._lock = os.open(folder / "agent.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unusable(f"another agent uses {folder}; give each its own `--state-dir`") from None

    def read(self) -> Identity | None:
        if not self._file.exists():
            return None
        kept = json.loads(self._file.read_text())
        return Identity(kept["key"], kept.get("agentId"))

    def keep(self, identity: Identity) -> None:
        """Either the old file or the new one is there, whenever the process ends."""
        part = self._folder / "identity.json.part"
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as writer:
            json.dump({"agentId": identity.agent_id, "key": identity.key}, writer)
            writer.flush()
            os.fsync(writer.fileno())
        os.replace(part, self._file)


def enrolled(transport: Transport, folder: StateFolder, gateway_type: str, join_token: str | None,
             stop: threading.Event) -> Identity:
    """The identity from the folder, or a new one through the join token."""
    identity = folder.read()
    if identity is not None and identity.agent_id is not None:
        return identity
    if not join_token:
        raise Unusable(f"the agent is not enrolled; get a token with `gatehouse agent join-token --type {gateway_type}`")
    if identity is None:
        identity = Identity(secrets.token_hex(32))
        # On disk before the control plane hears of it: a crash in between does not lose the key on which the token was
        # spent. The same request again gives the same agent.
        folder.keep(identity)
    agent_id = enroll(transport, identity, gateway_type, join_token, stop)
    identity = Identity(identity.key, agent_id)
    folder.keep(identity)
    return identity


def enroll(transport: Transport, identity: Identity, gateway_type: str, join_token: str, stop: threading.Event) -> str:
    request = {"joinToken": join_token, "gatewayType": gateway_type, "name": socket.gethostname()[:200],
               "keySha256": identity.key_sha256}
    failures = 0
    while True:
        try:
            return transport.send("POST", "/enroll", request)["agentId"]
        except Problem as problem:
            if problem.status < 500:
                raise Revoked(problem.detail) from problem
        except Unreachable as error:
            log("warn", "The control plane cannot be reached to enroll; asking again", error=str(error))
        failures += 1
        if stop.wait(RECONNECT.pause(failures)):
            raise SystemExit(0)

