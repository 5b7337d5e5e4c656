"""Whoever is killed, paused or stopped: each sync gets one true ending, soon, and nothing is written after it."""

from __future__ import annotations

import os
import re
import signal
import time
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx2
import redis

from jobs.queue.requests import Requests
from jobs.services.model import Options, Service
from server.access.auth import token_hash
from synctail.log.registry import stored_summary
from synctail.model import keys
from synctail.model.ids import parse_rfc3339, utc_now
from synctail.model.sync import Reason, Status, Trigger
from tests.kit.chaos import Journeys, Stack, Traveller, judge
from tests.kit.checker import Truth, stored_texts
from tests.kit.support import ADMIN_TOKEN, PATIENCE_S, Process, in_time, service, store, until
from tests.kit.syncs import ended, running

LOST_AFTER_S = 20
LOST_WITHIN_S = 25
STOPPED_WITHIN_S = 2


def products(name: str, shop: str, auth: Any) -> Service:
    """A sync of a minute or so that logs all the time."""
    return service(
        name, url=f"{shop}/products", records="products", auth=auth, options=Options(page_size=50, timeout_s=120)
    )


class Victim:
    """A sync in the middle, the worker that runs it, and its process."""

    def __init__(self, stack: Stack, idle: list[Process], one: Service) -> None:
        self._client = stack.client
        store(stack.client, one)
        self.sync_id = stack.requests.start(one, Trigger.MANUAL).id
        running(stack.client, self.sync_id)
        [self.worker] = [worker for worker in idle if worker.children()]
        [self.horse] = self.worker.children()
        idle.remove(self.worker)

    def signal_horse(self, number: signal.Signals) -> None:
        os.kill(self.horse, number)

    def signal_worker(self, number: signal.Signals) -> None:
        self.worker.process.send_signal(number)

    def ends(self, reason: Reason, *, seconds: float) -> list[str]:
        """Wait for the ending; returns all lines."""
        summary = ended(self._client, self.sync_id, seconds=seconds)
        assert (summary.status, summary.reason) == (Status.FAILED, reason)
        texts = stored_texts(self._client, self.sync_id)
        wrote = [found[1] for text in texts if (found := re.match(r"Wrote (P-\d+)", text))]
        assert wrote == [f"P-{n:05d}" for n in range(1, len(wrote) + 1)] != []
        return texts

    def ended_at(self) -> datetime:
        """As the ending has it, whenever it was read."""
        summary = stored_summary(self._client, self.sync_id)
        assert summary
        assert summary.ended_at
        return parse_rfc3339(summary.ended_at)

    def horse_is_gone(self) -> bool:
        return not Path(f"/proc/{self.horse}/exe").exists()


def test_whichever_process_is_killed_or_paused_in_mid_sync_the_ending_is_true_and_the_last_line(
    stack: Stack, journeys: Journeys, shop_auth: Any
) -> None:
    door, shop, workers = stack.web(), stack.shop(latency_ms=120), stack.workers(4)
    horse, worker, both, paused = (
        Victim(stack, workers, products(name, shop, shop_auth)) for name in ("horse", "worker", "both", "paused")
    )
    victims = (horse, worker, both, paused)
    for victim in victims:
        journeys.send(victim.sync_id, [door])
        journeys.send(victim.sync_id, [door], Traveller.poll_on)
    journeys.reach(lambda one: one.cursor > 100, "all syncs are in the middle")
    stack.process("jobs.clock", "Clock ready")

    at = time.monotonic()
    killed_at = utc_now()
    horse.signal_horse(signal.SIGKILL)
    worker.signal_worker(signal.SIGKILL)
    both.signal_horse(signal.SIGSTOP)  # or it would hear that its worker is dead, and say so
    both.signal_worker(signal.SIGKILL)
    both.signal_horse(signal.SIGKILL)
    paused.signal_worker(signal.SIGSTOP)
    paused.signal_horse(signal.SIGSTOP)

    texts = {victim.sync_id: victim.ends(Reason.KILLED, seconds=PATIENCE_S) for victim in (horse, worker)}
    assert "killed by SIGKILL" in texts[horse.sync_id][-1]
    assert "its worker was shut down" in texts[worker.sync_id][-1]
    for victim in (both, paused):
        texts[victim.sync_id] = victim.ends(Reason.LOST, seconds=LOST_WITHIN_S + PATIENCE_S)
        assert time.monotonic() - at > LOST_AFTER_S - 1
        assert victim.ended_at() - killed_at < timedelta(seconds=LOST_WITHIN_S)
        assert "no worker is running it" in texts[victim.sync_id][-1]

    paused.signal_horse(signal.SIGCONT)
    paused.signal_worker(signal.SIGCONT)
    until(paused.horse_is_gone, "the one that was called lost has heard of it")
    journeys.reach(lambda one: one.ended, "all are told")
    for victim in victims:
        assert stored_texts(stack.client, victim.sync_id) == texts[victim.sync_id], "nothing is written after an ending"
        truth = Truth(victim.sync_id, texts[victim.sync_id])
        judge(truth, [one for one in journeys.travellers if one.sync_id == victim.sync_id])
        summary = stored_summary(stack.client, victim.sync_id)
        assert summary
        assert (summary.lines, summary.status) == (truth.last, Status.FAILED)


def test_a_sync_that_logs_and_one_that_hangs_are_stopped_within_two_seconds_and_say_who(
    client: redis.Redis,
    requests: Requests,
    worker: Process,
    web: httpx2.Client,
    journeys: Journeys,
    shop: str,
    shop_auth: Any,
    hanging: str,
) -> None:
    del worker
    busy = products("busy", shop, shop_auth)
    who = cast("bytes", client.hget(keys.token(token_hash(ADMIN_TOKEN)), "name")).decode()

    def stop(one: Service, lines: int) -> float:
        sync_id = requests.start(one, Trigger.MANUAL).id
        traveller = journeys.send(sync_id, [str(web.base_url)])
        running(client, sync_id)
        until(lambda: traveller.cursor >= lines, "it is in the middle")
        began = time.monotonic()
        answer = web.post(f"/api/syncs/{sync_id}/stop")
        assert answer.status_code == 202
        summary = ended(client, sync_id)
        took = time.monotonic() - began
        assert (summary.status, summary.reason) == (Status.STOPPED, Reason.STOPPED_BY_USER)
        until(lambda: traveller.ended, "the reader is told")
        truth = Truth(sync_id, stored_texts(client, sync_id))
        assert truth.texts[-1].startswith(f"Stopped by {who}")
        judge(truth, [traveller])
        return took

    for one, lines in ((busy, 300), (service("hangs", url=hanging), 1)):
        store(client, one)
        in_time(STOPPED_WITHIN_S, partial(stop, one, lines))
