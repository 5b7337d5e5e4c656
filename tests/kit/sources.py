"""A source of records, served page by page over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Paged:
    """Serves `records`, which a test may change at any time, with `Link` and `X-Total-Count`.

    `spoil` is called with the number of each request, from 1 on. It may return a status to answer with, or 0 to break
    the connection.
    """

    def __init__(self, records: list[dict[str, Any]]) -> None:
        self.records = records
        self.asked = 0
        self.spoil: Callable[[int], int | None] = lambda _: None
        self.url = ""

    def page(self, query: dict[str, list[str]]) -> tuple[list[dict[str, Any]], str | None]:
        start, limit = int(query.get("start", ["0"])[0]), int(query.get("limit", ["100"])[0])
        more = start + limit < len(self.records)
        following = f'<{self.url}?start={start + limit}&limit={limit}>; rel="next"' if more else None
        return self.records[start : start + limit], following


@contextmanager
def paged(records: list[dict[str, Any]]) -> Iterator[Paged]:
    source = Paged(records)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            source.asked += 1
            status = source.spoil(source.asked)
            if status == 0:
                self.close_connection = True
                return
            if status is not None:
                self.answer(status, b"{}", {"Retry-After": "0"})
                return
            found, following = source.page(parse_qs(urlsplit(self.path).query))
            headers = {"X-Total-Count": str(len(source.records))} | ({"Link": following} if following else {})
            self.answer(200, json.dumps({"records": found}).encode(), headers)

        def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    source.url = f"http://127.0.0.1:{server.server_port}/records"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield source
    finally:
        server.shutdown()
        server.server_close()
