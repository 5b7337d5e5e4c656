"""What the cage gives up before it loads a script: network, files, other processes, root, and more than its share."""

from __future__ import annotations

import os
import resource
import select
import signal
import stat
import sys
from contextlib import suppress

from jobs.transform.sandbox import linux
from jobs.transform.sandbox.messages import BROKEN_PIPE, Setup

OTHER_USER = 65534


def put_up(setup: Setup, alive: int, *, own_user: bool, own_pids: bool) -> list[str]:
    """Returns the names of those walls that this system does not offer.

    `alive`: a pipe whose other end closes with the keeper. `own_user`, `own_pids`: as of `linux.own_pids`.
    """
    on_linux = sys.platform == "linux"
    own_network = own_files = bound = filtered = changed = False
    os.setsid()
    os.umask(0o022)
    if on_linux:
        _be_ended_first()
    if own_pids:
        own_network = linux.own_network()
        own_files = "files" not in setup.without and linux.own_root(setup.folder, setup.file_bytes)
    if not own_files:
        os.chdir(setup.folder)
    _limit(setup)
    if on_linux:
        linux.libc.prctl(linux.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        # Before the change of user, who may not be able to find the folder by its path.
        bound = not own_files and "landlock" not in setup.without and linux.bind_files(setup.folder)
        if os.geteuid() == 0 and not own_user and "user" not in setup.without:
            changed = _become_other_user(setup.folder, own_files=own_files)
        _end_with_the_keeper(alive)
        linux.drop_capabilities()
        filtered = "calls" not in setup.without and linux.filter_calls(on_files=not own_files)
    os.environ.clear()
    walls = {
        "network": own_network or filtered,
        "files": own_files or bound,
        "processes": own_pids or filtered,
        "user": changed or os.geteuid() != 0 or own_files,
    }
    return [name for name, is_up in walls.items() if not is_up]


def _be_ended_first() -> None:
    """When memory runs out, this is the process that the system kills."""
    with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")


def _limit(setup: Setup) -> None:
    limits = {
        "RLIMIT_AS": setup.memory_bytes,
        "RLIMIT_CPU": setup.cpu_s,
        "RLIMIT_FSIZE": setup.file_bytes,
        "RLIMIT_NOFILE": setup.open_files,
        "RLIMIT_NPROC": 0,  # no threads either; root is not bound by it
        "RLIMIT_CORE": 0,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_MSGQUEUE": 0,
    }
    for name, most in limits.items():
        which = getattr(resource, name, None)
        if which is not None:
            hard = resource.getrlimit(which)[1]
            limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
            with suppress(OSError, ValueError):  # some systems know a limit and do not let it be set
                resource.setrlimit(which, (limit, limit))


def _become_other_user(folder: str, *, own_files: bool) -> bool:
    """Root's files and processes are then another user's. Not where that user could not read Python itself."""
    if not own_files and not all(_others_may_read(path) for path in sys.path if os.path.isdir(path)):
        return False
    try:
        if not own_files:
            os.chown(folder, OTHER_USER, OTHER_USER)
        os.setgroups([])
        os.setresgid(OTHER_USER, OTHER_USER, OTHER_USER)
        os.setresuid(OTHER_USER, OTHER_USER, OTHER_USER)
    except OSError:
        return False
    return True


def _others_may_read(path: str) -> bool:
    """May any user read this folder?"""
    read_and_enter = stat.S_IROTH | stat.S_IXOTH
    while path not in {"/", ""}:
        if os.stat(path).st_mode & read_and_enter != read_and_enter:
            return False
        path = os.path.dirname(path)
    return True


def _end_with_the_keeper(alive: int) -> None:
    """After the change of user, which would undo it. The keeper may be gone by now: then end at once."""
    linux.libc.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    keeper = select.poll()
    keeper.register(alive, 0)
    if keeper.poll(0):
        os._exit(BROKEN_PIPE)
