"""Django Channels with channels_redis, as its documentation sets it up: a consumer that joins a group and sends on.

Runs in the environment that `install-peers.sh` makes. `python -m bench.peers.channels_site REDIS_URL FEED_PORT`
is the publisher: what comes on the feed goes to the group by `group_send`. The viewers' process is
`uvicorn bench.peers.channels_site:site`, with the Redis in `CHANNELS_REDIS`.
"""

# mypy: ignore-errors
# Django is no part of our own environment, so there is nothing to check it against.

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any

import django
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.urls import path

from bench.peers import feed


def configure(redis_url: str) -> None:
    # Its layer over pub/sub: the other one drops what is over a channel's capacity, and lines may not be lost.
    layer = {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [redis_url]}}
    settings.configure(CHANNEL_LAYERS={"default": layer}, SECRET_KEY="bench", INSTALLED_APPS=["channels"])  # noqa: S106
    django.setup()


class Viewer(AsyncWebsocketConsumer):
    async def connect(self) -> None:
        self.group = f"log{self.scope['url_route']['kwargs']['log']}"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, _code: int) -> None:
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def log_lines(self, event: dict[str, Any]) -> None:
        await self.send(event["text"])


async def publish(redis_url: str, fed: int) -> None:
    configure(redis_url)
    layer = get_channel_layer()

    async def send(message: bytes, log: int) -> None:
        text = message.decode().replace("@now@", f"@{time.monotonic_ns()}@")
        await layer.group_send(f"log{log}", {"type": "log.lines", "text": text})

    await feed.serve(fed, send)


if __name__ == "__main__":
    asyncio.run(publish(sys.argv[1], int(sys.argv[2])))
elif "CHANNELS_REDIS" in os.environ:
    configure(os.environ["CHANNELS_REDIS"])
    site = ProtocolTypeRouter({"websocket": URLRouter([path("logs/<int:log>", Viewer.as_asgi())])})
