"""Which deployments need work: one attempt at a time for each, several side by side, the newest desired state only."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import reconcile
from backoff import Backoff
from control_plane import ControlPlane, Delivery, deliver
from environments import Environments, Lease
from gateway_client import GatewayError
from log import log

Json = dict[str, Any]

WORKERS = 4
RETRY = Backoff(first_seconds=0.5, longest_seconds=30)


@dataclass
class Slot:
    """One deployment."""

    work: Json
    # Whether there is something to do, and since when it may be done.
    is_pending: bool = True
    due: float = 0.0
    # Whether a worker is at it.
    is_active: bool = False
    failures: int = 0
    # What was told last of this work: the same failure is told once.
    told: Json | None = None
    # The generation and the fencing number under which nothing is left to do, and whether it was refused for good.
    settled: tuple[int, int] | None = None
    is_refused: bool = False

    def needs(self, fencing: int) -> bool:
        return self.settled is None or self.settled[1] != fencing or self.settled[0] < self.work["generation"]


def about(work: Json, lease: Lease, error: GatewayError) -> str:
    """What went wrong, and with which API: the gateway speaks of identities that nobody chose."""
    name = reconcile.mark_of(work)["apiName"]
    return error.message if f"`{name}`" in error.message else f"`{name}` in `{lease.environment_name}`: {error.message}"


@dataclass
class Deployments:
    """All deployments that this agent has heard of."""

    control_plane: ControlPlane
    environments: Environments
    # No further effects.
    stopping: threading.Event = field(default_factory=threading.Event)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _slots: dict[str, Slot] = field(default_factory=dict)
    _workers: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        for _ in range(WORKERS):
            worker = threading.Thread(target=self._work_off, daemon=True)
            worker.start()
            self._workers.append(worker)

    def stop(self, grace_seconds: float) -> None:
        """Stops before the next effect of everything, and waits for what is in the middle of one."""
        self.stopping.set()
        with self._changed:
            self._changed.notify_all()
        ends = time.monotonic() + grace_seconds
        for worker in self._workers:
            worker.join(max(0.0, ends - time.monotonic()))

    def offer(self, work: Json) -> None:
        """Takes in desired state, unless something newer is known."""
        with self._changed:
            slot = self._slots.get(work["id"])
            if slot is None:
                slot = self._slots[work["id"]] = Slot(work)
            elif slot.work["generation"] > work["generation"]:
                return
            elif slot.work["generation"] < work["generation"]:
                slot.failures, slot.told = 0, None
            # The same generation may come again with more known of it.
            slot.work, slot.is_pending, slot.due = work, True, 0.0
            self._changed.notify()

    def retain(self, ids: set[str]) -> None:
        """Forgets all others, which are gone. What is being worked on goes on."""
        with self._changed:
            self._slots = {key: slot for key, slot in self._slots.items() if key in ids or slot.is_active}

    def look_again(self, environment_id: str) -> None:
        """Lets everything in an environment be looked at when it is offered next."""
        with self._changed:
            for slot in self._slots.values():
                if slot.work["environmentId"] == environment_id:
                    slot.settled = None

    def forget_refusals(self) -> None:
        """Lets what was refused for good be tried again when it is offered next: somebody may have put it right."""
        with self._changed:
            for slot in self._slots.values():
                if slot.is_refused:
                    slot.settled, slot.is_refused = None, False

    def held(self, environment_id: str, ids: list[str] | None) -> list[Json]:
        """What should be in an environment: all of it, or these."""
        with self._changed:
            return [slot.work for slot in self._slots.values() if slot.work["environmentId"] == environment_id
                    and (ids is None or slot.work["id"] in ids)]

    def is_busy(self, deployment_id: str) -> bool:
        """Whether a worker is at it, or it waits to be tried again."""
        with self._changed:
            slot = self._slots.get(deployment_id)
            return slot is not None and (slot.is_active or slot.is_pending)

    # ---- the workers -------------------------------------------------------------------------------

    def _work_off(self) -> None:
        while (slot := self._next()) is not None:
            work, pause = slot.work, None
            try:
                pause = self._carry_out(slot, work)
            except Exception as error:  # A mistake of ours with one deployment must not end the others.
                log("error", f"Deployment `{work['id']}` could not be worked on", error=repr(error))
                slot.failures += 1
                pause = RETRY.pause(slot.failures)
            self._release(slot, work, pause)

    def _next(self) -> Slot | None:
        """Waits for a deployment that is due; none when the agent stops."""
        with self._changed:
            while not self.stopping.is_set():
                waiting = [slot for slot in self._slots.values() if slot.is_pending and not slot.is_active]
                slot = min(waiting, key=lambda slot: slot.due, default=None)
                pause = None if slot is None else slot.due - time.monotonic()
                if slot is not None and (pause is None or pause <= 0):
                    slot.is_active = True
                    return slot
                self._changed.wait(pause)
        return None

    def _release(self, slot: Slot, work: Json, pause: float | None) -> None:
        with self._changed:
            slot.is_active = False
            if slot.work is work:
                slot.is_pending = pause is not None
                slot.due = time.monotonic() + (pause or 0.0)
            self._changed.notify()

    def _carry_out(self, slot: Slot, work: Json) -> float | None:
        """One attempt and its report; gives the pause until the next one, if there is to be one."""
        lease = self.environments.lease(work["environmentId"])
        # Whoever gets the lease (back) takes everything anew.
        if lease is None or not slot.needs(lease.fencing):
            return None
        pause = None
        try:
            outcome = reconcile.attempt(work, lease, lambda: self._is_wanted(slot, work, lease))
        except reconcile.Stopped:
            return None
        except GatewayError as error:
            outcome = reconcile.failed(error.kind, about(work, lease, error), retrying=error.is_temporary)
            pause = self._pause(slot, error)
            if error.kind == "Unauthorized":
                lease.forget_credential()
        return self._tell(slot, work, lease, outcome, pause)

    def _is_wanted(self, slot: Slot, work: Json, lease: Lease) -> bool:
        is_newest = slot.work["generation"] == work["generation"]
        return is_newest and lease.is_held and not self.stopping.is_set()

    def _pause(self, slot: Slot, error: GatewayError) -> float | None:
        slot.failures += 1
        if not error.is_temporary:
            return None
        return RETRY.pause(slot.failures) if error.after_seconds is None else error.after_seconds

    def _tell(self, slot: Slot, work: Json, lease: Lease, outcome: Json, pause: float | None) -> float | None:
        if outcome == slot.told and pause is not None:
            return pause
        delivery = deliver(f"deployment `{work['id']}`", self.stopping, self._report(work, lease, outcome))
        if delivery in (Delivery.STALE, Delivery.STOPPED):
            return None
        slot.told = outcome
        level = "warn" if outcome["result"] in ("failed", "drifted") else "info"
        log(level, f"Deployment `{work['id']}`: {outcome['result']}", environment=lease.environment_name,
            generation=work["generation"], reason=outcome.get("reason"))
        if pause is None:
            self._settle(slot, work, lease, outcome)
        return pause

    def _report(self, work: Json, lease: Lease, outcome: Json) -> Any:
        if outcome["result"] == "failed" and reconcile.only_looks(work, lease):
            # It was deployed and still may be: only the look at it failed, and unknown is not absent.
            unknown = {"state": "unknown", "reason": outcome["message"]}
            items = [{"deploymentId": work["id"], "generation": work["generation"], "differs": unknown}]
            observations = {"fencing": lease.fencing, "items": items}
            return lambda: self.control_plane.observations(lease.environment_id, observations)
        report = {"generation": work["generation"], "fencing": lease.fencing, "outcome": outcome}
        return lambda: self.control_plane.report(work["id"], report)

    def _settle(self, slot: Slot, work: Json, lease: Lease, outcome: Json) -> None:
        with self._changed:
            if outcome["result"] == "removed" and slot.work["generation"] == work["generation"]:
                self._slots.pop(work["id"], None)
                return
            slot.settled, slot.is_refused = (work["generation"], lease.fencing), outcome["result"] == "failed"
            if outcome["result"] == "deployed":
                # As the control plane knows it now, until it says so itself.
                work["externalRef"] = outcome["externalRef"]
