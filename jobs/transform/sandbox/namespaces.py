"""Namespaces: processes, a network and files of the cage's own. In most containers none can be had."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress

from jobs.transform.sandbox.linux import libc, libraries, must, packages

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
MNT_DETACH = 2


def own_pids(without: list[str]) -> tuple[bool, bool]:
    """The next child numbers its processes by itself, and sees no other. Returns whether that took a namespace of
    users, and whether it worked."""
    if sys.platform != "linux" or "namespaces" in without:
        return False, False
    if libc.unshare(CLONE_NEWPID) == 0:
        return False, True
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0:
        return False, False
    with suppress(OSError):  # who we are in there; without it the user nobody, which does as well
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    return True, True


def own_network() -> bool:
    """An empty network, and shared memory and a host name of its own."""
    libc.unshare(CLONE_NEWIPC | CLONE_NEWUTS)
    return bool(libc.unshare(CLONE_NEWNET) == 0)


def own_root(folder: str, size: int) -> bool:
    """A file system of its own: Python's library, read-only, and an empty `/tmp` in memory. Nothing else is there."""
    if libc.unshare(CLONE_NEWNS) != 0:
        return False
    try:
        _mount("none", "/", None, MS_REC | MS_PRIVATE)
        _mount("none", folder, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755")
        _mount_libraries(folder)
        os.mkdir(f"{folder}/tmp")  # noqa: S108 - its own
        options = f"size={size},nr_inodes=10000,mode=1777"
        _mount("none", f"{folder}/tmp", "tmpfs", MS_NOSUID | MS_NODEV, options)  # noqa: S108
        _mount("none", folder, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)
        os.chdir(folder)
        must(libc.pivot_root(b".", b"."))
        must(libc.umount2(b".", MNT_DETACH))
        os.chdir("/tmp")  # noqa: S108 - its own
    except OSError:
        libc.umount2(folder.encode(), MNT_DETACH)
        return False
    return True


def _mount_libraries(folder: str) -> None:
    there: list[str] = []
    for path in libraries():
        if os.path.islink(path):
            os.symlink(os.readlink(path), folder + path)
        elif not any(path.startswith(f"{one}/") for one in there):
            os.makedirs(folder + path, 0o755)
            _mount(path, folder + path, None, MS_BIND)
            # What the system said of the place, such as `noexec`, must be said again.
            kept = os.statvfs(path).f_flag & MS_NOEXEC
            _mount("none", folder + path, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | kept)
            there.append(path)
    for path in packages():
        if os.path.isdir(folder + path):
            _mount("none", folder + path, "tmpfs", MS_RDONLY, "size=4k,mode=555")


def _mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    of_kind = kind.encode() if kind else None
    must(libc.mount(source.encode(), target.encode(), of_kind, ctypes.c_ulong(flags), options.encode() or None))
