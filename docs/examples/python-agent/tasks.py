"""Tasks: what the agent is asked to look at or to work out. They change nothing, and are answered once."""

from __future__ import annotations

from typing import Any

import connector
import reconcile
import translate
from backoff import retried
from control_plane import ControlPlane, Delivery, deliver
from deployments import Deployments
from environments import Lease
from gateway_client import GatewayError

Json = dict[str, Any]

# The Agent API takes at most so many observations at once.
OBSERVATIONS = 100


class Run:
    """One task under one lease."""

    def __init__(self, work: Json, lease: Lease, control_plane: ControlPlane, deployments: Deployments) -> None:
        self._work = work
        self._lease = lease
        self._control_plane = control_plane
        self._deployments = deployments
        self._stopping = deployments.stopping

    def run(self) -> Delivery:
        """Works it out and answers."""
        try:
            result = retried(lambda: self._result(self._work["task"]), self._stopping)
        except GatewayError as error:
            if error.kind == "Unauthorized":
                self._lease.forget_credential()
            result = {"kind": "failed", "reason": error.kind, "message": error.message}
        if result is None or not self._lease.is_held:
            return Delivery.STOPPED
        report = {"fencing": self._lease.fencing, "result": result}
        return self._deliver(lambda: self._control_plane.answer_task(self._work["id"], report))

    def _result(self, task: Json) -> Json | None:
        match task["kind"]:
            case "plan":
                return plan(self._lease, task)
            case "observe":
                return self._observe(task.get("deployments"))
            case "inspect":
                return {"kind": "inspected", "observation": connector.inspect(self._lease, task["externalRef"])}
            case "check":
                return connector.check(self._lease)
        raise GatewayError("Unsupported", f"this agent does not know tasks of kind `{task['kind']}`; upgrade it")

    def _observe(self, ids: list[str] | None) -> Json | None:
        held = self._deployments.held(self._lease.environment_id, ids)
        for begin in range(0, len(held), OBSERVATIONS):
            items = [self._see(work) for work in held[begin:begin + OBSERVATIONS]]
            report = {"fencing": self._lease.fencing, "items": items}
            delivery = self._deliver(lambda: self._control_plane.observations(self._lease.environment_id, report))
            if delivery is not Delivery.ACKNOWLEDGED:
                return None
        return {"kind": "observed", "count": len(held)}

    def _see(self, work: Json) -> Json:
        """What is there of one deployment. Not being able to look is not knowing."""
        observation = self._look(work)
        if self._deployments.is_busy(work["id"]):
            observation = unknown("it is being deployed, or waits to be tried again")
        seen = {"deploymentId": work["id"], "generation": work["generation"]}
        return seen if is_as_desired(work, observation) else seen | {"differs": observation}

    def _look(self, work: Json) -> Json:
        try:
            return retried(lambda: connector.observe(self._lease, work.get("externalRef"), reconcile.mark_of(work)), self._stopping)
        except GatewayError as error:
            return unknown(error.message)

    def _deliver(self, send: Any) -> Delivery:
        return deliver(f"task `{self._work['id']}`", self._stopping, send)


def plan(lease: Lease, task: Json) -> Json:
    """What the gateway holds, and what of the desired state it can express. The control plane makes the plan of it."""
    desired = task["desired"]
    is_present = desired["state"] == "present"
    mark = desired["api"]["mark"] if is_present else desired["mark"]
    observation = connector.observe(lease, task.get("adopt") or task.get("externalRef"), mark)
    if is_present:
        translate.check_expressible(mark["apiName"], desired["api"]["content"])
    fidelity = translate.fidelity_report(desired["api"]["content"]) if is_present else []
    # The gateway has no quotas: its calls are not counted, and wait for nothing.
    return {"kind": "planned", "observation": observation, "fidelity": fidelity, "calls": {}, "etaMs": 0}


def is_as_desired(work: Json, observation: Json) -> bool:
    desired = work["desired"]
    if desired["state"] == "absent":
        return observation["state"] == "absent"
    return reconcile.is_as_desired(desired["api"], observation)


def unknown(reason: str) -> Json:
    return {"state": "unknown", "reason": reason}
