"""Discoveries: pages from the gateway go to the control plane as they come, and it is told how far they came."""

from __future__ import annotations

import json
import threading
from typing import Any

import connector
from backoff import retried
from control_plane import ControlPlane, Delivery, Problem, Revoked, Unreachable, deliver
from environments import Lease
from gateway_client import GatewayError
from log import log

Json = dict[str, Any]

# A page is sent on when it has grown to this size, and at the end of the listing: an interrupted run need not do much again.
PAGE_BYTES = 128 << 10
# The control plane takes no longer findings.
FINDING_BYTES = 7 << 20


class Interrupted(Exception):
    """The lease or the agent ends. Whoever comes next goes on after the last page that arrived."""


class Refused(Exception):
    """The control plane does not take a page."""


class Run:
    """One discovery under one lease."""

    def __init__(self, work: Json, lease: Lease, control_plane: ControlPlane, stopping: threading.Event) -> None:
        self._work = work
        self._lease = lease
        self._control_plane = control_plane
        self._stopping = stopping
        resume = work.get("resume") or {}
        self._pages: int = resume.get("pages", 0)
        self._position: str | None = resume.get("position")
        self._lines: list[bytes] = []
        self._unchanged = 0

    def run(self) -> Delivery:
        """Lists, sends, completes; gives what became of the completion."""
        try:
            # Pages and no position: all was listed before, and only the completion is missing.
            if self._pages == 0 or self._position is not None:
                self._list()
            return self._complete("complete", None)
        except Interrupted:
            return Delivery.STOPPED
        except GatewayError as error:
            return self._break_off(error.message)
        except Refused as error:
            return self._complete("partial" if self._pages else "failed", str(error))

    def _list(self) -> None:
        known = self._known_versions()
        while True:
            self._go_on()
            page = retried(lambda: connector.discover(self._lease, self._work["filter"], known, self._position),
                           self._stopping)
            self._lines += [line_of(item) for item in page.items]
            self._unchanged += sum(item["result"] == "unchanged" for item in page.items)
            if page.next is not None and page.next == self._position:
                raise GatewayError("Unexpected", "the gateway's listing does not advance")
            # A page sent always ends where one of the gateway ended: only from there a listing can go on.
            self._position = page.next
            if page.next is None or sum(map(len, self._lines)) >= PAGE_BYTES:
                self._flush()
            if page.next is None:
                return

    def _known_versions(self) -> dict[str, str]:
        """What need not be read again. Without it everything is read, which costs time and nothing else."""
        try:
            return self._control_plane.inventory(self._lease.environment_id)
        except (Problem, Unreachable, Revoked) as error:
            log("debug", "What is known of the environment cannot be learned; everything is read", error=str(error))
            return {}

    def _go_on(self) -> None:
        if self._stopping.is_set() or not self._lease.is_held:
            raise Interrupted

    def _flush(self) -> None:
        if not self._lines:
            return
        number, position, lines = self._pages + 1, self._position, b"".join(self._lines)
        delivery = self._deliver(lambda: self._control_plane.page(self._work["id"], number, position, lines))
        if delivery is Delivery.REFUSED:
            raise Refused(f"the control plane refused page {number} of the findings; see the agent's log")
        if delivery is not Delivery.ACKNOWLEDGED:
            raise Interrupted
        self._pages, self._lines = number, []

    def _break_off(self, message: str) -> Delivery:
        """What was found until then is worth seeing, and says nothing about what was not."""
        log("warn", f"The discovery of `{self._lease.environment_name}` broke off", error=message)
        try:
            # A page without a position is the end of the listing. This is not the end: what has none is not sent.
            if self._position is not None:
                self._flush()
        except Interrupted:
            return Delivery.STOPPED
        except Refused:
            pass
        return self._complete("partial" if self._pages else "failed", message)

    def _complete(self, outcome: str, message: str | None) -> Delivery:
        completion = {"fencing": self._lease.fencing, "outcome": outcome, "pages": self._pages}
        completion |= {} if message is None else {"message": message}
        log("info", f"Discovery of `{self._lease.environment_name}`: {outcome}", pages=self._pages,
            unchanged=self._unchanged)
        return self._deliver(lambda: self._control_plane.complete(self._work["id"], completion))

    def _deliver(self, send: Any) -> Delivery:
        return deliver(f"discovery `{self._work['id']}`", self._stopping, send)


def line_of(item: Json) -> bytes:
    line = json.dumps(item, ensure_ascii=False).encode() + b"\n"
    if len(line) <= FINDING_BYTES:
        return line
    reason = f"it is too large ({len(line)} bytes; at most {FINDING_BYTES} can be taken); make it smaller on the gateway"
    unreadable = {"result": "unreadable", "externalRef": item["externalRef"], "name": item["name"], "reason": reason}
    return json.dumps(unreadable).encode() + b"\n"
