"""What runs in a script's own process: two processes, in fact, and the standard library only.

The first one, the *keeper*, is ours alone. It forks the second and waits: when that one ends, or when the worker has
gone, it kills what is left, removes the folder and ends. The second one, the *cage*, gives away what it could do harm
with, and then runs the script, batch by batch. It speaks with the worker in JSON, each message behind its length in
four bytes, over pipes that are not its standard output.

It trusts nothing that the script can reach, and the worker trusts nothing that comes from here.
`jobs.transform.script` says what the walls are, and what they are not.
"""

# Without pathlib, which takes longer to load than all that is done here with paths.
# ruff: noqa: PTH102, PTH103, PTH106, PTH112, PTH114, PTH115, PTH116, PTH120, PTH123, PTH208, PTH211

from __future__ import annotations

import ctypes
import faulthandler
import io
import json
import os
import resource
import select
import signal
import stat
import struct
import sys
import time
from contextlib import suppress
from types import ModuleType

TYPE_CHECKING = False  # `typing` itself takes as long to load as much of the rest
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from typing_extensions import Buffer

NAME = "<script>"
"""The script's name in tracebacks."""
NOBODY = 65534
DEEPEST = 100
"""How far lists and objects may stand within each other in what a script returns."""
INT_LIMIT_BITS = 2048
TEXT_LIMIT = 16 * 1024
MARK_ROOM = 64
BROKEN_PIPE = 3
"""Exit status of a cage that cannot speak with the worker any more."""

_libc = ctypes.CDLL(None, use_errno=True)

# --- messages -----------------------------------------------------------------------------------------------------


def _read_message(fd: int) -> bytes | None:
    """None when the other side has gone."""
    head = _read_exactly(fd, 4)
    return _read_exactly(fd, struct.unpack(">I", head)[0]) if head else None


def _read_exactly(fd: int, size: int) -> bytes | None:
    got = bytearray()
    while len(got) < size:
        piece = os.read(fd, min(size - len(got), 1 << 20))
        if not piece:
            return None
        got += piece
    return bytes(got)


def _write_message(fd: int, body: bytes) -> None:
    left = memoryview(struct.pack(">I", len(body)) + body)
    while left:
        left = left[os.write(fd, left) :]


# --- the keeper ---------------------------------------------------------------------------------------------------


def main() -> None:
    requests, answers, nothing = os.dup(0), os.dup(1), os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)  # what C code prints, and Python's last words, are lines as well
    os.close(nothing)
    first = _read_message(requests)
    if first is None:
        return
    setup = json.loads(first)
    own_user, own_pids = _own_pids(setup["without"])
    dead, alive = os.pipe()
    cage = os.fork()
    if cage == 0:
        status = BROKEN_PIPE
        try:
            os.close(dead)
            Cage(setup, requests, answers, alive, own_user=own_user, own_pids=own_pids).run()
            status = 0
        finally:
            os._exit(status)
    for fd in (alive, answers, 1, 2):
        os.close(fd)
    # Neither is read: what counts is that the other end was closed, by the worker or by the cage.
    hang_up = select.poll()
    hang_up.register(requests, 0)
    hang_up.register(dead, 0)
    hang_up.poll()
    # One that is ending anyway keeps the status it ends with: this changes nothing for it.
    os.kill(cage, signal.SIGKILL)
    with suppress(OSError):
        os.killpg(cage, signal.SIGKILL)  # what it forked, where all else let it
    _, ended = os.waitpid(cage, 0)
    _remove(setup["folder"])
    os._exit(128 + os.WTERMSIG(ended) if os.WIFSIGNALED(ended) else os.WEXITSTATUS(ended))


def _remove(folder: str) -> None:
    try:
        os.rmdir(folder)
    except OSError:
        import shutil  # noqa: PLC0415 - slow to load, and hardly ever wanted

        shutil.rmtree(folder, ignore_errors=True)


CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000


def _own_pids(without: list[str]) -> tuple[bool, bool]:
    """The next child gets numbers of its own for processes, and sees nobody else's. Returns whether a namespace of
    users was needed for that, and whether it worked."""
    if sys.platform != "linux" or "namespaces" in without:
        return False, False
    if _libc.unshare(CLONE_NEWPID) == 0:
        return False, True
    user, group = os.geteuid(), os.getegid()
    if _libc.unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0:
        return False, False
    with suppress(OSError):  # who we are in there; without it nobody, which does as well
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    return True, True


# --- the cage -----------------------------------------------------------------------------------------------------


class Cage:
    def __init__(
        self, setup: dict[str, Any], requests: int, answers: int, alive: int, *, own_user: bool, own_pids: bool
    ) -> None:
        self._setup = setup
        self._requests = requests
        self._answers = answers
        self._alive = alive
        self._own_user = own_user
        self._own_pids = own_pids
        self._handle: Callable[[Any, Any], Any] | None = None
        # Bound once: a script that changes `json.dumps` does not change this. One that wants to break it, can.
        self._encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
        self._decode = json.JSONDecoder().decode
        self._lines = 0

    def run(self) -> None:
        missing = self._shut()
        out, err = _Printed(self.say, "info"), _Printed(self.say, "warning")
        sys.stdout, sys.stderr = _text(out), _text(err)
        sys.stdin = None
        faulthandler.enable(2, all_threads=False)
        faulthandler.register(signal.SIGALRM, 2, all_threads=False)  # also where Python does not get to speak
        self._send(["ready", missing])
        while (message := _read_message(self._requests)) is not None:
            self._lines = 0
            signal.setitimer(signal.ITIMER_REAL, self._setup["timeout_s"])
            try:
                answer = self._batch(message)
            except BaseException as error:  # noqa: BLE001 - whatever the script raised, `SystemExit` as well
                answer = self._encode(["fault", *self._told(error)]).encode()
            signal.setitimer(signal.ITIMER_REAL, 0)
            with suppress(Exception):
                out.end()
                err.end()
            self._write(answer)
            self._send(["end", max(0, self._lines - self._setup["lines"] - 1), time.process_time()])

    def say(self, level: str, text: str, record: str | None = None) -> None:
        self._lines += 1
        if self._lines <= self._setup["lines"] + 1:  # one more than is kept says that there are more
            self._send(["line", level, _cut(text), record])

    def _send(self, message: list[Any]) -> None:
        self._write(self._encode(message).encode())

    def _write(self, body: bytes) -> None:
        try:
            _write_message(self._answers, body)
        except OSError:
            os._exit(BROKEN_PIPE)

    # --- a batch ----------------------------------------------------------------------------------------------------

    def _batch(self, message: bytes) -> bytes:
        if self._handle is None:
            self._handle = self._load()
        records = self._decode(message.decode())
        given = list(records)  # kept: an `id` is good for as long as its object lives
        places = {id(record): place for place, record in enumerate(given)}
        made = self._handle(records, _Log(self.say, self._setup["key"]))
        if not isinstance(made, list | tuple):
            what = "nothing" if made is None else f"{_a(made)}"
            raise _Wrong(f"handle returned {what}; it must return a list of records")
        for number, record in enumerate(made, 1):
            if not isinstance(record, dict):
                raise _Wrong(f"item {number} of what handle returned is {_a(record)}; it takes an object (a dict)")
            if problem := _problem(record):
                raise _Wrong(f"record {number} of those that handle returned: {problem}")
        answer = self._encode(["done", made, [places.get(id(record)) for record in made]]).encode()
        if len(answer) > self._setup["output_bytes"]:
            most = f"{self._setup['output_bytes'] / 1e6:,.1f} MB"
            raise _Wrong(f"handle returned {len(answer) / 1e6:,.1f} MB; it may return {most}")
        return answer

    def _load(self) -> Callable[[Any, Any], Any]:
        module = ModuleType("script")
        sys.modules["script"] = module  # where `dataclasses` and others look for it
        scope = vars(module)
        exec(compile(self._setup["code"], NAME, "exec", dont_inherit=True), scope)  # noqa: S102 - that is what it is for
        handle = scope.get("handle")
        if not callable(handle):
            raise _Wrong("there is no function handle(records, log)")
        found: Callable[[Any, Any], Any] = handle
        return found

    def _told(self, error: BaseException) -> tuple[str, str]:
        """What went wrong in a sentence, and the traceback from the script's first line on."""
        if isinstance(error, _Wrong):
            return str(error), ""
        try:
            return self._traced(error)
        except BaseException:  # noqa: BLE001 - no memory, or a script that took Python apart
            return f"{type(error).__name__}, and no more can be said of it", ""

    def _traced(self, error: BaseException) -> tuple[str, str]:
        import linecache  # noqa: PLC0415 - slow to load, and hardly ever wanted
        import traceback  # noqa: PLC0415

        trace = error.__traceback__
        while trace and trace.tb_frame.f_code.co_filename != NAME:
            trace = trace.tb_next
        code = self._setup["code"]
        linecache.cache[NAME] = (len(code), None, code.splitlines(keepends=True), NAME)
        place = ""
        for frame, line in traceback.walk_tb(trace):
            if frame.f_code.co_filename == NAME:
                place = f" (line {line} of the script)"
        what = traceback.format_exception_only(error)[-1].strip()[:TEXT_LIMIT]
        if isinstance(error, MemoryError):
            what += f": a script has {self._setup['memory_bytes'] >> 20:,} MiB"
        said = "".join(traceback.format_exception(type(error), error, trace)) if trace else ""
        return what + place, said[-TEXT_LIMIT:].rstrip()

    # --- walls ------------------------------------------------------------------------------------------------------

    def _shut(self) -> list[str]:
        """Give away what a script needs not. Returns what could not be shut here."""
        os.setsid()
        os.umask(0o022)
        linux = sys.platform == "linux"
        without = self._setup["without"]
        own_files = own_network = filtered = bound = changed = False
        if linux:
            with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
                file.write("1000")  # when memory runs out, this is what the system ends
        if self._own_pids:
            _libc.unshare(CLONE_NEWIPC | CLONE_NEWUTS)
            own_network = _libc.unshare(CLONE_NEWNET) == 0
            own_files = "files" not in without and _own_root(self._setup["folder"], self._setup["file_bytes"])
        if not own_files:
            os.chdir(self._setup["folder"])
        self._limit()
        if linux:
            _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            # Before the change of user, who may not be able to find the folder by its path.
            bound = not own_files and "landlock" not in without and _bind_files(self._setup["folder"])
            if os.geteuid() == 0 and not self._own_user and "user" not in without:
                changed = self._become_nobody(own_files=own_files)
            self._obey_the_keeper()
            _drop_capabilities()
            filtered = "calls" not in without and _filter_calls(_CALLS if own_files else _CALLS | _CALLS_ON_FILES)
        os.environ.clear()
        walls = {
            "network": own_network or filtered,
            "files": own_files or bound,
            "processes": self._own_pids or filtered,
            "user": changed or os.geteuid() != 0 or own_files,
        }
        return [name for name, stands in walls.items() if not stands]

    def _limit(self) -> None:
        setup = self._setup
        limits = {
            "RLIMIT_AS": setup["memory_bytes"],
            "RLIMIT_CPU": setup["cpu_s"],
            "RLIMIT_FSIZE": setup["file_bytes"],
            "RLIMIT_NOFILE": setup["open_files"],
            "RLIMIT_NPROC": 0,  # also no threads; root is not bound by it
            "RLIMIT_CORE": 0,
            "RLIMIT_MEMLOCK": 0,
            "RLIMIT_MSGQUEUE": 0,
        }
        for name, most in limits.items():
            which = getattr(resource, name, None)
            if which is not None:
                hard = resource.getrlimit(which)[1]
                most = most if hard == resource.RLIM_INFINITY else min(most, hard)  # noqa: PLW2901
                with suppress(OSError, ValueError):  # some systems know a limit and do not let it be set
                    resource.setrlimit(which, (most, most))

    def _become_nobody(self, *, own_files: bool) -> bool:
        """Root's files and root's processes are then somebody else's. Not where Python itself could not be read."""
        if not own_files and not all(_others_may_read(path) for path in sys.path if os.path.isdir(path)):
            return False
        try:
            if not own_files:
                os.chown(self._setup["folder"], NOBODY, NOBODY)
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        except OSError:
            return False
        return True

    def _obey_the_keeper(self) -> None:
        """Die with it. After the change of user, which would undo it; and not too late."""
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        keeper = select.poll()
        keeper.register(self._alive, 0)
        if keeper.poll(0):
            os._exit(BROKEN_PIPE)


class _Wrong(Exception):
    """What the script made is not what it was to make."""


class _Log:
    """What a script gets as `log`: `log("…")`, `log.warning("…")`; `record=` says which one a line speaks of."""

    def __init__(self, say: Callable[..., None], key: str) -> None:
        self._say = say
        self._key = key

    def __call__(self, text: object, record: object = None) -> None:
        self._put("info", text, record)

    info = __call__

    def debug(self, text: object, record: object = None) -> None:
        self._put("debug", text, record)

    def warning(self, text: object, record: object = None) -> None:
        self._put("warning", text, record)

    def error(self, text: object, record: object = None) -> None:
        self._put("error", text, record)

    def _put(self, level: str, text: object, record: object) -> None:
        name = record.get(self._key) if isinstance(record, dict) else record
        self._say(level, str(text), None if name is None else str(name)[:TEXT_LIMIT])


def _cut(text: str) -> str:
    """As `lines.cut` shows that something is missing, and short enough not to be cut again."""
    if len(text) * 4 <= TEXT_LIMIT:
        return text
    raw = text.encode("utf-8", "backslashreplace")
    if len(raw) <= TEXT_LIMIT:
        return text
    kept = raw[: TEXT_LIMIT - MARK_ROOM].decode("utf-8", "ignore")
    return f"{kept} … [cut: {len(raw) - len(kept.encode()):,} bytes more]"


class _Printed(io.RawIOBase):
    """What is printed becomes lines, a long one in pieces."""

    def __init__(self, say: Callable[..., None], level: str) -> None:
        self._say = say
        self._level = level
        self.name = level
        self._begun = b""

    def writable(self) -> bool:
        return True

    def write(self, printed: Buffer) -> int:
        added = bytes(printed)
        *whole, begun = (self._begun + added).split(b"\n")
        while len(begun) >= TEXT_LIMIT:
            whole.append(begun[:TEXT_LIMIT])
            begun = begun[TEXT_LIMIT:]
        self._begun = begun
        for line in whole:
            self._say(self._level, line.decode("utf-8", "backslashreplace"))
        return len(added)

    def end(self) -> None:
        if self._begun:
            self.write(b"\n")


def _text(raw: _Printed) -> io.TextIOWrapper:
    return io.TextIOWrapper(raw, "utf-8", errors="backslashreplace", newline="\n", write_through=True)


def _a(value: object) -> str:
    return f"a value of type {type(value).__name__}"


def _problem(value: object) -> str | None:
    """Why JSON, or whoever comes after, could not carry a value: where in it, and what."""
    found = _fault(value, 0)
    if found is None:
        return None
    *path, what = found
    shown = ".".join(path[:6]) + ("…" if len(path) > 6 else "")
    return f"{shown}: {what}" if path else what


def _fault(value: object, depth: int) -> tuple[str, ...] | None:  # noqa: PLR0911 - one for each kind of value
    if value is None or isinstance(value, str | bool):
        return None
    if isinstance(value, int):
        return ("an integer that is far too large",) if value.bit_length() > INT_LIMIT_BITS else None
    if isinstance(value, float):
        return None if value - value == 0 else (f"{value} is not a number that JSON knows",)
    if not isinstance(value, dict | list | tuple):
        return (f"{_a(value)}; it takes text, numbers, true and false, None, lists and objects (dicts)",)
    if depth >= DEEPEST:
        return (f"more than {DEEPEST} lists and objects within each other, or a circle",)
    pairs: Iterable[tuple[object, object]] = value.items() if isinstance(value, dict) else enumerate(value)
    for name, inner in pairs:
        if isinstance(value, dict) and not isinstance(name, str):
            return (f"the name of a member is {_a(name)}; it takes text",)
        if found := _fault(inner, depth + 1):
            return (str(name)[:60], *found)
    return None


# --- what Linux offers --------------------------------------------------------------------------------------------

PR_SET_PDEATHSIG = 1
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
MNT_DETACH = 2


def _must(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), "a wall")


def _mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    of_kind = kind.encode() if kind else None
    _must(_libc.mount(source.encode(), target.encode(), of_kind, ctypes.c_ulong(flags), options.encode() or None))


def _libraries() -> list[str]:
    """The folders that Python needs, shorter ones first: its library, what that is linked with, and time zones."""
    standard = os.path.dirname(os.__file__)
    above = os.path.dirname(standard)
    wanted = {above, "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/nix/store"}
    wanted |= {path for path in sys.path if os.path.isdir(path)}
    return sorted((path for path in wanted if os.path.isdir(path)), key=len)


def _packages() -> list[str]:
    """What others installed beside Python."""
    standard = os.path.dirname(os.__file__)
    version = f"python3.{sys.version_info.minor}"
    homes = (standard, "/usr/lib/python3", f"/usr/lib/{version}", f"/usr/local/lib/{version}")
    found = (f"{home}/{name}" for home in homes for name in ("site-packages", "dist-packages"))
    return [path for path in found if os.path.isdir(path)]


def _own_root(folder: str, size: int) -> bool:
    """A file system of its own: Python's library, to be read, and an empty `/tmp` in memory. Nothing else is there."""
    if _libc.unshare(CLONE_NEWNS) != 0:
        return False
    try:
        _mount("none", "/", None, MS_REC | MS_PRIVATE)
        _mount("none", folder, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=755")
        there: list[str] = []
        for path in _libraries():
            if os.path.islink(path):
                os.symlink(os.readlink(path), folder + path)
            elif not any(path.startswith(f"{one}/") for one in there):
                os.makedirs(folder + path, 0o755)
                _mount(path, folder + path, None, MS_BIND)
                # What the system said of the place, such as `noexec`, must be said again.
                kept = os.statvfs(path).f_flag & MS_NOEXEC
                again = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | kept
                _mount("none", folder + path, None, again)
                there.append(path)
        for path in _packages():
            if os.path.isdir(folder + path):
                _mount("none", folder + path, "tmpfs", MS_RDONLY, "size=4k,mode=555")
        os.mkdir(f"{folder}/tmp")  # noqa: S108 - its own
        options = f"size={size},nr_inodes=10000,mode=1777"
        _mount("none", f"{folder}/tmp", "tmpfs", MS_NOSUID | MS_NODEV, options)  # noqa: S108
        _mount("none", folder, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)
        os.chdir(folder)
        _must(_libc.pivot_root(b".", b"."))
        _must(_libc.umount2(b".", MNT_DETACH))
        os.chdir("/tmp")  # noqa: S108 - its own
    except OSError:
        _libc.umount2(folder.encode(), MNT_DETACH)
        return False
    return True


def _others_may_read(path: str) -> bool:
    """May somebody who is nobody in particular read this folder?"""
    read_and_enter = stat.S_IROTH | stat.S_IXOTH
    while path not in {"/", ""}:
        if os.stat(path).st_mode & read_and_enter != read_and_enter:
            return False
        path = os.path.dirname(path)
    return True


def _drop_capabilities() -> None:
    version_3_of_this_process = struct.pack("=Ii", 0x20080522, 0)
    _libc.capset(version_3_of_this_process, bytes(24))


# Landlock: linux/landlock.h. The numbers of its calls are the same on all machines.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3


def _bind_files(folder: str) -> bool:
    """Where there is no root of its own: read Python's library, write in the folder; no other file can be opened."""
    version = _libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    every = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)) - 1
    network = 0b11 if version >= 4 else 0
    scoped = 0b11 if version >= 6 else 0
    attributes = struct.pack("=QQQ", every, network, scoped)[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = _libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        return False
    packages = _packages()
    homes = {os.path.dirname(path) for path in packages}
    try:
        _allow(ruleset, folder, every)
        for path in _libraries():
            if not any(f"{home}/".startswith(f"{path}/") for home in homes):
                _allow(ruleset, path, _READ_FILE | _READ_DIR)
        for home in homes:  # a rule holds for all that is below, so this takes one for each
            for name in os.listdir(home):
                if (path := f"{home}/{name}") not in packages:
                    _allow(ruleset, path, _READ_FILE | (_READ_DIR if os.path.isdir(path) else 0))
        return bool(_libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    except OSError:
        return False
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, what: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        _must(_libc.syscall(_ADD_RULE, ruleset, 1, struct.pack("=Qi", what, place), 0))
    finally:
        os.close(place)


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


def _filter_calls(calls: dict[str, tuple[int | None, int | None]]) -> bool:
    """Refuse these. With `_CALLS`: no sockets, no processes and threads, no programs, no signals to others."""
    name = os.uname().machine
    if name not in _MACHINES or sys.maxsize < 1 << 32:
        return False
    column, machine = _MACHINES[name]
    numbers = [pair[column] for pair in calls.values()]
    refused = [number for number in numbers if number is not None]
    program = [
        struct.pack("=HBBI", _LOAD, 0, 0, 4),
        struct.pack("=HBBI", _EQUALS, 1, 0, machine),
        struct.pack("=HBBI", _RETURN, 0, 0, _KILLED),
        struct.pack("=HBBI", _LOAD, 0, 0, 0),
        # The C library asks for clone3 first, and takes this to mean an old kernel.
        struct.pack("=HBBI", _EQUALS, 0, 1, _CLONE3),
        struct.pack("=HBBI", _RETURN, 0, 0, _REFUSED | _ENOSYS),
        struct.pack("=HBBI", _AT_LEAST, len(refused) + 1, 0, 0x40000000),  # x32: the same calls by other numbers
    ]
    for left, number in zip(range(len(refused), 0, -1), refused, strict=True):
        program.append(struct.pack("=HBBI", _EQUALS, left, 0, number))
    program.append(struct.pack("=HBBI", _RETURN, 0, 0, _ALLOWED))
    program.append(struct.pack("=HBBI", _RETURN, 0, 0, _REFUSED | _EPERM))
    code = ctypes.create_string_buffer(b"".join(program))
    whole = struct.pack("@HP", len(program), ctypes.addressof(code))
    return bool(_libc.prctl(PR_SET_SECCOMP, 2, ctypes.c_char_p(whole), 0, 0) == 0)


if __name__ == "__main__":
    main()
