"""What a script cannot do at all, wall by wall."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from jobs.transform.script import Limits
from tests.kit.scripts import (
    RECORDS,
    Log,
    handle,
    is_running,
    on_linux,
    run,
    script,
    wait_for,
)
from tests.kit.support import ROOT

pytestmark = pytest.mark.usefixtures("folders")

TRIES = """
import os, sys, socket, threading, subprocess, signal
PARENTS = {parents}

def tried(what):
    try:
        return str(what())
    except BaseException as error:
        return "!" + type(error).__name__

def environ(pid):
    with open(f"/proc/{{pid}}/environ", "rb") as file:
        return file.read()

def written(path):
    with open(path, "w") as file:
        file.write("x")

def forked():
    if os.fork() == 0:
        os._exit(0)
    os.wait()

def bomb():
    for _ in range(50):
        if os.fork() == 0:
            import time; time.sleep(60); os._exit(0)

def handle(records, log):
    made = {{
        "environment": dict(os.environ),
        "secrets": [tried(lambda: environ(pid)) for pid in PARENTS],
        "kill": [tried(lambda: os.kill(pid, 0)) for pid in PARENTS],
        "connect": tried(lambda: socket.create_connection(("127.0.0.1", {port}), 2)),
        "outside": tried(lambda: written({outside!r})),
        "chmod": tried(lambda: os.chmod({outside!r}, 0o777)),
        "tmp": tried(lambda: written({tmp!r})),
        "read": tried(lambda: open({outside!r}).read()),
        "here": tried(lambda: written("here")),
        "fork": tried(forked),
        "bomb": tried(bomb),
        "thread": tried(lambda: threading.Thread(target=print).start()),
        "program": tried(lambda: subprocess.run(["/bin/sh", "-c", "true"], check=True)),
        "packages": tried(lambda: __import__("msgspec")),
        "ours": tried(lambda: __import__("jobs")),
        "loaded": [name for name in sys.modules if name.partition(".")[0] == "jobs"],
        "searched": [path for path in sys.path if "-packages" in path or path == {root!r}],
        "installed": tried(lambda: os.listdir({packages!r})),
        "descriptors": [fd for fd in range(100) if not tried(lambda: os.fstat(fd)).startswith("!")],
        "user": os.getuid(),
    }}
    return [{{"id": 1, "made": made}}]
"""


@pytest.fixture
def tries(tmp_path: Path) -> Iterator[str]:
    """A script that tries everything that it must not be able to do, and says what came of it."""
    outside = tmp_path / "outside"
    outside.write_text("a secret")
    outside.chmod(0o600)
    packages = str(Path(os.__file__).parent / "site-packages")
    with socket.create_server(("127.0.0.1", 0)) as listens:
        yield TRIES.format(
            parents=[os.getpid(), os.getppid()],
            port=listens.getsockname()[1],
            outside=str(outside),
            tmp=f"/tmp/synctail-was-here-{os.getpid()}",  # noqa: S108
            packages=packages,
            root=str(ROOT),
        )
    assert outside.read_text() == "a secret"
    assert not Path(f"/tmp/synctail-was-here-{os.getpid()}").exists() or "/tmp" in packages  # noqa: S108


def attacked(tries: str, **more: Any) -> tuple[dict[str, Any], Log]:
    outcome, log = run(tries, RECORDS[:1], **more)
    assert outcome.fault is None
    made = outcome.kept[0][1]["made"]
    assert made["environment"] == {}
    assert made["packages"] == made["ours"] == "!ModuleNotFoundError"
    assert made["searched"] == made["loaded"] == []
    assert made["here"] == "None"
    assert len(made["descriptors"]) <= 7  # its standard ones, and its pipes
    return cast("dict[str, Any]", made), log


def refused(said: str | list[str]) -> bool:
    return all(one.startswith("!") for one in ([said] if isinstance(said, str) else said))


def may_make_namespaces() -> bool:
    """Without a namespace of users: such a root need not stay root in there."""
    status = Path("/proc/self/status").read_text()
    (effective,) = (line.split()[1] for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective, 16) >> 21 & 1)


def namespaces() -> bool:
    """Can namespaces be had here? In most containers they cannot."""
    outcome, _ = run(handle("return [{'id': 1, 'folder': os.getcwd()}]"))
    assert outcome.fault is None
    return bool(outcome.kept[0][1]["folder"] == "/tmp")  # noqa: S108


@on_linux
def test_with_namespaces_a_script_sees_nothing_but_python(tries: str) -> None:
    if not namespaces():
        pytest.skip("no namespaces here")
    # Each wall by itself: the filter of calls would refuse most of this anyway.
    for without in ([], ["calls"]):
        made, log = attacked(tries.replace('"tmp": tried', '"_": tried'), without=without)
        for what in ("secrets", "kill", "connect", "outside", "chmod", "read", "program"):
            assert refused(made[what]), what
        assert made["installed"] in ("[]", "!FileNotFoundError")
        if os.geteuid() == 0 and may_make_namespaces():
            assert made["user"] == 65534
        if not without or made["user"] != 0:  # no limit of processes binds root
            for what in ("fork", "bomb", "thread"):
                assert refused(made[what]), what
        assert log.texts("warning") == []


@on_linux
def test_without_namespaces_landlock_and_seccomp_do_most_of_it(tries: str) -> None:
    made, log = attacked(tries, without=["namespaces"])
    said = " ".join(log.texts("warning"))
    if os.uname().machine in {"x86_64", "aarch64"}:
        assert "network" not in said
        for what in ("kill", "connect", "fork", "bomb", "thread", "program", "chmod"):
            assert refused(made[what]), what
    if ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1) >= 1:  # the version of Landlock
        assert "read and write" not in said
        for what in ("secrets", "outside", "tmp", "read", "installed"):
            assert refused(made[what]), what


@on_linux
def test_the_secrets_of_a_worker_that_is_root_are_kept_even_without_walls(tries: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root has what its scripts give away")
    for without in (["namespaces", "landlock", "calls"], ["namespaces", "landlock", "calls", "user"]):
        secrets = "    return [{'id': 1, 'made': [tried(lambda: environ(pid)) for pid in PARENTS]}]"
        outcome, _ = run(tries.split("    made =", maxsplit=1)[0] + secrets, RECORDS[:1], without=without)
        assert refused(outcome.kept[0][1]["made"])


@on_linux
def test_walls_that_cannot_be_had_are_told_once() -> None:
    log = Log()
    with script(handle("return records"), log, without=["namespaces", "landlock", "calls"]) as one:
        one.run(RECORDS)
        one.run(RECORDS)
    (said,) = log.texts("warning")
    assert said.startswith(
        "This system does not offer all walls that a script is meant to have: it can reach the network"
    )


@on_linux
@pytest.mark.parametrize("without", [[], ["namespaces"], ["namespaces", "calls"], ["namespaces", "calls", "landlock"]])
def test_whatever_a_script_forks_ends_with_it(without: list[str]) -> None:
    """Only root can fork at all, and only where there is neither a namespace nor a filter of calls."""
    body = """
        import time
        for _ in range(20):
            try: pid = os.fork()
            except OSError: break
            if pid == 0: time.sleep(60)
            print(pid)
        return None
    """
    outcome, log = run(handle(body), without=without)
    assert outcome.fault
    wait_for(lambda: not any(is_running(int(pid)) for pid in log.texts()))


@on_linux
@pytest.mark.parametrize("without", [[], ["namespaces"]])
def test_a_script_cannot_end_its_worker(without: list[str]) -> None:
    body = """
        import signal
        for pid in (os.getppid(), -1):
            try: os.kill(pid, signal.SIGKILL)
            except OSError: pass
        return records
    """
    if without and "signal" in " ".join(run(handle("return records"), without=without)[1].texts("warning")):
        pytest.skip("no filter of calls here")
    outcome, _ = run(handle(body), without=without)
    assert outcome.fault is None


@on_linux
def test_files_are_limited_one_by_one_and_in_all() -> None:
    body = """
        try:
            with open("big", "wb") as file:
                while True: file.write(bytes(1 << 20))
        except OSError as error:
            print(error.errno)
        try:
            files = [open("f", "w") for _ in range(1000)]
        except OSError as error:
            print(error.errno)
        return records
    """
    limits = Limits(file_bytes=4 << 20)
    for without in ([], ["namespaces"]):
        _, log = run(
            "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n" + handle(body),
            limits=limits,
            without=without,
        )
        assert log.texts()[0] in {"27", "28"}
        assert log.texts()[1] == "24"


@on_linux
def test_a_process_can_hide_its_environment() -> None:
    hide = "from jobs.transform.script import hide_environment; hide_environment()"
    code = f"{hide}; import sys; print(1, flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        assert Path(f"/proc/{process.pid}/environ").stat().st_uid == 0
        process.communicate()
