"""Written directly, or through ASGI: viewers get the same; and what is written directly is a frame."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from jobs.queue.requests import Requests
from server.log.wire import websocket_frame
from server.web.protocols import Socket
from synctail.log.appender import Appender
from synctail.settings import Settings
from tests.kit.following import Logs, Reader
from tests.kit.serving import serving
from tests.kit.support import PATIENCE_S


@given(text=st.text(max_size=200) | st.sampled_from([125, 126, 65_535, 65_536, 70_000]).map("x".__mul__))
def test_a_prepared_frame_is_what_a_websocket_library_would_have_sent(text: str) -> None:
    assert websocket_frame(text) == Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


def test_readers_get_the_same_directly_and_through_asgi(
    environ: dict[str, str],
    requests: Requests,
    appender: Appender,
    config: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    directly: list[bytes] = []
    write = Socket.write

    def counted(self: Socket, frame: bytes) -> bool:
        taken = write(self, frame)
        directly.extend([frame] if taken else [])
        return taken

    monkeypatch.setattr(Socket, "write", counted)
    logs = Logs(requests, appender, config.retention)
    sync_id = logs.start()
    with ExitStack() as stack:
        fast = stack.enter_context(serving(environ)).web
        plain = stack.enter_context(serving(environ, "websockets-sansio")).web
        readers = [(fast, Reader(sync_id)), (plain, Reader(sync_id)), (fast, Reader(sync_id))]
        threads = [threading.Thread(target=reader.watch, args=(web,)) for web, reader in readers]
        with logs.writing(sync_id) as story:
            for thread in threads:
                thread.start()
            for n in range(60_000):
                story.info(f"line {n}")
                if n % 500 == 0:
                    story.set(pulled=n)
                    story.flush()
        for thread in threads:
            thread.join(3 * PATIENCE_S)
    for _, reader in readers:
        assert reader.numbers == list(range(1, 60_002))
        assert reader.end
        assert reader.summaries[-1] == reader.end["summary"]
    assert readers[0][1].texts == readers[1][1].texts
    assert sum(b'"type":"lines"' in frame for frame in directly) > 10, "hardly any was written directly"
