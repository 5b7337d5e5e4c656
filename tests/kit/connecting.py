"""What tests of connectors share: a log that keeps its lines, and a web server with the answers of a test."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from jobs.connectors.base import Context

SECRETS = {"TOKEN": "the-token-of-the-shop", "ODD": "süß"}


class Log(list[str]):
    """The warnings of a connector; `said` has all its lines."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def warning(self, text: str, **_: Any) -> None:
        self.append(text)
        self.said.append(text)

    def info(self, text: str, **_: Any) -> None:
        self.said.append(text)

    debug = error = info


def context(log: Log | None = None, **more: Any) -> Context:
    given: dict[str, Any] = {"secrets": SECRETS, "files": Path(), "page_size": 7, "max_attempts": 2, **more}
    collects: Any = Log() if log is None else log
    return Context(collects, **given)


class Answer(NamedTuple):
    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = {}


class Asked(NamedTuple):
    path: str
    headers: Any
    method: str = "GET"
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Site:
    """A server on a free port. `answers` is called with the path and its query, and the number of requests so far;
    `replies`, if it is set, with the whole request instead."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: Callable[[str, int], Answer] = lambda *_: Answer([])
        self.replies: Callable[[Asked], Answer] | None = None
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # headers and body are sent apart

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked = Asked(self.path, self.headers, self.command, body)
                site.asked.append(asked)
                answer = site.replies(asked) if site.replies else site.answers(self.path, len(site.asked))
                content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in answer.headers:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_PUT = do_PATCH = do_OPTIONS = do_GET  # noqa: N815 - as the library has it

            def log_message(self, *_: Any) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """A client that disconnects is no error."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def always(self, answer: Answer) -> None:
        self.answers = lambda *_: answer

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
