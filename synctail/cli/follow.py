"""Follows a log over the websocket, or by polling where websockets do not work. Every line comes once and in order,
however often the connection breaks: the cursor is the number of the last line that was yielded."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from synctail.cli.client import Client
from synctail.cli.settings import Target
from synctail.cli.show import Trouble, Unreachable, note, safe

SILENCE_S = 25.0
"""The server sends a frame at least every ten seconds."""
POLL_S = 5.0
POLLS_BETWEEN = 6
"""Polls before the websocket is tried again."""
LONGEST_WAIT_S = 15.0
REFUSED_FROM = 4400
"""Close codes from here on mean: do not come back unchanged."""
FRAME_BYTES = 32 * 1024 * 1024
WITHOUT_SOCKET = 2
"""Failed handshakes before polling takes over."""

Frame = dict[str, Any]


class _Broken(Exception):
    """The connection is of no use any more; the message says why."""


def open_socket(target: Target, sync_id: str, after: int = 0, *, open_timeout: float) -> ClientConnection:
    return connect(
        f"{target.url.replace('http', 'ws', 1)}/api/syncs/{sync_id}/live?after={after}",
        additional_headers={"Authorization": f"Bearer {target.token}"},
        subprotocols=["synctail.v1"],  # type: ignore[list-item]
        compression=None,
        max_size=FRAME_BYTES,
        open_timeout=open_timeout,
        close_timeout=1,
    )


class Follower:
    """`cursor`: the number of the last line that a frame covered."""

    def __init__(
        self, client: Client, sync_id: str, after: int = 0, *, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._client = client
        self._sync_id = sync_id
        self._sleep = sleep
        self.cursor = after
        self._handshakes_failed = 0
        self._polls = 0

    def frames(self) -> Iterator[Frame]:
        """Up to the `end` frame. Raises `Trouble` when the sync cannot be followed."""
        self._client.get(f"/api/syncs/{self._sync_id}")  # an unknown sync or token is reported at once
        tries = 0
        while True:
            by_polling = self._handshakes_failed >= WITHOUT_SOCKET
            before = self.cursor
            try:
                for frame in self._polled() if by_polling else self._received():
                    tries = 0
                    yield frame
                    if frame["type"] == "end":
                        return
            except _Broken as broken:
                tries = 0 if self.cursor > before else tries + 1
                wait = min(LONGEST_WAIT_S, 0.5 * 2 ** min(tries, 6)) * random.uniform(0.5, 1)  # noqa: S311
                note(f"… {safe(broken)}; continuing after line {self.cursor} in {wait:.0f} s")
                self._sleep(wait)

    def _taken(self, frame: Frame) -> Iterator[Frame]:
        """The frame without the lines that are already known; nothing if all are."""
        kind = frame.get("type")
        if kind == "lines":
            if frame["first"] > self.cursor + 1:
                raise _Broken(f"line {self.cursor + 1} is missing")
            lines = [line for line in frame["lines"] if line["n"] > self.cursor]
            if lines:
                self.cursor = lines[-1]["n"]
                yield {**frame, "first": lines[0]["n"], "lines": lines}
        elif kind == "gap":
            if frame["last"] > self.cursor:
                self.cursor = frame["last"]
                yield frame
        elif kind == "rewind":
            self.cursor = min(self.cursor, frame["last"])
            yield frame
        elif kind in ("summary", "end"):
            yield frame

    def _received(self) -> Iterator[Frame]:
        try:
            with open_socket(self._client.target, self._sync_id, self.cursor, open_timeout=SILENCE_S) as socket:
                self._handshakes_failed = 0
                while True:
                    yield from self._taken(json.loads(socket.recv(timeout=SILENCE_S)))
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else 1006
            reason = closed.rcvd.reason if closed.rcvd else ""
            if code >= REFUSED_FROM:
                raise Trouble(f"The server closed the log: {safe(reason) or code}") from None
            raise _Broken("the server is restarting" if code == 1012 else "the connection was lost") from None
        except InvalidStatus:
            self._handshakes_failed += 1
            raise _Broken("the websocket was refused") from None
        except TimeoutError:
            raise _Broken(f"the server sent nothing for {SILENCE_S:.0f} s") from None
        except (OSError, InvalidHandshake, ValueError, KeyError) as error:
            raise _Broken(f"the server cannot be reached ({safe(error)})") from None

    def _polled(self) -> Iterator[Frame]:
        try:
            answer = self._client.get(f"/api/syncs/{self._sync_id}/log", after=self.cursor, limit=5000)
        except Unreachable as trouble:
            raise _Broken(trouble.message) from None
        self._polls += 1
        if self._polls % POLLS_BETWEEN == 0:
            self._handshakes_failed = WITHOUT_SOCKET - 1
        for frame in answer["frames"]:
            yield from self._taken(frame)
        if self.cursor >= answer["last"]:
            self._sleep(POLL_S)
