"""What the walls of Linux share: its C library, and the folders that Python cannot do without."""

from __future__ import annotations

import ctypes
import os
import struct
import sys

PR_SET_PDEATHSIG = 1
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38

libc = ctypes.CDLL(None, use_errno=True)


def must(result: int) -> None:
    """Raises `OSError` where a call has failed."""
    if result != 0:
        raise OSError(ctypes.get_errno(), "a wall")


def drop_capabilities() -> None:
    version_3_of_this_process = struct.pack("=Ii", 0x20080522, 0)
    libc.capset(version_3_of_this_process, bytes(24))


def libraries() -> list[str]:
    """The folders that Python needs, shorter ones first: its library, what that is linked with, and time zones."""
    standard = os.path.dirname(os.__file__)
    above = os.path.dirname(standard)
    wanted = {above, "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/nix/store"}
    wanted |= {path for path in sys.path if os.path.isdir(path)}
    return sorted((path for path in wanted if os.path.isdir(path)), key=len)


def packages() -> list[str]:
    """Folders within those of packages that were installed beside Python."""
    standard = os.path.dirname(os.__file__)
    version = f"python3.{sys.version_info.minor}"
    homes = (standard, "/usr/lib/python3", f"/usr/lib/{version}", f"/usr/local/lib/{version}")
    found = (f"{home}/{name}" for home in homes for name in ("site-packages", "dist-packages"))
    return [path for path in found if os.path.isdir(path)]
