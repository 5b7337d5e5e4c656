"""How a running sync is interrupted: once, whenever the wish came, and never in its ending."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from jobs.run.interrupts import Interrupted, Interrupts

SIGNALS = (signal.SIGUSR1, signal.SIGTERM, signal.SIGALRM)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """This process is the tests': its signals are put back."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before.items():
        signal.signal(number, handler)


def work(seconds: float = 10) -> None:
    """Hangs, as in a read."""
    time.sleep(seconds)


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


def test_a_request_of_another_thread_ends_work_that_hangs() -> None:
    interrupts = Interrupts(60)
    began = time.monotonic()
    threading.Timer(0.05, interrupts.ask, ["stop"]).start()
    with pytest.raises(Interrupted) as interrupted, interrupts:
        work()
    assert interrupted.value.why == "stop"
    assert time.monotonic() - began < 5


def test_the_time_limit_ends_work_that_hangs() -> None:
    with pytest.raises(Interrupted) as interrupted, Interrupts(0.05):
        work()
    assert interrupted.value.why == "timeout"


def test_an_interruption_is_nothing_that_careful_code_survives() -> None:
    def careful() -> None:
        try:
            work()
        except Exception:  # noqa: BLE001 - it is what is tested
            return

    with pytest.raises(Interrupted), Interrupts(0.05):
        careful()


@pytest.mark.parametrize("why", ["stop", "fenced"])
def test_a_request_that_came_before_the_work_is_heard_when_it_begins(why: str) -> None:
    interrupts = Interrupts(60)
    interrupts.ask(why)  # type: ignore[arg-type]
    with pytest.raises(Interrupted) as interrupted, interrupts:
        work()
    assert interrupted.value.why == why


def test_a_shutdown_that_came_before_the_work_is_heard_when_it_begins() -> None:
    interrupts = Interrupts(60)
    send(signal.SIGTERM)
    with pytest.raises(Interrupted) as interrupted, interrupts:
        work()
    assert interrupted.value.why == "shutdown"


@pytest.mark.parametrize("early", [True, False])
def test_after_one_interruption_the_ending_is_left_alone(*, early: bool) -> None:
    interrupts = Interrupts(0.3)
    if early:
        interrupts.ask("stop")
    with pytest.raises(Interrupted), interrupts:
        interrupts.ask("stop")
    for number in SIGNALS:
        send(number)
    work(0.4)  # the time limit passes as well


def test_work_that_is_done_is_not_interrupted_any_more() -> None:
    interrupts = Interrupts(0.5)
    with interrupts:
        pass
    for number in SIGNALS:
        send(number)
    work(0.6)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGALRM, signal.SIGUSR1])
def test_what_comes_while_interrupts_are_held_is_raised_at_their_end(number: signal.Signals) -> None:
    interrupts, done = Interrupts(60), []

    def hold() -> None:
        with interrupts.held():
            send(number)
            work(0.01)  # a signal's handler runs between two steps
            done.append("all of it")

    with interrupts:
        with pytest.raises(Interrupted):
            hold()
        work(0.01)  # once is enough
    assert done


def test_what_comes_after_interrupts_were_held_is_raised_at_once() -> None:
    interrupts = Interrupts(60)

    def hang() -> None:
        send(signal.SIGTERM)
        work()

    with interrupts:
        with interrupts.held():
            work(0.01)
        with pytest.raises(Interrupted):
            hang()
