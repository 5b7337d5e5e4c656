"""Landlock: which files can be opened, where the cage has no file system of its own. See linux/landlock.h."""

from __future__ import annotations

import ctypes
import os
import struct

from jobs.transform.sandbox.linux import libc, libraries, must, packages

# The same numbers on all machines.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3


def bind_files(folder: str) -> bool:
    """Read Python's library, write in the folder; no other file can be opened. Returns whether that worked."""
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    every = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)) - 1
    network = 0b11 if version >= 4 else 0
    scoped = 0b11 if version >= 6 else 0
    attributes = struct.pack("=QQQ", every, network, scoped)[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        return False
    try:
        _allow(ruleset, folder, every)
        _allow_libraries(ruleset)
        return bool(libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    except OSError:
        return False
    finally:
        os.close(ruleset)


def _allow_libraries(ruleset: int) -> None:
    """All but the packages. A rule holds for everything below, so their neighbours take one each."""
    left_out = packages()
    homes = {os.path.dirname(path) for path in left_out}
    for path in libraries():
        if not any(f"{home}/".startswith(f"{path}/") for home in homes):
            _allow(ruleset, path, _READ_FILE | _READ_DIR)
    for home in homes:
        for name in os.listdir(home):
            if (path := f"{home}/{name}") not in left_out:
                _allow(ruleset, path, _READ_FILE | (_READ_DIR if os.path.isdir(path) else 0))


def _allow(ruleset: int, path: str, what: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        must(libc.syscall(_ADD_RULE, ruleset, 1, struct.pack("=Qi", what, place), 0))
    finally:
        os.close(place)
