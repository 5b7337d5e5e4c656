"""Owns the files of `static/`: in memory, compressed once, at an address that names their version.

Modules import each other by relative addresses, so a page and all that it loads are of one version, and a browser keeps
them: it asks for none of them twice. What lies in the folder itself is served, and nothing else.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import time
from pathlib import Path
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from server.web.routing import OPEN, HttpRoute

FOR_EVER = "public, max-age=31536000, immutable"
"""A year: no cache keeps anything for longer (RFC 9111 §1.2.2 allows it, RFC 2616 §14.21 named the year)."""

EVERY_S = 1.0

# Not left to the machine's own tables, which may say text/plain: a browser refuses a module that is no script.
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class _File(NamedTuple):
    type: str
    etag: str
    plain: bytes
    zipped: bytes


class Assets:
    """Read again within a second when one of them was changed: whoever works on a page sees it with the next load."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamp: frozenset[tuple[str, int, int]] = frozenset()
        self._files: dict[str, _File] = {}
        self._version = ""
        self._looked = -EVERY_S
        self._look()

    def address(self, name: str) -> str:
        """Where a page finds the file. Raises `KeyError` for one that is not there."""
        self._look()
        assert self._files[name]  # noqa: S101 - a page that names none fails here, and not in the browser
        return f"/static/{self._version}/{name}"

    def routes(self) -> list[BaseRoute]:
        return [
            HttpRoute("GET /static/{name}", self.file, role=OPEN),
            HttpRoute("GET /static/{version}/{name}", self.file, role=OPEN),
        ]

    async def file(self, request: Request) -> Response:
        self._look()
        found = self._files.get(request.path_params["name"])
        if found is None:
            raise HTTPException(404)
        # Of another version, as a server that is just being replaced may have named it: the newest, for this once.
        named = request.path_params.get("version") == self._version
        headers = {
            "Cache-Control": FOR_EVER if named else "no-cache",
            "ETag": found.etag,
            "Vary": "Accept-Encoding",
        }
        if found.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(found.plain, headers=headers, media_type=found.type)
        return Response(found.zipped, headers={**headers, "Content-Encoding": "gzip"}, media_type=found.type)

    def _look(self) -> None:
        if time.monotonic() - self._looked < EVERY_S:
            return
        self._looked = time.monotonic()
        paths = sorted(path for path in self._folder.iterdir() if path.is_file())
        stamp = frozenset((path.name, (seen := path.stat()).st_mtime_ns, seen.st_size) for path in paths)
        if stamp == self._stamp:
            return
        whole = hashlib.sha256()
        files = {}
        for path in paths:
            plain = path.read_bytes()
            digest = hashlib.sha256(plain).hexdigest()
            whole.update(f"{path.name} {digest}\n".encode())
            kind = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            files[path.name] = _File(kind, f'W/"{digest[:20]}"', plain, gzip.compress(plain, mtime=0))
        self._files, self._stamp, self._version = files, stamp, whole.hexdigest()[:10]
