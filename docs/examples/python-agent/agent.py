#!/usr/bin/env python3
"""An agent for tiny gateways: enrolls, holds a session, waits for work, comes back after outages, stops on SIGTERM."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import discovery
import tasks
from background import Background
from connector import DESCRIPTOR
from control_plane import RECONNECT, ControlPlane, Problem, Revoked, Transport, Unreachable
from deployments import Deployments
from environments import Environments
from identity import StateFolder, Unusable, enrolled
from log import log

Json = dict[str, Any]

LONGEST_POLL_SECONDS = 20
GRACE_SECONDS = 10
TASKS_AT_ONCE = 4
DISCOVERIES_AT_ONCE = 1


class Agent:
    """An enrolled agent."""

    def __init__(self, control_plane: ControlPlane, stop: threading.Event) -> None:
        self._control_plane = control_plane
        self._stop = stop
        self._environments = Environments(control_plane)
        self._deployments = Deployments(control_plane, self._environments)
        self._tasks = Background(TASKS_AT_ONCE)
        self._discoveries = Background(DISCOVERIES_AT_ONCE)
        self._position = 0
        self._lease_seconds = 0.0
        self._failures = 0
        self.revoked: str | None = None

    def run(self) -> None:
        """Sessions, until the agent is asked to stop or is not accepted any more."""
        self._deployments.start()
        # A request for work lasts; only a thread of its own lets the process end in its middle.
        threading.Thread(target=self._sessions, daemon=True).start()
        self._stop.wait()
        log("info", "Stopping before the next change of anything")
        self._deployments.stop(GRACE_SECONDS)
        self._environments.end_all()

    def _sessions(self) -> None:
        while not self._stop.is_set():
            try:
                self._session()
            except Revoked as error:
                self.revoked = str(error)
                self._stop.set()
            except (Problem, Unreachable) as error:
                self._failures += 1
                log("warn", "Lost the control plane; the gateways go on, and it is asked again", error=str(error),
                    failures=self._failures)
            except Exception as error:  # An answer that was not foreseen: nothing is changed until one is understood.
                self._failures += 1
                log("error", "The session ended with an error", error=repr(error))
            self._stop.wait(RECONNECT.pause(self._failures) if self._failures else 0)

    def _session(self) -> None:
        """One session, until it fails."""
        asked = time.monotonic()
        session = self._control_plane.open_session(DESCRIPTOR)
        self._lease_seconds = session["leaseMs"] / 1000
        self._position = 0
        self._renew(asked)
        self._deployments.forget_refusals()
        self._environments.retain({assignment["id"] for assignment in session["environments"]})
        self._take_environments(session["environments"])
        log("info", f"Connected to the control plane at {self._control_plane.base}", protocol=session["protocol"])
        while not self._stop.is_set():
            self._poll()
            # Only now it is good for something; a session alone is not.
            self._failures = 0

    def _poll(self) -> None:
        """One request for work, and what follows from it."""
        asked = time.monotonic()
        # Well within the lease, so that it does not end while everything is in order.
        wait_seconds = int(min(self._lease_seconds / 3, LONGEST_POLL_SECONDS))
        try:
            work = self._control_plane.work(self._position, wait_seconds)
        except Problem as problem:
            if problem.kind != "position-too-old":
                raise
            self._position = 0
            return
        if time.monotonic() >= self._environments.leased_until:
            # The leases may have been another's meanwhile: they end here, and everything is taken anew.
            log("warn", "The leases ran out; everything is looked at again")
            self._environments.end_all()
            self._position, work = 0, {}
        self._renew(asked)
        if not work or not self._take(work):
            # What waits is listed in every answer, and there is no hurry to be told of it again.
            self._stop.wait(max(0.0, 0.2 - (time.monotonic() - asked)))

    def _renew(self, asked: float) -> None:
        # From when it was asked: the control plane counts from when it heard that, which is not earlier.
        self._environments.leased_until = asked + self._lease_seconds

    def _take(self, work: Json) -> bool:
        """Takes in an answer; says whether it held anything new."""
        is_everything, is_new = self._position == 0, work["generation"] != self._position
        self._position = work["generation"]
        if self._take_environments(work["environments"]):
            # The desired state there may be from before the position.
            self._position = 0
        if is_everything:
            self._deployments.retain({deployment["id"] for deployment in work["deployments"]})
        for deployment in work["deployments"]:
            self._deployments.offer(deployment)
        is_new |= self._tasks.take(self._runs(work.get("tasks", []), self._task), self._stop)
        is_new |= self._discoveries.take(self._runs(work["discoveries"], self._discovery), self._stop)
        return is_new

    def _take_environments(self, assignments: list[Json]) -> bool:
        look = [assignment["id"] for assignment in assignments if self._environments.apply(assignment)]
        for environment_id in look:
            self._deployments.look_again(environment_id)
        return bool(look)

    def _runs(self, waiting: list[Json], make: Any) -> list[tuple[str, Any]]:
        leased = ((work, self._environments.lease(work["environmentId"])) for work in waiting)
        return [(work["id"], make(work, lease).run) for work, lease in leased if lease is not None]

    def _task(self, work: Json, lease: Any) -> tasks.Run:
        return tasks.Run(work, lease, self._control_plane, self._deployments)

    def _discovery(self, work: Json, lease: Any) -> discovery.Run:
        return discovery.Run(work, lease, self._control_plane, self._stop)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Gatehouse agent for tiny gateways")
    parser.add_argument("--control-plane", default="http://127.0.0.1:9090", metavar="URL")
    parser.add_argument("--state-dir", type=Path, required=True, metavar="FOLDER", help="where the agent keeps its key")
    parser.add_argument("--join-token", default=os.environ.get("GATEHOUSE_JOIN_TOKEN"), metavar="TOKEN",
                        help="needed once; other users of this machine see it, prefer the variable GATEHOUSE_JOIN_TOKEN")
    return parser.parse_args()


def main() -> None:
    options, stop = arguments(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        transport, folder = Transport(options.control_plane), StateFolder(options.state_dir)
        identity = enrolled(transport, folder, DESCRIPTOR["gatewayType"], options.join_token, stop)
    except (Unusable, Revoked) as error:
        log("error", "The agent cannot begin", error=str(error))
        sys.exit(1)
    agent = Agent(ControlPlane(transport, str(identity.agent_id), identity.key), stop)
    agent.run()
    if agent.revoked is not None:
        log("error", "The control plane does not accept this agent any more", error=agent.revoked)
        sys.exit(1)


if __name__ == "__main__":
    main()
