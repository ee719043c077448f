"""One attempt to bring one deployment in line: look, refuse or do nothing or act, and say what became of it.

Every attempt begins by looking, so it does not matter how an earlier one ended: with its answer lost, or with the process
killed in its middle. A change of the tiny gateway is one call, so there are no steps to record.
"""

from __future__ import annotations

from typing import Any, Callable

import connector
import translate
from environments import Lease
from gateway_client import GatewayError
from log import log

Json = dict[str, Any]


class Stopped(Exception):
    """Before its effect, because the lease ended, something newer is desired, or the agent stops."""


def attempt(work: Json, lease: Lease, is_wanted: Callable[[], bool]) -> Json:
    """Makes the attempt; gives the `DeploymentOutcome`. Whatever keeps it from one is an error."""
    desired = work["desired"]
    if desired["state"] == "present":
        return deploy(work, desired["api"], lease, is_wanted)
    return undeploy(work, desired["mark"], lease, is_wanted)


def mark_of(work: Json) -> Json:
    """The mark of what a deployment is about, wherever it says so."""
    desired = work["desired"]
    return desired["api"]["mark"] if desired["state"] == "present" else desired["mark"]


def only_looks(work: Json, lease: Lease) -> bool:
    """Whether the gateway is not touched: this was carried out, and what differs since then is somebody else's."""
    is_present = work["desired"]["state"] == "present"
    return bool(work.get("confirmed")) and is_present and not lease.reverts_drift


def deploy(work: Json, desired: Json, lease: Lease, is_wanted: Callable[[], bool]) -> Json:
    mark = desired["mark"]
    observation = connector.observe(lease, known(work), mark)
    if is_as_desired(desired, observation):
        return deployed(observation)
    if only_looks(work, lease):
        return {"result": "drifted", "observation": observation}
    refuse_foreign(observation, mark, work.get("adopt"))
    refusal = moved(work, mark, lease, observation) or lossy(work, desired, lease)
    if refusal is not None:
        return refusal
    translate.check_expressible(mark["apiName"], desired["content"])
    go_on(is_wanted)
    if work.get("confirmed"):
        log("warn", f"`{mark['apiName']}` is not as it was deployed; putting it right", environment=lease.environment_name)
    held = connector.deploy(lease, desired, observation)
    if not is_as_desired(desired, held):
        raise GatewayError("Unexpected", f"the gateway took the deploy of `{mark['apiName']}` and does not show what is "
                           "desired; it is looked at again", retry=True)
    return deployed(held)


def undeploy(work: Json, mark: Json, lease: Lease, is_wanted: Callable[[], bool]) -> Json:
    observation = connector.observe(lease, known(work), mark)
    if observation["state"] == "absent":
        return {"result": "removed"}
    refuse_foreign(observation, mark, None)
    refusal = moved(work, mark, lease, observation)
    if refusal is not None:
        return refusal
    go_on(is_wanted)
    connector.undeploy(lease, observation)
    return {"result": "removed"}


def known(work: Json) -> str | None:
    """The gateway's own identity of what this is about, as far as known."""
    return work.get("adopt") or work.get("externalRef")


def go_on(is_wanted: Callable[[], bool]) -> None:
    if not is_wanted():
        raise Stopped


def is_as_desired(desired: Json, observation: Json) -> bool:
    """The same content of another revision is an update all the same: the mark names the revision."""
    mark = desired["mark"]
    return (observation["state"] == "present" and observation["fingerprint"] == desired["fingerprint"]
            and translate.is_same_place(observation.get("mark"), mark)
            and observation["mark"]["revision"] == mark["revision"])


def deployed(observation: Json) -> Json:
    return {"result": "deployed", "externalRef": observation["externalRef"],
            "endpointUrls": observation["endpointUrls"], "observed": observation["fingerprint"]}


def refuse_foreign(observation: Json, mark: Json, adopt: str | None) -> None:
    """What does not carry our mark is never touched, except the one object that people chose to adopt."""
    if observation["state"] == "absent" or translate.is_same_place(observation.get("mark"), mark):
        return
    if "mark" not in observation and adopt == observation["externalRef"]:
        return
    raise GatewayError("Conflict", f"`{observation['externalRef']}` on the gateway does not carry the mark of "
                       f"`{mark['apiName']}` and stays as it is; remove it there, or adopt it")


def moved(work: Json, mark: Json, lease: Lease, observation: Json) -> Json | None:
    """A refusal if the gateway does not hold any more what the approved plan saw there."""
    expected = work.get("expected")
    if expected is None:
        return None
    seen = {"state": observation["state"]}
    if observation["state"] == "present":
        seen["fingerprint"] = observation["fingerprint"]
    if seen == expected:
        return None
    return failed("PlanVoid", f"`{mark['apiName']}` is not on the gateway as the plan for `{lease.environment_name}` saw it; "
                  "nothing was touched; make a new plan and look at it")


def lossy(work: Json, desired: Json, lease: Lease) -> Json | None:
    """A refusal if something would be lost: a security policy whatever was accepted, anything else unless it was."""
    unenforced, others = translate.losses(desired["content"])
    place = f"`{desired['mark']['apiName']}` was not deployed to `{lease.environment_name}`, whose gateway"
    if unenforced:
        policies = "; ".join(map(translate.described, unenforced))
        return failed("PolicyUnsupported", f"{place} cannot enforce {policies}; deploy it to another gateway, or protect it "
                      "with a policy that this one can enforce")
    if others and not work.get("acceptLoss"):
        policies = "; ".join(map(translate.described, others))
        return failed("LossNotAccepted", f"{place} does not express everything: {policies}; accept that, or change the policies")
    return None


def failed(reason: str, message: str, *, retrying: bool = False) -> Json:
    return {"result": "failed", "reason": reason, "message": message, "retrying": retrying}
