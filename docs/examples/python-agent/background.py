"""What runs beside the session: tasks and discoveries, each once."""

from __future__ import annotations

import threading
from typing import Callable

from control_plane import Delivery
from log import log


class Background:
    """Tasks and discoveries that run beside the session, each known by its id until it is not listed any more."""

    def __init__(self, limit: int) -> None:
        self._lock = threading.Lock()
        self._running: set[str] = set()
        self._ended: set[str] = set()
        self._permits = threading.Semaphore(limit)

    def take(self, waiting: list[tuple[str, Callable[[], Delivery]]], stopping: threading.Event) -> bool:
        """Starts those that are not known; says whether there were any."""
        with self._lock:
            # An answer that was under way may list once more what has ended since.
            self._ended &= {key for key, _ in waiting}
            fresh = [(key, run) for key, run in waiting if key not in self._running | self._ended]
            self._running |= {key for key, _ in fresh}
        for key, run in fresh:
            threading.Thread(target=self._carry_out, args=(key, run, stopping), daemon=True).start()
        return bool(fresh)

    def _carry_out(self, key: str, run: Callable[[], Delivery], stopping: threading.Event) -> None:
        delivery = Delivery.STOPPED
        try:
            with self._permits:
                delivery = Delivery.STOPPED if stopping.is_set() else run()
        except Exception as error:  # A mistake of ours with one of them must not end the others.
            log("error", f"`{key}` could not be worked on", error=repr(error))
            stopping.wait(1)
        finally:
            with self._lock:
                self._running.discard(key)
                # What ended with its lease may come back to this agent.
                if delivery in (Delivery.ACKNOWLEDGED, Delivery.REFUSED):
                    self._ended.add(key)
