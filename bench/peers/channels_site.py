"""Django Channels with channels_redis, set up as in its documentation: a consumer joins a group and forwards messages.

Runs in the environment created by `install-peers.sh`. `python -m bench.peers.channels_site REDIS_URL FEED_PORT` is the
publisher, which sends the feed to the group by `group_send`. `uvicorn bench.peers.channels_site:site` serves the
viewers, with the Redis in `CHANNELS_REDIS`.
"""

# mypy: ignore-errors
# Django is not in our environment, so its types are unknown.

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
    # The pub/sub layer: the other one drops messages over a channel's capacity, and no line may be lost.
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
