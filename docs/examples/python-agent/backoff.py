"""Pauses between attempts: growing, and drawn at random, so that many who failed together do not come back together."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from typing import Callable, TypeVar

from gateway_client import GatewayError

T = TypeVar("T")


@dataclass(frozen=True)
class Backoff:
    """How pauses grow."""

    first_seconds: float
    longest_seconds: float

    def pause(self, failures: int) -> float:
        """The pause after so many failures in a row, from 1: between nothing and a ceiling that doubles with each."""
        ceiling = min(self.first_seconds * 2 ** min(failures - 1, 30), self.longest_seconds)
        return random.uniform(0, ceiling)


READING = Backoff(first_seconds=0.1, longest_seconds=2)
READING_ATTEMPTS = 4


def retried(read: Callable[[], T], stop: threading.Event) -> T:
    """Something that only looks, a few times over if the gateway is not able to answer."""
    for failures in range(1, READING_ATTEMPTS):
        try:
            return read()
        except GatewayError as error:
            if not error.is_temporary:
                raise
            pause = READING.pause(failures) if error.after_seconds is None else error.after_seconds
            if stop.wait(pause):
                raise
    return read()
