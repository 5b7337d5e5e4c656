"""The Lua scripts that run in Redis, one file each. Each file states its keys, arguments and answers."""

from __future__ import annotations

from pathlib import Path

import redis
from redis.commands.core import Script


def script(client: redis.Redis, module: str, name: str) -> Script:
    """`NAME.lua`, which is beside the module, ready to be called on `client`."""
    return client.register_script(Path(module).with_name(f"{name}.lua").read_text())
