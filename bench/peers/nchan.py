"""nginx with nchan: memory storage, history on. Publishing is over HTTP, as users do it."""

from __future__ import annotations

import http.client
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench import processes
from bench.peers import Watch


class Nchan:
    name = "nchan"
    stamps = False
    numbers = False

    def __init__(self, folder: Path, logs: int = 1) -> None:
        if not shutil.which("nginx"):
            raise FileNotFoundError("apt-get install nginx-light libnginx-mod-nchan")
        port = processes.free_port()
        (folder / "nginx.conf").write_text(
            f"""load_module /usr/lib/nginx/modules/ngx_nchan_module.so;
            daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log; user root;
            events {{ worker_connections 4096; }}
            http {{ access_log off; client_body_temp_path {folder}; client_body_buffer_size 1m; client_max_body_size 8m;
              keepalive_requests 100000000;
              server {{ listen 127.0.0.1:{port};
                location = /pub {{ nchan_publisher; nchan_channel_id $arg_log; nchan_message_buffer_length 100000; }}
                location = /sub {{ nchan_subscriber websocket; nchan_channel_id $arg_log; }} }} }}"""
        )
        command = ["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)]
        self.process = processes.pinned(*command, stderr=subprocess.DEVNULL)
        processes.wait_for_port(port, self.process)
        self.pids = [self.process.pid, *processes.children(self.process.pid)]
        self.helpers: list[int] = []
        self.watches = [Watch(f"ws://127.0.0.1:{port}/sub?log={log}") for log in range(logs)]
        self.http = http.client.HTTPConnection("127.0.0.1", port)

    def publish(self, lines: Sequence[bytes], log: int = 0) -> None:
        self.http.request("POST", f"/pub?log={log}", b",\n".join(lines))
        self.http.getresponse().read()

    def flush(self) -> None:
        pass

    def stop(self) -> None:
        self.http.close()
        processes.stop(self.process)
