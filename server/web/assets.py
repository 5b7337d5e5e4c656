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
from collections.abc import Iterator
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

IMPORT = re.compile(rb'^(?:import|export)\s(?:[^;"]*\bfrom\s*)?"(\.[^"]+)"', re.MULTILINE)


class _File(NamedTuple):
    type: str
    etag: str
    plain: bytes
    zipped: bytes
    imports: tuple[str, ...]
    """The names of the modules that this one imports."""


class Assets:
    """Serves the files as they are at the start.

    With `reload` they are read again when one has changed, which is looked for once a second: for work on the pages.
    """

    def __init__(self, folder: Path, *, reload: bool = False) -> None:
        self._folder = folder
        self._reload = reload
        self._stamp: frozenset[tuple[str, int, int]] = frozenset()
        self._files: dict[str, _File] = {}
        self._version = ""
        self._read()

    def address(self, name: str) -> str:
        """Where a page finds the file. Raises `KeyError` for one that is not there."""
        self._look()
        assert self._files[name]  # noqa: S101 - a page that names none fails here, and not in the browser
        return f"/static/{self._version}/{name}"

    def imported(self, *names: str) -> list[str]:
        """The addresses of all modules that these import, directly or not, without themselves.

        A browser that is told of them at once does not find them one after the other.
        """
        found = dict.fromkeys(names)
        ahead = list(names)
        while ahead:
            more = [name for name in self._files[ahead.pop()].imports if name not in found]
            found |= dict.fromkeys(more)
            ahead += more
        return [self.address(name) for name in list(found)[len(names) :]]

    def routes(self) -> list[BaseRoute]:
        return [HttpRoute("GET /static/{path:path}", self.file, role=OPEN)]

    async def file(self, request: Request) -> Response:
        self._look()
        path: str = request.path_params["path"]
        version, _, name = path.partition("/")
        # Without a version, or of another one, as a server that is being replaced may name it: the newest, for this
        # once.
        found = self._files.get(path) or self._files.get(name)
        if found is None:
            raise HTTPException(404)
        named = version == self._version
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
        if self._reload and time.monotonic() - self._looked >= EVERY_S:
            self._read()

    def _read(self) -> None:
        self._looked = time.monotonic()
        paths = dict(self._paths())
        stamp = frozenset((name, (seen := path.stat()).st_mtime_ns, seen.st_size) for name, path in paths.items())
        if stamp == self._stamp:
            return
        whole = hashlib.sha256()
        files = {}
        for name, path in paths.items():
            plain = path.read_bytes()
            digest = hashlib.sha256(plain).hexdigest()
            whole.update(f"{name} {digest}\n".encode())
            kind = TYPES.get(path.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
            imports = _imports(name, plain) if path.suffix == ".js" else ()
            files[name] = _File(kind, f'W/"{digest[:20]}"', plain, gzip.compress(plain, mtime=0), imports)
        self._files, self._stamp, self._version = files, stamp, whole.hexdigest()[:10]

    def _paths(self) -> Iterator[tuple[str, Path]]:
        for path in sorted(self._folder.rglob("*")):
            parts = path.relative_to(self._folder).parts
            if path.is_file() and not any(part.startswith(".") for part in parts):
                yield "/".join(parts), path


def _imports(name: str, script: bytes) -> tuple[str, ...]:
    folder = posixpath.dirname(name)
    return tuple(posixpath.normpath(f"{folder}/{one.decode()}") for one in IMPORT.findall(script))
