"""The cage: loads the script and hands it batch after batch. The walls are up before it begins."""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType

from jobs.transform.sandbox.messages import BROKEN_PIPE, NAME, Setup, read_message, write_message
from jobs.transform.sandbox.output import Log, Printed, Wrong, a, cut, describe, problem


class Cage:
    def __init__(self, setup: Setup, requests: int, answers: int) -> None:
        self._setup = setup
        self._requests = requests
        self._answers = answers
        self._handle: Callable[..., object] | None = None
        # Bound once: a script that changes `json.dumps` does not change this. One that wants to break it, can.
        self._encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
        self._decode = json.JSONDecoder().decode
        self._lines = 0

    def run(self, missing: list[str]) -> None:
        """Until the worker closes the pipe. `missing`: walls that could not be put up."""
        out, err = Printed(self.say, "info"), Printed(self.say, "warning")
        sys.stdout, sys.stderr, sys.stdin = out.as_text(), err.as_text(), None
        faulthandler.enable(2, all_threads=False)
        faulthandler.register(signal.SIGALRM, 2, all_threads=False)  # even where no Python code gets to run
        self._send(["ready", missing])
        while (message := read_message(self._requests)) is not None:
            self._lines = 0
            signal.setitimer(signal.ITIMER_REAL, self._setup.timeout_s)
            try:
                answer = self._batch(message)
            except BaseException as error:  # noqa: BLE001 - whatever the script raised, `SystemExit` too
                answer = self._encode(["fault", *describe(error, self._setup)]).encode()
            signal.setitimer(signal.ITIMER_REAL, 0)
            with suppress(Exception):
                out.end()
                err.end()
            self._write(answer)
            self._send(["end", max(0, self._lines - self._setup.lines - 1), time.process_time()])

    def say(self, level: str, text: str, record: str | None = None) -> None:
        self._lines += 1
        if self._lines <= self._setup.lines + 1:  # one more than is kept tells the worker that there are more
            self._send(["line", level, cut(text), record])

    def _batch(self, message: bytes) -> bytes:
        if self._handle is None:
            self._handle = self._load()
        records = self._decode(message.decode())
        batch = list(records)  # kept: an `id` is good for as long as its object lives
        places = {id(record): place for place, record in enumerate(batch)}
        made = _checked(self._handle(records, Log(self.say, self._setup.key)))
        answer = self._encode(["done", made, [places.get(id(record)) for record in made]]).encode()
        if len(answer) > self._setup.output_bytes:
            most = f"{self._setup.output_bytes / 1e6:,.1f} MB"
            raise Wrong(f"handle returned {len(answer) / 1e6:,.1f} MB; it may return {most}")
        return answer

    def _load(self) -> Callable[..., object]:
        module = ModuleType("script")
        sys.modules["script"] = module  # where `dataclasses` and others look for it
        exec(compile(self._setup.code, NAME, "exec", dont_inherit=True), vars(module))  # noqa: S102 - its purpose
        handle: object = vars(module).get("handle")
        if not callable(handle):
            raise Wrong("there is no function handle(records, log)")
        return handle

    def _send(self, message: list[object]) -> None:
        self._write(self._encode(message).encode())

    def _write(self, body: bytes) -> None:
        try:
            write_message(self._answers, body)
        except OSError:
            os._exit(BROKEN_PIPE)


def _checked(made: object) -> list[object] | tuple[object, ...]:
    """What `handle` returned, if it is a list of records that JSON can carry. Raises `Wrong`."""
    if not isinstance(made, list | tuple):
        what = "nothing" if made is None else a(made)
        raise Wrong(f"handle returned {what}; it must return a list of records")
    for number, record in enumerate(made, 1):
        if not isinstance(record, dict):
            raise Wrong(f"item {number} of what handle returned is {a(record)}; it must be an object (a dict)")
        if found := problem(record):
            raise Wrong(f"record {number} of those that handle returned: {found}")
    return made
