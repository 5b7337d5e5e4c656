"""The servers that are compared: how each is started, what a publisher says to it, what a viewer asks it for.

A peer's `pids` are the processes whose CPU counts. Each is pinned to the first core by whoever starts it; publisher and
viewers run on the other one.
"""

from __future__ import annotations

import http.client
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from demo import valkey
from jobs.appender import Appender
from jobs.connect import connect
from jobs.enqueue import Requests
from jobs.logwriter import LogWriter
from jobs.records import FileDestination, HttpSource, Options, Service, Trigger
from jobs.settings import load

if TYPE_CHECKING:
    import redis

ROOT = Path(__file__).parent.parent
TOKEN = "st_the-token-of-the-bench"  # noqa: S105
SERVER_CORE = "0"


class Peer(Protocol):
    name: str
    url: str
    hello: str
    token: str
    pids: list[int]

    def publish(self, lines: list[bytes]) -> None:
        """Lines that are JSON objects, in one message where the peer's users would send one."""

    def stop(self) -> None: ...


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pinned(*command: str, **kwargs: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["taskset", "-c", SERVER_CORE, *command], **kwargs)  # type: ignore[call-overload,no-any-return]


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if time.monotonic() > deadline:
            raise TimeoutError(port)
        time.sleep(0.05)


def bench_service() -> Service:
    """A service whose syncs are written by the bench, and run by nobody."""
    return Service(
        id="bench",
        name="Bench",
        source=HttpSource(url="http://127.0.0.1/"),
        destination=FileDestination(path="bench"),
        options=Options(overlap=True),
    )


class Synctail:
    """The whole way: a job's writer, Valkey, the web process. Its lines carry their numbers by themselves."""

    name = "synctail"
    hello = ""
    token = TOKEN

    def __init__(self, folder: Path) -> None:
        self.valkey = valkey.start(folder)
        port = free_port()
        environ = {
            "REDIS_URL": self.valkey.url,
            "SYNCTAIL_DATA": str(folder),
            "SYNCTAIL_ADMIN_TOKEN": TOKEN,
            "PORT": str(port),
            "PATH": "/usr/bin:/bin",
        }
        self.process = pinned(sys.executable, "-m", "server", cwd=ROOT, env=environ, stdout=subprocess.DEVNULL)
        wait_for_port(port)
        self.pids = [self.process.pid]
        settings = load(environ)
        self.client: redis.Redis = connect(self.valkey.url)
        self.requests = Requests(settings, self.client)
        self.appender = Appender(self.client, live_ttl_ms=settings.retention_ms)
        self.port = port
        self.new_log()

    def new_log(self) -> None:
        """A sync of its own for each run."""
        self.sync_id = self.requests.start(bench_service(), Trigger.MANUAL).id
        self.url = f"ws://127.0.0.1:{self.port}/api/syncs/{self.sync_id}/live?after=0"
        self.log = LogWriter(self.appender, self.sync_id, self.appender.claim(self.sync_id))

    def publish(self, lines: list[bytes]) -> None:
        for line in lines:
            self.log.info(line.decode())

    def stop(self) -> None:
        self.log.close("info", "over", status="completed")
        self.client.close()
        self.process.terminate()
        self.process.wait()
        self.valkey.stop()


class Fed:
    """One of `bench.raw`'s servers: what comes in on one socket goes out to every viewer."""

    hello = ""
    token = ""

    def __init__(self, kind: str, folder: Path) -> None:
        del folder
        self.name = kind
        feed, port = free_port(), free_port()
        self.process = pinned(sys.executable, "-m", "bench.raw", kind, str(feed), str(port), cwd=ROOT)
        wait_for_port(port)
        wait_for_port(feed)
        self.pids = [self.process.pid]
        self.url = f"ws://127.0.0.1:{port}/"
        self.feed = socket.create_connection(("127.0.0.1", feed))

    def publish(self, lines: list[bytes]) -> None:
        message = b",\n".join(lines)
        self.feed.sendall(len(message).to_bytes(4, "big") + message)

    def stop(self) -> None:
        self.feed.close()
        self.process.terminate()
        self.process.wait()


class Nchan:
    """nginx with nchan, memory storage, history on."""

    name = "nchan"
    hello = ""
    token = ""
    message = "64k"

    def __init__(self, folder: Path) -> None:
        if not shutil.which("nginx"):
            raise FileNotFoundError("apt-get install nginx-light libnginx-mod-nchan")
        port = free_port()
        (folder / "nginx.conf").write_text(
            f"""load_module /usr/lib/nginx/modules/ngx_nchan_module.so;
            daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log; user root;
            events {{ worker_connections 4096; }}
            http {{ access_log off; client_body_temp_path {folder}; client_body_buffer_size 1m; client_max_body_size 8m;
              keepalive_requests 100000000;
              server {{ listen 127.0.0.1:{port};
                location = /pub {{ nchan_publisher; nchan_channel_id log; nchan_message_buffer_length 100000; }}
                location = /sub {{ nchan_subscriber websocket; nchan_channel_id log; }} }} }}"""
        )
        self.process = pinned("nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder), stderr=subprocess.DEVNULL)
        wait_for_port(port)
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.pids = [self.process.pid, *map(int, children)]
        self.url = f"ws://127.0.0.1:{port}/sub"
        self.http = http.client.HTTPConnection("127.0.0.1", port)

    def publish(self, lines: list[bytes]) -> None:
        self.http.request("POST", "/pub", b",\n".join(lines))
        self.http.getresponse().read()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


class Nats:
    """nats-server over websocket, without persistence."""

    name = "nats"
    token = ""
    hello = 'CONNECT {"verbose":false,"pedantic":false}\\r\\nSUB log 1\\r\\n'

    def __init__(self, folder: Path) -> None:
        if not shutil.which("nats-server"):
            raise FileNotFoundError("apt-get install nats-server")
        port, ws = free_port(), free_port()
        (folder / "nats.conf").write_text(
            f'listen: "127.0.0.1:{port}"\nmax_payload: 8MB\nwebsocket {{ listen: "127.0.0.1:{ws}", no_tls: true }}'
        )
        self.process = pinned("nats-server", "-c", str(folder / "nats.conf"), stderr=subprocess.DEVNULL)
        wait_for_port(port)
        wait_for_port(ws)
        self.pids = [self.process.pid]
        self.url = f"ws://127.0.0.1:{ws}/"
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.recv(4096)
        self.socket.sendall(b'CONNECT {"verbose":false,"pedantic":false}\r\n')

    def publish(self, lines: list[bytes]) -> None:
        message = b",\n".join(lines)
        self.socket.sendall(b"PUB log %d\r\n%s\r\n" % (len(message), message))

    def stop(self) -> None:
        self.socket.close()
        self.process.terminate()
        self.process.wait()


def start(name: str, folder: Path) -> Peer:
    match name:
        case "synctail":
            return Synctail(folder)
        case "nchan":
            return Nchan(folder)
        case "nats":
            return Nats(folder)
        case _:
            return Fed(name, folder)


NAMES = ("synctail", "broadcast", "picows", "nchan", "nats")
