"""Drives a tiny gateway for Gatehouse's conformance suite: does to it what other people do.

The suite writes one JSON object per line to standard input and reads one per line from standard output. Each `start` is
for another gateway, which holds nothing. The gateway runs in this process, so what others do to it needs no Admin API.
"""

from __future__ import annotations

import json
import secrets
import sys
import threading
from typing import Any, Callable

import translate
from tiny_gateway import AdminHandler, Listener, ProxyHandler
from tiny_gateway_apis import Expected, Store, Table

Json = dict[str, Any]


class Gateway:
    """A tiny gateway that holds nothing at first."""

    def __init__(self) -> None:
        self._store = Store(None)
        self._token = secrets.token_hex(16)
        self._admin = Listener(("127.0.0.1", 0), AdminHandler, self._store, self._token)
        self._proxy = Listener(("127.0.0.1", 0), ProxyHandler, self._store)
        for listener in (self._admin, self._proxy):
            threading.Thread(target=lambda it=listener: it.serve_forever(poll_interval=0.05), daemon=True).start()

    def stop(self) -> None:
        for listener in (self._admin, self._proxy):
            listener.shutdown()
            listener.server_close()

    def started(self) -> Json:
        admin_port, proxy_port = (listener.server_address[1] for listener in (self._admin, self._proxy))
        settings = {"adminUrl": f"http://127.0.0.1:{admin_port}", "proxyUrl": f"http://127.0.0.1:{proxy_port}"}
        return {"settings": settings, "credentials": {"adminToken": self._token}}

    def add_foreign(self, asked: Json) -> Json:
        body = translate.form_of(asked["content"], {}) | {"name": asked["name"]}
        self._store.put(asked["name"], body, Expected(None, None))
        return {"externalRef": asked["name"]}

    def edit(self, asked: Json) -> Json:
        api_id, what = asked["externalRef"], asked["what"]
        present = self._store.table.apis.get(api_id)
        if present is None:
            return {"done": False}
        # To this gateway, what an API is called is a part of what it is.
        changed = {"content": {"timeoutMs": present["timeoutMs"] + 1}, "name": {"name": "edited"},
                   "tags": {"tags": ["edited"]}}[what]
        self._store.put(api_id, present | changed, Expected(None, None))
        return {"done": True}

    def delete(self, asked: Json) -> Json:
        if asked["externalRef"] in self._store.table.apis:
            self._store.delete(asked["externalRef"], Expected(None, None))
        return {"done": True}

    def make_unreadable(self, asked: Json) -> Json:
        table, api_id = self._store.table, asked["externalRef"]
        damaged = {"id": api_id, "name": api_id, "version": 0, "damaged": True, "kept": {}}
        self._store.table = Table({**table.apis, api_id: damaged}, table.version + 1)
        return {"done": True}

    def holds(self, _: Json) -> Json:
        return {"objects": {api_id: json.dumps(api, sort_keys=True) for api_id, api in self._store.table.apis.items()}}


def main() -> None:
    gateway: Gateway | None = None
    for line in sys.stdin:
        asked = json.loads(line)
        if asked["do"] == "start":
            if gateway is not None:
                gateway.stop()
            gateway = Gateway()
            answer = gateway.started()
        else:
            answer = answered(gateway, asked)
        print(json.dumps(answer), flush=True)


def answered(gateway: Gateway | None, asked: Json) -> Json:
    if gateway is None:
        return {"error": "no gateway was started; begin with `start`"}
    does: dict[str, Callable[[Json], Json]] = {
        "addForeign": gateway.add_foreign, "edit": gateway.edit, "delete": gateway.delete,
        "makeUnreadable": gateway.make_unreadable, "holds": gateway.holds}
    try:
        return does[asked["do"]](asked)
    except Exception as error:  # Whatever it is, the suite tells it to whoever reads its report.
        return {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    main()
