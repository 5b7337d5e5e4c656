"""seccomp: which calls the kernel refuses. No sockets, processes, threads, programs, or signals to others."""

from __future__ import annotations

import ctypes
import os
import struct
import sys

from jobs.transform.sandbox.linux import PR_SET_SECCOMP, libc

# Calls that a script has no use for, by their numbers: x86-64, and the table that newer machines share.
_CALLS: dict[str, tuple[int | None, int | None]] = {
    "clone": (56, 220),
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "socket": (41, 198),
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "open_by_handle_at": (304, 265),
    "memfd_create": (319, 279),
    "shmget": (29, 194),
    "pidfd_send_signal": (424, 424),
    "io_uring_setup": (425, 425),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "mount_setattr": (442, 442),
}
# Where the files are the worker's: Landlock keeps them from being opened, and does not keep these from them.
_CALLS_ON_FILES: dict[str, tuple[int | None, int | None]] = {
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "lchown": (94, None),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
}
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
    calls = _CALLS | _CALLS_ON_FILES if on_files else _CALLS
    refused = [number for pair in calls.values() if (number := pair[column]) is not None]
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
