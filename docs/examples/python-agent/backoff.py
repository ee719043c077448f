"""Pauses between attempts: growing, and drawn at random, so that many who failed together do not come back together."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """How pauses grow."""

    first_seconds: float
    longest_seconds: float

    def pause(self, failures: int) -> float:
        """The pause after so many failures in a row, from 1: between nothing and a ceiling that doubles with each."""
        ceiling = min(self.first_seconds * 2 ** min(failures - 1, 30), self.longest_seconds)
        return random.uniform(0, ceiling)
