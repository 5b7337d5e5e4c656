"""What Linux offers for walls: namespaces; and where none can be had, as in most containers, Landlock and seccomp."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from contextlib import suppress

PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38

libc = ctypes.CDLL(None, use_errno=True)


def _must(result: int) -> None:
    """Raises `OSError` where a call has failed."""
    if result != 0:
        raise OSError(ctypes.get_errno(), "a wall")


def drop_capabilities() -> None:
    version_3_of_this_process = struct.pack("=Ii", 0x20080522, 0)
    libc.capset(version_3_of_this_process, bytes(24))


def _libraries() -> list[str]:
    """The folders that Python needs, shorter ones first: its library, what that is linked with, and time zones."""
    above = os.path.dirname(os.path.dirname(os.__file__))
    wanted = {above, "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/nix/store"}
    wanted |= {path for path in sys.path if os.path.isdir(path)}
    return sorted((path for path in wanted if os.path.isdir(path)), key=len)


def _packages() -> list[str]:
    """Folders within those of packages that were installed beside Python."""
    version = f"python3.{sys.version_info.minor}"
    homes = (os.path.dirname(os.__file__), "/usr/lib/python3", f"/usr/lib/{version}", f"/usr/local/lib/{version}")
    found = (f"{home}/{name}" for home in homes for name in ("site-packages", "dist-packages"))
    return [path for path in found if os.path.isdir(path)]


# --- namespaces: processes, a network and files of the cage's own -----------------------------------------------------

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
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
    with suppress(OSError):  # our user in there; without it 65534, which does as well
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
        _must(libc.pivot_root(b".", b"."))
        _must(libc.umount2(b".", MNT_DETACH))
        os.chdir("/tmp")  # noqa: S108 - its own
    except OSError:
        libc.umount2(folder.encode(), MNT_DETACH)
        return False
    return True


def _mount_libraries(folder: str) -> None:
    there: list[str] = []
    for path in _libraries():
        if os.path.islink(path):
            os.symlink(os.readlink(path), folder + path)
        elif not any(path.startswith(f"{one}/") for one in there):
            os.makedirs(folder + path, 0o755)
            _mount(path, folder + path, None, MS_BIND)
            # What the system said of the place, such as `noexec`, must be said again.
            kept = os.statvfs(path).f_flag & MS_NOEXEC
            _mount("none", folder + path, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | kept)
            there.append(path)
    for path in _packages():
        if os.path.isdir(folder + path):
            _mount("none", folder + path, "tmpfs", MS_RDONLY, "size=4k,mode=555")


def _mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    of_kind = kind.encode() if kind else None
    _must(libc.mount(source.encode(), target.encode(), of_kind, ctypes.c_ulong(flags), options.encode() or None))


# --- Landlock: which files can be opened; see linux/landlock.h --------------------------------------------------------

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
    left_out = _packages()
    homes = {os.path.dirname(path) for path in left_out}
    for path in _libraries():
        if not any(f"{home}/".startswith(f"{path}/") for home in homes):
            _allow(ruleset, path, _READ_FILE | _READ_DIR)
    for home in homes:
        for name in os.listdir(home):
            if (path := f"{home}/{name}") not in left_out:
                _allow(ruleset, path, _READ_FILE | (_READ_DIR if os.path.isdir(path) else 0))


def _allow(ruleset: int, path: str, what: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        _must(libc.syscall(_ADD_RULE, ruleset, 1, struct.pack("=Qi", what, place), 0))
    finally:
        os.close(place)


# --- seccomp: no sockets, processes, threads, programs, or signals to others ------------------------------------------

# Calls that a script has no use for: the number on x86-64, and in the table that newer machines share.
_CALLS = """
    clone 56 220, fork 57 -, vfork 58 -, execve 59 221, execveat 322 281,
    socket 41 198, ptrace 101 117, process_vm_readv 310 270, process_vm_writev 311 271,
    kill 62 129, tkill 200 130, tgkill 234 131, rt_sigqueueinfo 129 138, rt_tgsigqueueinfo 297 240,
    pidfd_open 434 434, pidfd_getfd 438 438, pidfd_send_signal 424 424,
    unshare 272 97, setns 308 268, mount 165 40, umount2 166 39, pivot_root 155 41, chroot 161 51,
    open_tree 428 428, move_mount 429 429, fsopen 430 430, fsmount 432 432, mount_setattr 442 442,
    keyctl 250 219, add_key 248 217, request_key 249 218, memfd_create 319 279, shmget 29 194,
    open_by_handle_at 304 265, io_uring_setup 425 425, bpf 321 280, perf_event_open 298 241, userfaultfd 323 282
"""
# Where the files are the worker's: Landlock keeps them from being opened, and does not keep these from them.
_CALLS_ON_FILES = """
    chmod 90 -, fchmod 91 52, fchmodat 268 53, fchmodat2 452 452,
    chown 92 -, lchown 94 -, fchown 93 55, fchownat 260 54,
    utime 132 -, utimes 235 -, futimesat 261 -, utimensat 280 88,
    setxattr 188 5, lsetxattr 189 6, fsetxattr 190 7, removexattr 197 14, lremovexattr 198 15, fremovexattr 199 16
"""
_CLONE3 = 435
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_LOAD, _EQUALS, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOWED, _REFUSED, _KILLED = 0x7FFF0000, 0x00050000, 0x80000000
_EPERM, _ENOSYS = 1, 38


def filter_calls(*, on_files: bool) -> bool:
    """Refuse the calls above, and with `on_files` those that change files. Returns whether that worked."""
    name = os.uname().machine
    if name not in _MACHINES or sys.maxsize < 1 << 32:
        return False
    column, machine = _MACHINES[name]
    calls = f"{_CALLS},{_CALLS_ON_FILES}" if on_files else _CALLS
    pairs = [(x86_64, newer) for _, x86_64, newer in map(str.split, calls.split(","))]
    refused = [int(pair[column]) for pair in pairs if pair[column] != "-"]
    program = b"".join(struct.pack("=HBBI", *step) for step in _program(machine, refused))
    code = ctypes.create_string_buffer(program)
    whole = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    return bool(libc.prctl(PR_SET_SECCOMP, 2, ctypes.c_char_p(whole), 0, 0) == 0)


def _program(machine: int, refused: list[int]) -> list[tuple[int, int, int, int]]:
    """In classic BPF: what to do, how many steps to skip if it is so and if not, and a number."""
    return [
        (_LOAD, 0, 0, 4),
        (_EQUALS, 1, 0, machine),
        (_RETURN, 0, 0, _KILLED),
        (_LOAD, 0, 0, 0),
        # The C library asks for clone3 first, and takes this answer to mean an old kernel.
        (_EQUALS, 0, 1, _CLONE3),
        (_RETURN, 0, 0, _REFUSED | _ENOSYS),
        (_AT_LEAST, len(refused) + 1, 0, 0x40000000),  # x32: the same calls by other numbers
        *((_EQUALS, left, 0, number) for left, number in zip(range(len(refused), 0, -1), refused, strict=True)),
        (_RETURN, 0, 0, _ALLOWED),
        (_RETURN, 0, 0, _REFUSED | _EPERM),
    ]
