"""The environments in which this agent may act right now."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

from control_plane import ControlPlane, Problem, Unreachable
from gateway_client import GatewayClient, GatewayError
from log import log

Json = dict[str, Any]


class Lease:
    """The right to act in one environment, with its settings as they are under this right."""

    def __init__(self, assignment: Json, environments: "Environments", control_plane: ControlPlane) -> None:
        self.assignment = assignment
        self.environment_id: str = assignment["id"]
        self.environment_name: str = assignment["name"]
        self.mode: str = assignment["mode"]
        self.fencing: int = assignment["fencing"]
        # Set when the right ends or the environment changes: what is under way stops before its next step.
        self.ended = threading.Event()
        self._environments = environments
        self._control_plane = control_plane
        self._lock = threading.Lock()
        self._client: GatewayClient | None = None

    @property
    def is_held(self) -> bool:
        """Whether nobody else can have the right: it was not taken away, and did not run out."""
        return not self.ended.is_set() and time.monotonic() < self._environments.leased_until

    @property
    def reverts_drift(self) -> bool:
        return self.assignment.get("driftPolicy") == "revert"

    @property
    def endpoints(self) -> list[str]:
        """Where consumers reach the gateway: as people said, or else as the settings do."""
        said = [endpoint["url"] for endpoint in self.assignment["endpoints"]]
        return said or [url for url in [self.assignment["settings"].get("proxyUrl")] if url]

    def client(self) -> GatewayClient:
        """The gateway's client. The credential is resolved at the first use and kept in memory."""
        with self._lock:
            if self._client is None:
                admin_url = self.assignment["settings"].get("adminUrl")
                if not isinstance(admin_url, str):
                    environment = f"environment `{self.environment_name}`"
                    raise GatewayError("Invalid", f"{environment} has no setting `adminUrl`; set it")
                self._client = GatewayClient(admin_url, self._credential("adminToken"))
            return self._client

    def forget_credential(self) -> None:
        """After the gateway refused it: somebody may have changed it."""
        with self._lock:
            self._client = None

    def secrets(self, names: list[str]) -> dict[str, str]:
        """Values of secrets; kept nowhere."""
        if not names:
            return {}
        try:
            return self._control_plane.secrets(self.environment_id, names)
        except Unreachable as error:
            raise GatewayError("Unavailable", f"secrets cannot be resolved: {error}") from error
        except Problem as problem:
            # Once what is missing is there, the desired state is another one and comes as new work.
            kind = "Unavailable" if problem.status >= 500 or problem.kind == "stale" else "Invalid"
            raise GatewayError(kind, f"secrets cannot be resolved: {problem.detail}") from problem

    def _credential(self, name: str) -> str:
        source = self.assignment["credentials"].get(name)
        missing = f"the credential `{name}` of environment `{self.environment_name}`"
        match source:
            case {"secretRef": secret}:
                return self.secrets([secret])[secret]
            case {"env": variable}:
                value = os.environ.get(variable)
                if not value:
                    raise GatewayError("Invalid", f"{missing} is in the variable `{variable}`, which the agent does not have")
                return value
            case {"file": path}:
                try:
                    return Path(path).read_text().strip()
                except OSError as error:
                    raise GatewayError("Invalid", f"{missing} is in `{path}`, which the agent cannot read") from error
        raise GatewayError("Invalid", f"{missing} is not set; set it to a secret, a variable or a file")


class Environments:
    """All leases."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self._control_plane = control_plane
        self._lock = threading.Lock()
        self._leases: dict[str, Lease] = {}
        # Until when, by the clock that only goes forward, nobody else can have this agent's leases.
        self.leased_until = 0.0

    def lease(self, environment_id: str) -> Lease | None:
        with self._lock:
            lease = self._leases.get(environment_id)
        return lease if lease is not None and lease.is_held else None

    def apply(self, assignment: Json) -> bool:
        """Takes in what is said of an environment; says whether everything there needs a look."""
        with self._lock:
            held = self._leases.get(assignment["id"])
            if assignment.get("fencing") is None or assignment.get("deleted"):
                self._end(assignment["id"])
                return False
            # A new generation may mean a new value of a credential that the control plane keeps.
            if held is not None and held.assignment == assignment:
                return False
            self._end(assignment["id"])
            self._leases[assignment["id"]] = Lease(assignment, self, self._control_plane)
        log("info", f"Serving environment `{assignment['name']}`", environment=assignment["name"])
        return True

    def retain(self, ids: set[str]) -> None:
        """Ends the leases of all others."""
        with self._lock:
            for environment_id in set(self._leases) - ids:
                self._end(environment_id)

    def end_all(self) -> None:
        with self._lock:
            for environment_id in list(self._leases):
                self._end(environment_id)

    def _end(self, environment_id: str) -> None:
        lease = self._leases.pop(environment_id, None)
        if lease is not None:
            lease.ended.set()
