"""A script in its own process: what it may do with records, how it ends, and that nothing stays behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from jobs.transform.script import NAMED, Outcome
from jobs.transform.script_check import check
from tests.kit.scripts import (
    RECORDS,
    Log,
    descriptors,
    handle,
    is_running,
    on_linux,
    run,
    run_too_long,
    running,
    script,
)
from tests.kit.support import PATIENCE_S, ROOT, until

pytestmark = pytest.mark.usefixtures("folders")

WRITES_ANYWHERE = """
for fd in range(3, 20):
    try: os.write(fd, b"{}" * 9)
    except OSError: pass
return records
"""

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
        ("return [{'id': 1, 'x': float('inf')}]", "x: inf is not a number in JSON"),
        ("return [{'id': 1, 'x': 10 ** 5000}]", "x: an integer that is far too large"),
        ("return [{'id': 1, 'x': {1, 2}}]", "x: a value of type set"),
        ("return [{'id': 1, 'x': b'1'}]", "x: a value of type bytes"),
        ("return [{'id': 1, 2: 3}]", "the name of a member is a value of type int"),
        ("records[0]['me'] = records\nreturn records", "nested more than 100 deep, or in a circle"),
        (
            "x = []\nfor _ in range(10 ** 6): x = [x]\nreturn [{'id': 1, 'x': x}]",
            "lists and objects nested more than 100 deep",
        ),
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
    assert second.text == "And 1 more record"
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
    assert "sandbox" not in outcome.fault


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


# --- ends ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("body", ["\nwhile True: pass", "\nsum(range(10 ** 12))", "\nimport time; time.sleep(100)"])
def test_a_batch_that_takes_too_long_is_ended_and_where_it_was_is_told(body: str) -> None:
    began = time.monotonic()
    outcome, log = run_too_long(body)
    assert outcome.fault == "it took longer than 0.4 s, its time for a batch; it was at line 4 of the script"
    assert time.monotonic() - began < PATIENCE_S
    assert len(log.lines) == 1


@pytest.mark.slow
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
import sys, tempfile
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from tests.kit.scripts import *
tempfile.tempdir = {str(folders)!r}
class Loud(Log):
    def log(self, *what, **more): print(what, flush=True)
script("def handle(records, log):\\n log('on its way')\\n while True: pass", Loud(), without={without}).run(RECORDS)
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
        ("a\0b", "is not Python: source code string cannot contain null bytes"),
        ("x = '\ud800'", "contains half a surrogate pair, which is not text"),
        ("x = " + "-" * 100_000 + "1", "is nested too deeply"),
        ("x = a" + ".b" * 100_000, "is nested too deeply"),
        ("#" * 300_000, "has 300,000 bytes; takes at most 262,144"),
    ],
)
def test_what_is_wrong_with_a_script_is_told(code: str, says: str) -> None:
    assert check(code) == says
