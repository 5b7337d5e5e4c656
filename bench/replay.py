"""Opening a long log: the last screen, the whole log as a file, and a replay by websocket from the first line.

    .venv/bin/python -m bench.replay --lines 1000000

One log of varied lines (see `realistic.py`) is written once and stays in Valkey. Each round reads it in every way, in
turn, from a new connection. Time is from the request (for a websocket, the handshake) to the last byte. Every line
number is checked. The server's memory is sampled during the run.
"""

from __future__ import annotations

import http.client
import json
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from websockets.sync.client import connect

from bench import processes, realistic, report
from bench.peers.synctail import TOKEN, Synctail
from bench.report import Reading
from synctail.log.writer import LogWriter

SCREEN = 500
"""Lines in the page's first view."""
READ_BYTES = 1 << 20
SAMPLE_S = 0.05
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
HEAD = b'{"n":'


class Replay:
    def __init__(self, synctail: Synctail, lines: int) -> None:
        self.synctail = synctail
        self.lines = lines
        self.sync_id = synctail.ids[0]

    def measure(self, way: str) -> Reading:
        """MB/s, seconds, faults, and the growth of the server's memory."""
        ways: dict[str, Callable[[], tuple[int, int]]] = {
            "log.ndjson": lambda: self._download("log.ndjson", _faults_in_ndjson),
            "log.txt": lambda: self._download("log.txt", self._faults_in_text),
            "websocket from after=0": lambda: self._websocket(0),
            f"last {SCREEN} lines, websocket": lambda: self._websocket(self.lines - SCREEN),
            f"last {SCREEN} lines, poll": self._poll,
        }
        with _MemorySampler(self.synctail.pids) as memory:
            self.took = 0.0
            size, faults = ways[way]()
        return {"s": self.took, "mb_s": size / self.took / 1e6, "faults": faults, "grown_kib": memory.grown_kib}

    WAYS = (
        "log.ndjson",
        "log.txt",
        "websocket from after=0",
        f"last {SCREEN} lines, websocket",
        f"last {SCREEN} lines, poll",
    )

    def _download(self, name: str, faults: Callable[[bytes, int], int]) -> tuple[int, int]:
        began = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.synctail.port, timeout=300)
        connection.request("GET", f"/api/syncs/{self.sync_id}/{name}", headers=HEADERS)
        answer = connection.getresponse()
        parts = []
        while part := answer.read1(READ_BYTES):
            parts.append(part)
        self.took = time.perf_counter() - began
        connection.close()
        body = b"".join(parts)
        return len(body), faults(body, self.lines)

    def _websocket(self, after: int) -> tuple[int, int]:
        url = self.synctail.watch(self.sync_id, after).url
        cursor, size, faults = after, 0, 0
        began = time.perf_counter()
        with connect(url, additional_headers=HEADERS, compression=None, max_size=None) as socket:
            while cursor < self.lines:
                frame = socket.recv(decode=False)
                begin = frame.find(HEAD)
                if begin < 0:
                    continue
                end = frame.rfind(HEAD)
                size += len(frame)
                first, last = _number(frame, begin), _number(frame, end)
                faults += first != cursor + 1 or frame.count(HEAD) != last - first + 1
                cursor = last
            self.took = time.perf_counter() - began
        return size, faults

    def _poll(self) -> tuple[int, int]:
        began = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.synctail.port, timeout=60)
        url = f"/api/syncs/{self.sync_id}/log?after={self.lines - SCREEN}&limit={SCREEN}"
        connection.request("GET", url, headers=HEADERS)
        body = connection.getresponse().read()
        self.took = time.perf_counter() - began
        connection.close()
        numbers = [line["n"] for frame in json.loads(body)["frames"] for line in frame.get("lines", [])]
        return len(body), int(numbers != list(range(self.lines - SCREEN + 1, self.lines + 1)))

    def _faults_in_text(self, body: bytes, lines: int) -> int:
        return abs(body.count(b"\n") - lines)


def _faults_in_ndjson(body: bytes, lines: int) -> int:
    numbers = [_number(line, 0) for line in body.splitlines()]
    return int(numbers != list(range(1, lines + 1)))


def _number(text: bytes, at: int) -> int:
    return int(text[at + len(HEAD) : text.index(b",", at)])


class _MemorySampler:
    def __init__(self, pids: list[int]) -> None:
        self._pids = pids
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.grown_kib = 0

    def __enter__(self) -> Self:
        self._before = processes.memory_kib(self._pids, "Rss")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(SAMPLE_S):
            self.grown_kib = max(self.grown_kib, processes.memory_kib(self._pids, "Rss") - self._before)


def write(log: LogWriter, lines: int) -> None:
    """Writes lines as fast as the writer takes them, without filling its queue."""
    for n, line in enumerate(realistic.lines(lines), 1):
        realistic.log(log, line)
        if n % 20_000 == 0 and not log.flush(60):
            raise ConnectionError("the log could not be written")
    if not log.flush(60):
        raise ConnectionError("the log could not be written")


def main() -> None:
    parser = report.parser(__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    options = parser.parse_args()
    processes.on_the_clients_core()
    with tempfile.TemporaryDirectory() as folder:
        synctail = Synctail(Path(folder))
        try:
            report.say(f"writing {options.lines:,} lines …")
            write(synctail.logs[0], options.lines)
            replay = Replay(synctail, options.lines)
            found = report.in_turn(options.rounds, Replay.WAYS, replay.measure)
            memory = processes.memory_kib(synctail.pids, "Rss")
        finally:
            synctail.stop()
    report.headline(f"A log of {options.lines:,} lines")
    report.table(
        ["way", "time", "MB/s", "server's memory grew by", "counts"],
        [
            [
                way,
                f"{row['s'] * 1000:,.0f} ms",
                f"{row['mb_s']:,.0f}" if row["mb_s"] * row["s"] > 1 else report.NONE,
                f"{row['grown_kib'] / 1024:.1f} MiB",
                report.verdict(row),
            ]
            for way, row in found.items()
        ],
    )
    print(f"The server's memory after all of that: {memory / 1024:.0f} MiB.\n")


if __name__ == "__main__":
    main()
