"""The log: one JSON object a line on stderr. Nobody gives it a secret: it is told names, ids and sentences."""

from __future__ import annotations

import json
import sys
import threading
from datetime import datetime, timezone
from typing import Any

_lock = threading.Lock()


def log(level: str, message: str, **fields: Any) -> None:
    """Writes a line. `info` is the story, `warn` means that it coped, `error` that a person must act."""
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    line = json.dumps({"timestamp": now, "level": level, "message": message} | fields)
    with _lock:
        print(line, file=sys.stderr, flush=True)
