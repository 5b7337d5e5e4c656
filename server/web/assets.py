"""Owns the files of `static/`: in memory, compressed once, at an address that names their version.

Modules import each other by relative addresses, so a page and all that it loads are of one version, and a browser keeps
them: it asks for none of them twice. An address is looked up among the files that were read, so none leads out of the
folder; files and folders whose names begin with a dot are not read.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import posixpath
import re
import time
from pathlib import Path
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from server.web.routing import OPEN, HttpRoute

FOR_EVER = "public, max-age=31536000, immutable"
"""A year: no cache keeps anything for longer (RFC 9111 §1.2.2 allows it, RFC 2616 §14.21 named the year)."""

EVERY_S = 1.0

# Not left to the machine's own tables, which may say text/plain: a browser refuses a module that is no script.
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}

IMPORT = re.compile(rb'^(?:import|export)\s(?:[^;"]*\bfrom\s*)?"(\.[^"]+)"', re.MULTILINE)


class _File(NamedTuple):
    type: str
    etag: str
    plain: bytes
    zipped: bytes
    imports: tuple[str, ...]
    """The names of the modules that this one imports."""


class Assets:
    """Serves the files as they are at the start; with `reload`, for work on the pages, as they were a second ago."""

    def __init__(self, folder: Path, *, reload: bool = False) -> None:
        self._folder = folder
        self._reload = reload
        self._read()

    def address(self, name: str) -> str:
        """Where a page finds the file. Raises `KeyError` for one that is not there."""
        self._look()
        assert self._files[name]  # noqa: S101 - a page that names none fails here, and not in the browser
        return f"/static/{self._version}/{name}"

    def imported(self, *names: str) -> list[str]:
        """The addresses of all modules that these import, directly or not, without themselves: a browser that is told
        of them at once does not find them one after the other."""
        found = dict.fromkeys(names)
        ahead = list(names)
        while ahead:
            more = [name for name in self._files[ahead.pop()].imports if name not in found]
            found |= dict.fromkeys(more)
            ahead += more
        return [self.address(name) for name in list(found)[len(names) :]]

    def routes(self) -> list[HttpRoute]:
        return [HttpRoute("GET /static/{path:path}", self.file, role=OPEN)]

    async def file(self, request: Request) -> Response:
        self._look()
        path: str = request.path_params["path"]
        version, _, name = path.partition("/")
        # Without a version, or of another one, as a server that is being replaced may name it: the newest, not kept.
        found = self._files.get(path) or self._files.get(name)
        if found is None:
            raise HTTPException(404)
        kept = FOR_EVER if version == self._version else "no-cache"
        headers = {"Cache-Control": kept, "ETag": found.etag, "Vary": "Accept-Encoding"}
        if found.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(found.plain, headers=headers, media_type=found.type)
        return Response(found.zipped, headers={**headers, "Content-Encoding": "gzip"}, media_type=found.type)

    def _look(self) -> None:
        if self._reload and time.monotonic() - self._looked >= EVERY_S:
            self._read()

    def _read(self) -> None:
        self._looked = time.monotonic()
        paths = {path.relative_to(self._folder).as_posix(): path for path in sorted(self._folder.rglob("*"))}
        shown = {name: path for name, path in paths.items() if path.is_file() and "/." not in f"/{name}"}
        self._files = {name: _file(name, path.read_bytes()) for name, path in shown.items()}
        named = "".join(f"{name} {one.etag}\n" for name, one in self._files.items())
        self._version = hashlib.sha256(named.encode()).hexdigest()[:10]


def _file(name: str, plain: bytes) -> _File:
    folder, ending = posixpath.dirname(name), posixpath.splitext(name)[1]
    kind = TYPES.get(ending) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    found = IMPORT.findall(plain) if ending == ".js" else ()
    imports = tuple(posixpath.normpath(f"{folder}/{one.decode()}") for one in found)
    return _File(kind, f'W/"{hashlib.sha256(plain).hexdigest()[:20]}"', plain, gzip.compress(plain, mtime=0), imports)
