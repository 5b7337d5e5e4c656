"""A script in its own process: what it may do with records, what it may not do at all; nothing stays behind."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest

from jobs.transform.script import NAMED, Limits, Outcome, check
from synctail.log.lines import cut
from tests.kit.scripts import SMALL, Log, handle, script
from tests.kit.support import PATIENCE_S, ROOT, until

RECORDS: list[dict[str, Any]] = [{"id": number, "name": f"Record {number}"} for number in range(1, 6)]
WRITES_ANYWHERE = """
for fd in range(3, 20):
    try: os.write(fd, b"{}" * 9)
    except OSError: pass
return records
"""
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="these walls are Linux's")


def run(code: str, records: list[dict[str, Any]] | None = None, **more: Any) -> tuple[Outcome, Log]:
    """One batch of a sync's own script."""
    log = Log()
    with script(code, log, **more) as one:
        return one.run(RECORDS if records is None else records), log


def run_too_long(body: str) -> tuple[Outcome, Log]:
    """A script has a second to say where it is, which a busy machine may not give it: one of three says so."""
    for _ in range(3):
        outcome, log = run(handle(body), timeout_s=0.4)
        if "it was at" in (outcome.fault or ""):
            break
    return outcome, log


# --- what is left behind -------------------------------------------------------------------------------------------


def running(of: int) -> list[int]:
    """The processes that a process started for scripts, and those that these started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            number, rest = status.read_text().split(" ", 1)
            parent = int(rest.rsplit(")", 1)[1].split()[1])
            if parent == of and b"script_child" in (status.parent / "cmdline").read_bytes():
                found += [int(number), *running(int(number))]
            elif parent == of and rest.rsplit(")", 1)[1].split()[0] == "Z":
                found.append(int(number))
    return found


def descriptors() -> int:
    return len(os.listdir("/dev/fd"))  # noqa: PTH208


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where scripts have their folders. Ends each test as failed that leaves one, or a process, or a descriptor."""
    place = tmp_path / "folders"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    open_before = descriptors()
    yield place
    assert list(place.iterdir()) == []
    until(lambda: not any(thread.name == "synctail-script" for thread in threading.enumerate()), "its thread ends")
    assert descriptors() <= open_before
    if sys.platform == "linux":
        assert running(os.getpid()) == []


# --- records and counts --------------------------------------------------------------------------------------------


def test_a_script_changes_records_in_place() -> None:
    outcome, log = run(handle("for r in records: r['name'] = r['name'].upper()\nreturn records"))
    assert outcome.kept == [(record, {**record, "name": record["name"].upper()}) for record in RECORDS]
    assert (outcome.dropped, outcome.fault, log.lines) == ([], None, [])


def test_a_new_record_stands_for_the_one_with_its_key() -> None:
    outcome, _ = run(handle("return [{'id': r['id'], 'twice': r['id'] * 2} for r in reversed(records)]"))
    assert outcome.kept == [(record, {"id": record["id"], "twice": record["id"] * 2}) for record in reversed(RECORDS)]


def test_a_record_that_stays_itself_may_even_change_its_key() -> None:
    outcome, _ = run(handle("for r in records: r['id'] = f\"N-{r['id']}\"\nreturn records"))
    assert [(pulled["id"], made["id"]) for pulled, made in outcome.kept] == [(n, f"N-{n}") for n in range(1, 6)]


def test_what_is_dropped_is_told_and_every_record_is_accounted_for() -> None:
    outcome, log = run(handle("records[:] = [r for r in records if r['id'] % 2]\nreturn records"))
    assert [pulled["id"] for pulled, _ in outcome.kept] == [1, 3, 5]
    assert [record["id"] for record in outcome.dropped] == [2, 4]
    assert log.texts() == ["2 records dropped by the script"]


def test_records_without_a_key_or_with_the_same_are_told_apart_as_long_as_they_stay_themselves() -> None:
    records: list[dict[str, Any]] = [{"n": 1}, {"n": 2}, {"id": "a", "n": 3}, {"id": "a", "n": 4}]
    outcome, _ = run(handle("return [records[1], records[3]]"), records)
    assert [pulled["n"] for pulled, _ in outcome.kept] == [2, 4]
    assert [record["n"] for record in outcome.dropped] == [1, 3]


def test_new_records_with_the_same_key_take_turns() -> None:
    outcome, _ = run(handle("return [dict(r) for r in records]"), [{"id": "a", "n": 3}, {"id": "a", "n": 4}])
    assert [pulled["n"] for pulled, _ in outcome.kept] == [3, 4]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return [*records, {'id': 99}]", "with id 99 that stands for none of those it was given"),
        ("return [*records, {'name': 'x'}]", "without 'id' that stands for none"),
        ("return [*records, records[0]]", "it returned id 1 twice"),
        ("return [*records, dict(records[0])]", "with id 1 that stands for none"),
        ("return [{**r, 'id': str(r['id'])} for r in records]", 'with id "1" that stands for none'),
        ("pass", "handle returned nothing; it must return a list of records"),
        ("return {'a': 1}", "handle returned a value of type dict"),
        ("return (r for r in records)", "a value of type generator"),
        ("return [1]", "item 1 of what handle returned is a value of type int"),
        (
            "records[2]['x'] = {'y': [0, float('nan')]}\nreturn records",
            "record 3 of those that handle returned: x.y.1: nan",
        ),
        ("return [{'id': 1, 'x': float('inf')}]", "x: inf is not a number that JSON knows"),
        ("return [{'id': 1, 'x': 10 ** 5000}]", "x: an integer that is far too large"),
        ("return [{'id': 1, 'x': {1, 2}}]", "x: a value of type set"),
        ("return [{'id': 1, 'x': b'1'}]", "x: a value of type bytes"),
        ("return [{'id': 1, 2: 3}]", "the name of a member is a value of type int"),
        ("records[0]['me'] = records\nreturn records", "within each other, or a circle"),
        ("x = []\nfor _ in range(10 ** 6): x = [x]\nreturn [{'id': 1, 'x': x}]", "more than 100 lists and objects"),
        ("return [{'id': 1, 'x': 'x' * 2_000_000}]", "handle returned 2.0 MB; it may return 1.0 MB"),
        ("sys.exit(0)", "SystemExit: 0 (line 3 of the script)"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt (line 3 of the script)"),
        ("class E(Exception):\n    def __str__(self): return 1 / 0\nraise E", "E: <exception str() failed>"),
        ("x = bytearray(10 ** 10)", "MemoryError: a script has 256 MiB (line 3 of the script)"),
        ("x = [0]\nwhile True: x += x", "MemoryError: a script has 256 MiB (line 4 of the script)"),
    ],
)
def test_a_wrong_answer_fails_the_whole_batch_with_its_reason(body: str, says: str) -> None:
    outcome, log = run(handle(body))
    assert outcome.fault
    assert says in outcome.fault
    assert (outcome.kept, outcome.dropped) == ([], [])
    (line,) = [line for line in log.lines if line.level == "error"]
    assert line.text == f"5 records failed in the script: {outcome.fault}"
    assert (line.phase, line.fields) == ("script", {"records": ["1", "2", "3", "4", "5"]})


def test_each_record_that_a_fault_fails_is_named() -> None:
    records = [{"id": number} for number in range(NAMED + 1)]
    _, log = run(handle("raise ValueError"), records)
    first, second = [line for line in log.lines if line.level == "error"]
    assert first.text.startswith("101 records failed in the script: ValueError")
    assert second.text == "Of these also: 1 record"
    named = [name for line in (first, second) for name in (line.fields or {})["records"]]
    assert named == [str(number) for number in range(NAMED + 1)]


def test_a_record_without_a_key_is_named_as_the_sync_names_it() -> None:
    _, log = run(handle("raise ValueError"), [{}], name=lambda _: "page 3, record 12 (no id)")
    assert [line.fields for line in log.lines if line.level == "error"] == [{"records": ["page 3, record 12 (no id)"]}]


def test_an_exception_comes_with_the_script_s_own_traceback() -> None:
    code = """\
    def of(record):
        return record["nmae"]

    def handle(records, log):
        return [of(r) for r in records]
    """
    outcome, _ = run(code)
    assert outcome.fault
    first, *trace = outcome.fault.splitlines()
    assert first == "KeyError: 'nmae' (line 2 of the script)"
    assert trace[0] == "Traceback (most recent call last):"
    assert '  File "<script>", line 5, in handle' in trace
    assert '    return record["nmae"]' in trace
    assert "script_child" not in outcome.fault


def test_what_a_module_does_wrong_is_told_as_well() -> None:
    outcome, _ = run("import nothing_of_that_name\ndef handle(records, log): return records")
    assert outcome.fault
    assert outcome.fault.startswith(
        "ModuleNotFoundError: No module named 'nothing_of_that_name' (line 1 of the script)"
    )


def test_text_that_utf_8_cannot_carry_comes_through() -> None:
    records = [{"id": "\ud800", "name": "é\u2028\0"}]
    outcome, _ = run(handle("return [dict(r) for r in records]"), records)
    assert outcome.kept == [(records[0], records[0])]


def test_large_numbers_come_through_as_they_are() -> None:
    records = [{"id": 1, "n": 2**100, "x": 0.1}]
    assert run(handle("return records"), records)[0].kept == [(records[0], records[0])]


def test_a_batch_that_is_too_large_is_not_given() -> None:
    outcome, _ = run(handle("return records"), [{"id": 1, "x": "x" * 2_000_000}])
    assert outcome.fault
    assert "they are 2.0 MB; a script is given 1.0 MB" in outcome.fault


def test_no_records_need_no_process() -> None:
    with script("nonsense", Log()) as one:
        assert one.run([]) == Outcome([], [])
        assert not one._started


def test_batches_of_a_sync_share_a_process_until_a_fault() -> None:
    code = """
    seen = []
    def handle(records, log):
        seen.append(1)
        for r in records: r["seen"] = len(seen)
        return records if records[0]["id"] else None
    """
    with script(code, Log()) as one:
        made = [one.run([{"id": number}]) for number in (1, 2, 0, 3, 4)]
    assert [outcome.kept[0][1]["seen"] if outcome.kept else None for outcome in made] == [1, 2, None, 1, 2]


def test_what_is_in_the_standard_library_works() -> None:
    code = """
    from __future__ import annotations
    import asyncio, csv, datetime, decimal, dataclasses, hashlib, json, re, sqlite3, tempfile, zoneinfo

    @dataclasses.dataclass
    class Sum:
        of: decimal.Decimal

    async def soon():
        await asyncio.sleep(0)
        return "soon"

    def handle(records, log):
        with tempfile.TemporaryFile("w+") as file:
            file.write("a;b")
            file.seek(0)
            row = next(csv.reader(file, delimiter=";"))
        zone = zoneinfo.ZoneInfo("Europe/London")
        at = datetime.datetime(2026, 7, 1, tzinfo=zone).isoformat()
        db = sqlite3.connect(":memory:")
        made = [row, at, str(Sum(decimal.Decimal("1.10")).of), db.execute("select 1").fetchone(), asyncio.run(soon())]
        return [{"id": 1, "made": made}]
    """
    outcome, _ = run(code)
    assert outcome.fault is None
    assert outcome.kept[0][1]["made"] == [["a", "b"], "2026-07-01T00:00:00+01:00", "1.10", [1], "soon"]


# --- lines ---------------------------------------------------------------------------------------------------------


def test_what_a_script_says_is_in_the_log_in_its_order() -> None:
    body = """
        log("one"); print("two", 2); log.warning("three", record=records[0]); log.error("four"); log.debug("five")
        print("six", file=sys.stderr); log.info(7); print("eight\\nnine", end=""); print(" and a half")
        print("ten", end="")
        return records
    """
    _, log = run(handle(body))
    assert [(line.level, line.text, line.record) for line in log.lines] == [
        ("info", "one", None),
        ("info", "two 2", None),
        ("warning", "three", "1"),
        ("error", "four", None),
        ("debug", "five", None),
        ("warning", "six", None),
        ("info", "7", None),
        ("info", "eight", None),
        ("info", "nine and a half", None),
        ("info", "ten", None),
    ]
    assert {line.phase for line in log.lines} == {"script"}


def test_what_is_written_past_python_is_a_line_too() -> None:
    _, log = run(
        handle("os.write(1, b'one\\n')\nos.write(2, b'\\xff two\\n')\nimport time\ntime.sleep(0.2)\nreturn records")
    )
    assert log.texts("warning") == ["one", "\\xff two"]


@pytest.mark.parametrize("character", ["x", "é", "\\ud800"])
def test_a_line_that_is_too_long_is_cut_once_and_says_by_how_much(character: str) -> None:
    _, log = run(handle(f"log.info('{character}' * 100_000)\nreturn records"))
    [text] = log.texts()
    kept, mark, more = text.partition(" … [cut: ")
    size = len(("\\ud800" if character.startswith("\\") else character).encode())
    assert mark
    assert len(kept.encode()) + int(more.removesuffix(" bytes more]").replace(",", "")) == 100_000 * size
    assert cut(text) == text


def test_too_many_lines_are_counted_and_not_kept() -> None:
    _, log = run(handle("for n in range(1000): print(n)\nreturn records"))
    assert log.texts() == [str(n) for n in range(50)]
    assert log.texts("warning") == ["950 lines more of the script were left out: a batch may have 50"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "body", ["while True: print('x')", "while True: os.write(1, b'x\\n')", "while True: log.error('x' * 10 ** 6)"]
)
def test_printing_for_ever_ends_with_the_batch_s_time(body: str) -> None:
    outcome, log = run_too_long(body)
    assert outcome.fault
    assert outcome.fault.startswith("it took longer than 0.4 s, its time for a batch; it was at line 3 of the script")
    assert len(log.lines) == SMALL.lines + 2
    assert "ore lines of the script were left out" in log.lines[-2].text.replace("lines more", "More lines")


# --- ends ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("body", ["\nwhile True: pass", "\nsum(range(10 ** 12))", "\nimport time; time.sleep(100)"])
def test_a_batch_that_takes_too_long_is_ended_and_where_it_was_is_told(body: str) -> None:
    began = time.monotonic()
    outcome, log = run_too_long(body)
    assert outcome.fault == "it took longer than 0.4 s, its time for a batch; it was at line 4 of the script"
    assert time.monotonic() - began < PATIENCE_S
    assert len(log.lines) == 1


def test_a_script_that_holds_off_signals_is_ended_as_well() -> None:
    body = "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))\nwhile True: pass"
    outcome, _ = run(handle(body), timeout_s=0.4)
    assert outcome.fault == "it took longer than 0.4 s, its time for a batch"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("os._exit(0)", "its process ended by itself, exit status 0"),
        ("os._exit(7)", "its process ended by itself, exit status 7"),
        ("import ctypes; ctypes.string_at(0)", "its process was killed by SIGSEGV; it was at line 4 of the script"),
        ("os.abort()", "its process was killed by SIG"),
        ("os.closerange(0, 1000)\nreturn records", "its process broke off"),
        (WRITES_ANYWHERE.format("\\0\\0\\0\\2[]"), "no sense"),
        (WRITES_ANYWHERE.format("x"), "no sense"),
        ("import gc\nfor o in gc.get_objects():\n  if type(o) is list and o is not records: o.clear()", ""),
        ("sys.setrecursionlimit(10 ** 9)\nf = lambda x: sorted([x], key=f)\nf(1)", ""),
        ("import gc\nfor o in gc.get_objects():\n  if type(o) is dict and o is not records: o.clear()", ""),
        ("sys.modules.clear(); sys.path.clear(); raise OSError('x')", "OSError"),
    ],
)
def test_a_process_that_breaks_off_fails_its_batch_and_the_next_one_works(body: str, says: str) -> None:
    log = Log()
    with script(handle(f"if records[0]['id'] != 1: return records\n{body}"), log) as one:
        broken, well = one.run(RECORDS), one.run(RECORDS[1:])
    assert broken.fault
    assert says in broken.fault
    assert (broken.kept, broken.dropped) == ([], [])
    assert [pulled for pulled, _ in well.kept] == RECORDS[1:]


def test_a_script_that_takes_json_apart_fails_by_itself() -> None:
    body = """
        import json
        def mine(*_, **__): raise ValueError("mine")
        if records[0]["id"] == 1:
            json.dumps = json.loads = mine
        if records[0]["id"] == 2:
            json.JSONEncoder.encode = json.JSONEncoder.iterencode = json.JSONDecoder.decode = mine
        return records
    """
    with script(handle(body), Log()) as one:
        unharmed, broken, well = (one.run(RECORDS[number:]) for number in range(3))
    assert len(unharmed.kept) == 5
    assert broken.fault
    assert broken.fault.startswith("its process broke off")
    assert len(well.kept) == 3


# --- walls ---------------------------------------------------------------------------------------------------------

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
        "searched": [path for path in sys.path if "-packages" in path],
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
        )
    assert outside.read_text() == "a secret"
    assert not Path(f"/tmp/synctail-was-here-{os.getpid()}").exists() or "/tmp" in packages  # noqa: S108


def attacked(tries: str, **more: Any) -> tuple[dict[str, Any], Log]:
    outcome, log = run(tries, RECORDS[:1], **more)
    assert outcome.fault is None
    made = outcome.kept[0][1]["made"]
    assert made["environment"] == {}
    assert made["packages"] == made["ours"] == "!ModuleNotFoundError"
    assert made["searched"] == []
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
    until(lambda: not any(is_running(int(pid)) for pid in log.texts()), "what it forked ends")


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


# --- nothing stays --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_fifty_runs_leave_nothing() -> None:
    open_before = descriptors()
    for number in range(50):
        outcome, _ = run(
            handle("open('left', 'w').write('x')\nreturn records"), without=["namespaces"] if number % 2 else []
        )
        assert outcome.fault is None
    assert descriptors() <= open_before


class Interrupt(BaseException):
    pass


def was_interrupted(after_s: float, body: str) -> bool:
    try:
        signal.setitimer(signal.ITIMER_REAL, after_s)
        with script(handle(body), Log()) as one:
            for _ in range(3):
                one.run(RECORDS)
        signal.setitimer(signal.ITIMER_REAL, 0)
    except Interrupt:
        return True
    return False


@pytest.mark.slow
def test_an_interrupt_at_any_moment_leaves_nothing(folders: Path) -> None:
    def interrupt(*_: object) -> None:
        raise Interrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    chance = random.Random(7)
    interrupted = 0
    try:
        for number in range(30):
            # While it starts, runs, and ends; and in a script that would not end by itself.
            body = "import time; time.sleep(5)\nreturn records" if number % 3 == 0 else "return records"
            interrupted += was_interrupted(chance.uniform(0.0001, 0.12), body)
            until(lambda: not list(folders.iterdir()), "its folder goes")
            if sys.platform == "linux":
                until(lambda: not running(os.getpid()), "its process ends")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert interrupted >= 10


@on_linux
@pytest.mark.parametrize("without", [[], ["namespaces"]])
def test_a_worker_that_is_killed_takes_its_script_with_it(folders: Path, without: list[str]) -> None:
    code = f"""
import tempfile
from {script.__module__} import Log, script
tempfile.tempdir = {str(folders)!r}
class Loud(Log):
    def _put(self, *what, **more): print(what, flush=True)
script("def handle(records, log):\\n log('on its way')\\n while True: pass", Loud(), without={without}).run([{{}}])
"""
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE) as worker:
        assert worker.stdout
        while b"on its way" not in worker.stdout.readline():
            assert worker.poll() is None
        ours = running(worker.pid)
        assert len(ours) == 2
        worker.kill()
    until(lambda: list(folders.iterdir()) == [], "its folder goes")
    until(lambda: not [pid for pid in ours if is_running(pid)], "its processes end")


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


# --- definitions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        "def handle(records, log): return records",
        "def handle(records, log, *, more=1): return records",
        "def handle(*both): return both[0]",
        "def handle(records, log, limit=3): return records\nx = 1 is 1",
    ],
)
def test_a_good_script_has_no_fault(code: str) -> None:
    assert check(code) is None


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("", "there is no function handle(records, log)"),
        ("def handel(records, log): return records", "there is no function handle(records, log)"),
        ("x = 1\ndef handle(records, log) return records", "line 2: expected ':'"),
        ("def handle(records, log): pass\nreturn 1", "line 2: 'return' outside function"),
        ("\nasync def handle(records, log): pass", "line 2: handle is async; it must be a plain function"),
        ("def handle(records): pass", "line 1: handle must take two arguments: def handle(records, log)"),
        ("def handle(records, log, more): pass", "line 1: handle must take two arguments: def handle(records, log)"),
        ("def handle(records, log, *, more): pass", "line 1: handle must take two arguments: def handle(records, log)"),
        ("a\0b", "is no Python: source code string cannot contain null bytes"),
        ("x = '\ud800'", "holds half a surrogate pair, which is no text"),
        ("x = " + "-" * 100_000 + "1", "is nested too deeply"),
        ("x = a" + ".b" * 100_000, "is nested too deeply"),
        ("#" * 300_000, "has 300,000 bytes; takes 262,144 at most"),
    ],
)
def test_what_is_wrong_with_a_script_is_told(code: str, says: str) -> None:
    assert check(code) == says
