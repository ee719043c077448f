"""A small API gateway with a REST Admin API: the peer that the example agent speaks to.

It has what most gateways have and nothing of Gatehouse: APIs with a base path, routes, an upstream, keys, headers set
on responses, labels, and a version that rises with every change. Standard library only.

Admin API (bearer token; JSON):

    GET    /status                      what it is
    GET    /apis?limit=&after=&label=   a page of summaries in the order of their ids; `next` is the `after` of the next
    GET    /apis/ID                     one API; keys as SHA-256, never as they are
    PUT    /apis/ID                     makes or replaces one; `If-None-Match: *` only makes, `If-Match: "N"` only replaces
    DELETE /apis/ID                     removes one; `If-Match` as above

All APIs are one immutable table; a change swaps it. A request is served from the table it began with, so it meets an API
as it was or as it is, never half of each.
"""

from __future__ import annotations

import argparse
import hmac
import http.client
import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Mapping
from urllib.parse import parse_qs, unquote, urlsplit

from tiny_gateway_apis import Expected, Json, Refused, Store, sha256_of

VERSION = "1.0.0"
PAGE_MAX = 200
BODY_MAX = 8 << 20
# RFC 9110, section 7.6.1: these speak of one connection and are not forwarded.
HOP_BY_HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te",
              "trailer", "transfer-encoding", "upgrade"}


class Handler(BaseHTTPRequestHandler):
    """What both listeners have in common."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 60
    server: "Listener"

    def body(self) -> bytes:
        if "transfer-encoding" in self.headers:
            # A body whose end is not known would be taken for the next request.
            self.close_connection = True
            raise Refused(411, "send a `Content-Length`")
        length = self.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > BODY_MAX:
            self.close_connection = True
            raise Refused(413, f"a body has at most {BODY_MAX} bytes")
        return self.rfile.read(int(length))

    def answer(self, status: int, body: Json | None = None, headers: Mapping[str, str] = {}) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if body is not None:
            self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else data)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Requests are not logged: their paths and headers may carry what callers keep to themselves."""


class AdminHandler(Handler):
    """The Admin API."""

    def handle_request(self) -> None:
        try:
            body = self.body()
            self._authenticate()
            self._dispatch(body)
        except Refused as refused:
            self.answer(refused.status, {"error": refused.message})

    do_GET = do_PUT = do_DELETE = do_POST = handle_request

    def _authenticate(self) -> None:
        given = self.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {self.server.token}".encode()):
            raise Refused(401, "the token is not this gateway's")

    def _dispatch(self, body: bytes) -> None:
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        match (self.command, [unquote(part) for part in url.path.strip("/").split("/")]):
            case ("GET", ["status"]):
                self.answer(200, {"product": "tiny-gateway", "version": VERSION})
            case ("GET", ["apis"]):
                self.answer(200, self._page(query))
            case ("GET", ["apis", api_id]):
                self._answer_api(200, self._read(api_id))
            case ("PUT", ["apis", api_id]):
                self._answer_api(200, self.server.store.put(api_id, parsed(body), self._expected()))
            case ("DELETE", ["apis", api_id]):
                self.server.store.delete(api_id, self._expected())
                self.answer(204)
            case _:
                raise Refused(404, f"there is no `{self.command} {url.path}`")

    def _answer_api(self, status: int, api: Json) -> None:
        self.answer(status, api, {"etag": f'"{api["version"]}"'})

    def _expected(self) -> Expected:
        return Expected(self.headers.get("if-match"), self.headers.get("if-none-match"))

    def _read(self, api_id: str) -> Json:
        api = self.server.store.table.apis.get(api_id)
        if api is None:
            raise Refused(404, f"there is no API `{api_id}`")
        if api.get("damaged"):
            raise Refused(500, f"what is kept of `{api_id}` is damaged; write it anew")
        return api

    def _page(self, query: Mapping[str, str]) -> Json:
        table = self.server.store.table
        limit = min(int(query.get("limit", PAGE_MAX)) if query.get("limit", "1").isdigit() else PAGE_MAX, PAGE_MAX)
        name, _, value = query.get("label", "").partition("=")
        after = query.get("after", "")
        fitting = (api_id for api_id in table.order if api_id > after
                   and (not name or table.apis[api_id].get("labels", {}).get(name) == value))
        page = [api_id for api_id, _ in zip(fitting, range(limit + 1))]
        summaries = [{key: table.apis[api_id].get(key) for key in ("id", "name", "version", "tags")}
                     for api_id in page[:limit]]
        return {"items": summaries, "next": page[limit - 1] if len(page) > limit else None}


def parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise Refused(400, f"the body is not JSON: {error}") from error


class ProxyHandler(Handler):
    """The listener for consumers."""

    def handle_request(self) -> None:
        try:
            body = self.body()
            url = urlsplit(self.path)
            host = self.headers.get("host", "").rsplit(":", 1)[0].lower()
            # One look at the table: nothing that changes meanwhile concerns this request.
            api, upstream = self.server.store.table.route(host, self.command, url.path)
            self._authenticate(api)
            self._forward(api, upstream + (f"?{url.query}" if url.query else ""), body)
        except Refused as refused:
            self.answer(refused.status, {"error": refused.message})

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = handle_request

    def _authenticate(self, api: Json) -> None:
        api_key = api["apiKey"]
        if api_key is None:
            return
        given = sha256_of(self.headers.get(api_key["header"], ""))
        # All of them are compared, so that the time it takes says nothing.
        if not any([hmac.compare_digest(given, key["sha256"]) for key in api_key["keys"]]):
            raise Refused(401, f"send a key in the header `{api_key['header']}`")

    def _forward(self, api: Json, target: str, body: bytes) -> None:
        url = urlsplit(target)
        connection_type = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        upstream = connection_type(str(url.hostname), url.port, timeout=api["timeoutMs"] / 1000)
        try:
            path = (url.path or "/") + (f"?{url.query}" if url.query else "")
            upstream.request(self.command, path, body or None, self._request_headers(api))
            response = upstream.getresponse()
            data = response.read()
        except TimeoutError:
            raise Refused(504, "the upstream did not answer in time") from None
        except (OSError, http.client.HTTPException):
            raise Refused(502, "the upstream cannot be reached") from None
        finally:
            upstream.close()
        self._answer_from_upstream(api, response, data)

    def _request_headers(self, api: Json) -> dict[str, str]:
        left_out = HOP_BY_HOP | {"host", "content-length"}
        if api["apiKey"] is not None and not api["apiKey"]["forward"]:
            left_out = left_out | {api["apiKey"]["header"]}
        return {name: value for name, value in self.headers.items() if name.lower() not in left_out}

    def _answer_from_upstream(self, api: Json, response: http.client.HTTPResponse, data: bytes) -> None:
        own = {name.lower() for name in api["responseHeaders"]} | HOP_BY_HOP | {"content-length", "date", "server"}
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in own:
                self.send_header(name, value)
        for name, value in api["responseHeaders"].items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else data)


class Listener(ThreadingHTTPServer):
    """A listener with what its requests need."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[Handler], store: Store, token: str = "") -> None:
        super().__init__(address, handler)
        self.store = store
        self.token = token


def admin_token(file: Path | None) -> str:
    token = file.read_text().strip() if file else os.environ.get("TINY_GATEWAY_ADMIN_TOKEN", "")
    if not token:
        sys.exit("give the Admin API a token: the variable TINY_GATEWAY_ADMIN_TOKEN, or --admin-token-file")
    return token


def address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def main() -> None:
    parser = argparse.ArgumentParser(description="A small API gateway with a REST Admin API")
    parser.add_argument("--admin-listen", type=address, default=("127.0.0.1", 7001), metavar="ADDRESS:PORT")
    parser.add_argument("--listen", type=address, default=("127.0.0.1", 7000), metavar="ADDRESS:PORT")
    parser.add_argument("--state-file", type=Path, help="where APIs are kept; nowhere unless given")
    parser.add_argument("--admin-token-file", type=Path, help="instead of the variable TINY_GATEWAY_ADMIN_TOKEN")
    options = parser.parse_args()
    store = Store(options.state_file)
    admin = Listener(options.admin_listen, AdminHandler, store, admin_token(options.admin_token_file))
    proxy = Listener(options.listen, ProxyHandler, store)
    for listener in (admin, proxy):
        threading.Thread(target=listener.serve_forever, daemon=True).start()
    ends = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ends.set())
    admin_port, proxy_port = (listener.server_address[1] for listener in (admin, proxy))
    print(json.dumps({"adminPort": admin_port, "proxyPort": proxy_port}), flush=True)
    ends.wait()


if __name__ == "__main__":
    main()
