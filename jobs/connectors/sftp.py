"""Files on an SFTP server. A new file is written under another name and renamed when it is complete.

After a lost connection, reading goes on at its position, and writing with the last batch.
"""

from __future__ import annotations

import fnmatch
import io
import posixpath
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from paramiko import SFTPAttributes, SFTPClient, SFTPFile

from jobs.connectors.base import ConnectorError, Context
from jobs.connectors.files import FilesReader, FilesWriter, Found, Target, free_name, is_pattern, limited
from jobs.connectors.formats.codec import Writer
from jobs.connectors.ssh import Server
from jobs.services.model import SftpDestination, SftpSource
from synctail.model.sync import Phase

REQUEST_BYTES = 32 * 1024
"""What every server takes in one request."""
READ_BYTES = 1024 * 1024
"""Asked for at once, in many requests: one after the other, each would cost a round trip."""


class SftpReader(FilesReader):
    def __init__(self, source: SftpSource, context: Context) -> None:
        super().__init__(source, context, Remote(Server(source, context, Phase.PULL)))


class SftpWriter(FilesWriter):
    def __init__(self, destination: SftpDestination, context: Context) -> None:
        super().__init__(destination, context)
        self._server = Server(destination, context, Phase.PUSH)

    def close(self) -> None:
        self._server.close()

    def _look(self) -> str:
        folder = posixpath.dirname(self._path) or "."
        seen = self._server.in_folder(lambda sftp: sftp.stat(folder), folder)
        if not stat.S_ISDIR(seen.st_mode or 0):
            raise ConnectorError(f"{folder!r} on the server is not a folder.")
        return f"signed in; the folder {folder!r} exists"

    def _begin(self) -> tuple[Target, Writer]:
        return NewRemoteFile(self._server, self._path), Writer(self._destination)


class Remote:
    """A `Files`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.close = server.close

    def find(self, path: str) -> list[Found]:
        folder, pattern = posixpath.split(path)
        if not is_pattern(pattern):
            found = self.look(path)
            if found is None:
                raise ConnectorError(f"There is no file {path!r} on the server.")
            return [found]

        def listed(sftp: SFTPClient) -> list[SFTPAttributes]:
            return limited((one for one in sftp.listdir_iter(folder or ".") if _matches(one, pattern)), path)

        matching = self._server.in_folder(listed, folder)
        return sorted(_found(posixpath.join(folder, one.filename), one) for one in matching)

    @contextmanager
    def open(self, found: Found) -> Iterator[io.BufferedReader]:
        raw: Any = _RemoteFile(self._server, found)
        with io.BufferedReader(raw, READ_BYTES) as file:
            yield file

    def look(self, path: str) -> Found | None:
        try:
            seen = self._server.do(lambda sftp: sftp.stat(path), path)
        except FileNotFoundError:
            return None
        return None if stat.S_ISDIR(seen.st_mode or 0) else _found(path, seen)

    def remove(self, path: str) -> None:
        # Not there: it was removed, and the answer was lost.
        with suppress(FileNotFoundError):
            self._server.do(lambda sftp: sftp.remove(path), path)

    def move(self, path: str, folder: str) -> str:
        name = posixpath.basename(path)
        into = posixpath.join(posixpath.dirname(path), folder)

        def made(sftp: SFTPClient) -> None:
            try:
                sftp.stat(into)
            except FileNotFoundError:
                sftp.mkdir(into)

        self._server.do(made, into)
        to = posixpath.join(into, name)
        if self.look(to) is not None:
            to = posixpath.join(into, free_name(name))
        # Not there: as above.
        with suppress(FileNotFoundError):
            self._server.do(lambda sftp: sftp.rename(path, to), path)
        return to


def _matches(one: SFTPAttributes, pattern: str) -> bool:
    name = one.filename
    regular = stat.S_ISREG(one.st_mode or 0) and "/" not in name and not name.startswith(".")
    return regular and fnmatch.fnmatchcase(name, pattern)


def _found(path: str, seen: SFTPAttributes) -> Found:
    return Found(path, seen.st_size or 0, float(seen.st_mtime or 0))


class _RemoteFile(io.RawIOBase):
    """Read from its start to the size that it was found with."""

    def __init__(self, server: Server, found: Found) -> None:
        super().__init__()
        self._server = server
        self._found = found
        self._at = 0
        self._from: SFTPClient | None = None
        self._file: SFTPFile

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        wanted = min(len(buffer), READ_BYTES, self._found.size - self._at)
        if wanted <= 0:
            return 0
        try:
            data = self._server.do(lambda sftp: self._read(sftp, wanted), self._found.path)
        except FileNotFoundError:
            raise ConnectorError(f"{self._found.path!r} was removed while it was read.") from None
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _read(self, sftp: SFTPClient, wanted: int) -> bytes:
        if self._from is not sftp:
            self._open(sftp)
        ends = self._at + wanted
        parts = [(start, min(REQUEST_BYTES, ends - start)) for start in range(self._at, ends, REQUEST_BYTES)]
        data = b"".join(self._file.readv(parts))
        if len(data) < wanted:
            raise ConnectorError(f"{self._found.path!r} shrank while it was read. Run the sync again.")
        return data

    def _open(self, sftp: SFTPClient) -> None:
        file = sftp.open(self._found.path, "rb", bufsize=0)
        if self._from is not None and _found(self._found.path, file.stat()) != self._found:
            raise ConnectorError(f"{self._found.path!r} changed while it was read. Run the sync again.")
        self._from, self._file = sftp, file
        # `readv` asks from a thread of its own. The reader of the answers sees its errors too; the thread would only
        # print them.
        asks = file._prefetch_thread  # noqa: SLF001

        def quietly(*parts: object) -> None:
            with suppress(Exception):
                asks(*parts)

        file._prefetch_thread = quietly  # noqa: SLF001

    def close(self) -> None:
        if not self.closed and self._from is not None:
            with suppress(OSError, EOFError):
                self._file.close()
        super().close()


class NewRemoteFile:
    """A `Target`. Without a commit it is removed."""

    def __init__(self, server: Server, path: str) -> None:
        self._server = server
        self._path = path
        folder, name = posixpath.split(path)
        self._temporary = posixpath.join(folder, f".{name}.{secrets.token_hex(6)}.part")
        self._size = 0
        self._from: SFTPClient | None = None
        self._file: SFTPFile
        self._committed = False
        self.write(b"")  # fails at once where it may not write

    def write(self, data: bytes) -> None:
        try:
            self._server.do(lambda sftp: self._write(sftp, data), self._path)
        except FileNotFoundError:
            folder = posixpath.dirname(self._path) or "."
            raise ConnectorError(f"{self._path!r} cannot be written: does the folder {folder!r} exist?") from None
        self._size += len(data)

    def _write(self, sftp: SFTPClient, data: bytes) -> None:
        if self._from is not sftp:
            # After a lost connection: what this batch wrote is cut off and written again.
            self._file = sftp.open(self._temporary, "r+b" if self._from else "wb", bufsize=0)
            if self._from:
                self._file.truncate(self._size)
            self._from = sftp
        self._file.seek(self._size)
        for start in range(0, len(data), REQUEST_BYTES):
            # The last write waits for the answers to all: otherwise `stat` would read them in place of its own.
            self._file.set_pipelined(start + REQUEST_BYTES < len(data))
            self._file.write(data[start : start + REQUEST_BYTES])
        there = self._file.stat().st_size
        if there != self._size + len(data):
            raise ConnectorError(f"{self._path!r} cannot be written: the server took only {there:,} bytes. Is it full?")

    def commit(self) -> None:
        self._server.do(lambda _: self._file.close(), self._path)
        self._server.do(self._rename, self._path)
        self._committed = True

    def _rename(self, sftp: SFTPClient) -> None:
        try:
            try:
                sftp.posix_rename(self._temporary, self._path)
            except FileNotFoundError:
                raise
            except OSError:  # a server without that extension renames only to a free name
                with suppress(FileNotFoundError):
                    sftp.remove(self._path)
                sftp.rename(self._temporary, self._path)
        except FileNotFoundError:
            # Renamed already, if the answer to the first attempt was lost.
            if sftp.stat(self._path).st_size != self._size:
                raise

    def close(self) -> None:
        # Not on a new connection, which would take too long: a sync that is stopped has a second.
        if self._from and not self._committed and self._server.is_open():
            with suppress(ConnectorError, OSError):
                self._server.do(lambda sftp: sftp.remove(self._temporary), self._temporary)
        self._server.close()
