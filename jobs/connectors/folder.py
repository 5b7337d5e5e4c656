"""The one folder of `file` connectors, and no way out of it: not by `..`, not by a link, not by a link that is put
there between the check and the opening.

A path is resolved first (links that stay inside are followed). What it resolved to is then opened from the folder down,
name by name, refusing links: by then, any link was put there after the check.
"""

from __future__ import annotations

import fcntl
import io
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from jobs.connectors.base import ConnectorError
from jobs.connectors.files import Found, free_name, is_pattern, limited
from synctail.log.writer import LogWriter
from synctail.model.sync import Phase

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Opening a pipe would wait for its other end.
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
UNLOCKED_S = 60
"""A younger file may have been created and not locked yet."""
_TIME = re.compile("[0-9]{8}T[0-9]{6}Z")


class Folder:
    """A `Files`. Paths are relative to the folder."""

    def __init__(self, root: Path, log: LogWriter) -> None:
        self._root = root.resolve()
        self._log = log

    def find(self, path: str) -> list[Found]:
        if not is_pattern(path):
            found = self.look(path)
            if found is None:
                raise ConnectorError(f"There is no file {path!r} in {self._root}, the folder of SYNCTAIL_FILES.")
            return [found]
        if path.startswith("/") or ".." in path.split("/") or "\0" in path:
            raise _leads_out(path, self._root)
        try:
            paths = limited(self._root.glob(path), path)
        except (ValueError, NotImplementedError, OSError) as error:
            raise ConnectorError(f"The pattern {path!r} cannot be used: {error}.") from None
        all_found = (self._match(one) for one in sorted(paths) if not one.name.startswith("."))
        # Two names may lead to one file.
        return list({found.path: found for found in all_found if found}.values())

    def _match(self, path: Path) -> Found | None:
        try:
            return self.look(str(path.relative_to(self._root)))
        except ConnectorError as error:
            self._log.warning(f"Left out: {error}", phase=Phase.PULL.value)
            return None

    @contextmanager
    def open(self, found: Found) -> Iterator[io.BufferedReader]:
        with self._within(found.path, "read") as (folder, name):
            file = os.fdopen(os.open(name, os.O_RDONLY | _FILE, dir_fd=folder), "rb")
        with file, _naming(found.path, "read"):
            _check_regular(file.fileno(), found.path)
            yield file

    def look(self, path: str) -> Found | None:
        """A file; None for a folder, or where there is nothing. The path in it has no links."""
        target = _inside(self._root, path)
        with _naming(path, "read"), suppress(FileNotFoundError):
            seen = target.stat()
            if not stat.S_ISDIR(seen.st_mode):
                return Found(str(target.relative_to(self._root)), seen.st_size, seen.st_mtime)
        return None

    def remove(self, path: str) -> None:
        with self._within(path, "deleted") as (folder, name):
            os.unlink(name, dir_fd=folder)

    def move(self, path: str, folder: str) -> str:
        to = str(Path(path).parent / folder / Path(path).name)
        with self._within(path, "moved") as (old, name), self._within(to, "written", make=True) as (new, _):
            with suppress(FileNotFoundError):
                os.stat(name, dir_fd=new, follow_symlinks=False)
                to = str(Path(to).parent / free_name(name))
            os.rename(name, Path(to).name, src_dir_fd=old, dst_dir_fd=new)
        return to

    def close(self) -> None: ...

    def new(self, path: str) -> NewFile:
        """Raises `ConnectorError`, as all methods of the new file do."""
        with self._within(path, "written", make=True) as (folder, name):
            _remove_left_behind(folder, name)
            return NewFile(path, folder, name)

    def appended(self, path: str) -> AppendedFile:
        with self._within(path, "written", make=True) as (folder, name):
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | _FILE
            file = AppendedFile(path, os.open(name, flags, 0o644, dir_fd=folder))
        try:
            _check_regular(file.handle, path)
        except ConnectorError:
            file.close()
            raise
        return file

    def may_write(self, path: str) -> str:
        """Where it would be written. Raises `ConnectorError` where it could not be. Creates nothing."""
        target = _inside(self._root, path)
        if target.is_dir():
            raise ConnectorError(f"The file {path!r} cannot be written: there is a folder with that name.")
        near = next(parent for parent in target.parents if parent.exists())
        if not near.is_dir() or not os.access(near, os.W_OK | os.X_OK):
            raise ConnectorError(f"The file {path!r} cannot be written: {near} is not a writable folder.")
        return str(target)

    @contextmanager
    def _within(self, path: str, what: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """The folder of a path, opened, and the name in it."""
        target = _inside(self._root, path)
        with _naming(path, what):
            if make:
                self._root.mkdir(parents=True, exist_ok=True)
            folder = _descend(self._root, target.relative_to(self._root).parent.parts, make=make)
            try:
                yield folder, target.name
            finally:
                os.close(folder)


class _Written:
    """A `Target`, open under `handle`."""

    def __init__(self, path: str, handle: int) -> None:
        self._path = path
        self.handle = handle

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        with _naming(self._path, "written"):
            while rest:
                rest = rest[os.write(self.handle, rest) :]

    def commit(self) -> None:
        with _naming(self._path, "written"):
            os.fsync(self.handle)

    def close(self) -> None:
        os.close(self.handle)


class NewFile(_Written):
    """Takes the place of the old file when it is complete. Locked while it is written."""

    def __init__(self, path: str, folder: int, name: str) -> None:
        """Raises `OSError`."""
        temporary = f".{name}.{secrets.token_hex(6)}"
        super().__init__(path, os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE, 0o600, dir_fd=folder))
        self._folder = os.dup(folder)
        self._name = name
        self._temporary = temporary
        with suppress(OSError):  # a file system without locks: there, what is left behind stays
            fcntl.flock(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def commit(self) -> None:
        super().commit()  # otherwise a power cut could leave the new name without content
        with _naming(self._path, "written"):
            os.fchmod(self.handle, 0o644)
            os.rename(self._temporary, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder)

    def close(self) -> None:
        with suppress(OSError):  # renamed
            os.unlink(self._temporary, dir_fd=self._folder)
        super().close()
        os.close(self._folder)


def _remove_left_behind(folder: int, name: str) -> None:
    """Remove temporary files of earlier syncs to this path that were killed: no process holds their locks."""
    ours = re.compile(rf"\.{_TIME.sub(lambda _: _TIME.pattern, re.escape(name))}\.[0-9a-f]{{12}}")
    for one in filter(ours.fullmatch, os.listdir(folder)):
        with suppress(OSError):  # another sync holds the lock, or removes it
            handle = os.open(one, os.O_RDWR | _FILE, dir_fd=folder)
            try:
                if time.time() - os.fstat(handle).st_mtime > UNLOCKED_S:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(one, dir_fd=folder)
            finally:
                os.close(handle)


class AppendedFile(_Written):
    """What is written is visible at once."""

    def is_empty(self) -> bool:
        return os.fstat(self.handle).st_size == 0

    def reader(self) -> io.BufferedReader:
        """From its start. The caller closes it."""
        file = os.fdopen(os.dup(self.handle), "rb")
        file.seek(0)
        return file

    def ends_in_a_line(self) -> bool:
        """False where an earlier sync broke off in the middle of one."""
        return os.pread(self.handle, 1, os.fstat(self.handle).st_size - 1) == b"\n"


def _inside(root: Path, path: str) -> Path:
    """The path below `root`, links resolved. Raises `ConnectorError` when it would lead out of it."""
    try:
        target = (root / path).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # links in a circle, or a NUL
        raise ConnectorError(f"The path {path!r} cannot be used: {error}.") from None
    if target == root or not target.is_relative_to(root):
        raise _leads_out(path, root)
    return target


def _leads_out(path: str, root: Path) -> ConnectorError:
    return ConnectorError(f"The path {path!r} leads out of SYNCTAIL_FILES ({root}), the only folder files may be in.")


def _descend(root: Path, names: Sequence[str], *, make: bool) -> int:
    """The last folder, opened. Raises `OSError`, also where a name is a link."""
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for name in names:
        try:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, dir_fd=folder)
            inner = os.open(name, _FOLDER, dir_fd=folder)
        finally:
            os.close(folder)
        folder = inner
    return folder


def _check_regular(handle: int, path: str) -> None:
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        raise ConnectorError(f"{path!r} is not a regular file.")


@contextmanager
def _naming(path: str, what: str) -> Iterator[None]:
    """Makes an `OSError` a `ConnectorError` which says that this file cannot be `what`, as in "written"."""
    try:
        yield
    except OSError as error:
        raise ConnectorError(f"The file {path!r} cannot be {what}: {error.strerror or error}.") from None
