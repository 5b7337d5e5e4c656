"""The keeper: forks the cage and waits. When the cage ends or the worker is gone, it kills what is left, removes the
folder and ends."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress

from jobs.transform.sandbox import linux, walls
from jobs.transform.sandbox.cage import Cage
from jobs.transform.sandbox.messages import BROKEN_PIPE, Setup, read_message

PROGRAM = os.path.join(os.path.dirname(__file__), "__main__.py")
"""What to start Python with. A worker that imports this leaves bytecode for the child, which writes none itself."""


def main() -> None:
    requests, answers = _take_pipes()
    first = read_message(requests)
    if first is None:
        return
    setup = Setup(first)
    own_user, own_pids = linux.own_pids(setup.without)
    dead, alive = os.pipe()
    cage = os.fork()
    if cage == 0:
        status = BROKEN_PIPE
        try:
            os.close(dead)
            missing = walls.put_up(setup, alive, own_user=own_user, own_pids=own_pids)
            Cage(setup, requests, answers).run(missing)
            status = 0
        finally:
            os._exit(status)
    for fd in (alive, answers, 1, 2):
        os.close(fd)
    _wait_for_hang_up(requests, dead)
    status = _killed(cage)
    _remove(setup.folder)
    os._exit(status)


def _take_pipes() -> tuple[int, int]:
    """Move the worker's pipes away from standard input and output."""
    requests, answers, nothing = os.dup(0), os.dup(1), os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)  # what C code prints, and Python's last words, are lines as well
    os.close(nothing)
    return requests, answers


def _wait_for_hang_up(*fds: int) -> None:
    """Nothing is read: what counts is that the other end of one was closed, by the worker or by the cage."""
    hang_up = select.poll()
    for fd in fds:
        hang_up.register(fd, 0)
    hang_up.poll()


def _killed(cage: int) -> int:
    """The exit status of the cage: 128 and more for signals."""
    # One that is ending anyway keeps its status: this changes nothing for it.
    os.kill(cage, signal.SIGKILL)
    with suppress(OSError):
        os.killpg(cage, signal.SIGKILL)  # what it forked, where no wall forbade that
    _, ended = os.waitpid(cage, 0)
    return 128 + os.WTERMSIG(ended) if os.WIFSIGNALED(ended) else os.WEXITSTATUS(ended)


def _remove(folder: str) -> None:
    try:
        os.rmdir(folder)
    except OSError:
        import shutil  # noqa: PLC0415 - slow to load, and rarely needed

        shutil.rmtree(folder, ignore_errors=True)
