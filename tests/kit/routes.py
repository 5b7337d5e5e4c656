"""The route table, for tests that hold for each route: one that is added is in them by itself."""

from __future__ import annotations

import re

from starlette.applications import Starlette

from server import settings
from server.app import create_app
from server.web.routing import HttpRoute

PATH_VALUE = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
"""In place of each parameter: the id of a sync, a service or a token that is not there."""


def app() -> Starlette:
    """Nothing connects before the first request."""
    return create_app(settings.load({"SYNCTAIL_SESSION_KEY": "k" * 16}))


def table() -> list[HttpRoute]:
    return [route for route in app().routes if isinstance(route, HttpRoute)]


def asks(route: HttpRoute) -> list[tuple[str, str]]:
    """Each method of the route, with a path of it."""
    path = re.sub(r"\{\w+\}", PATH_VALUE, route.path)
    return [(method, path) for method in sorted(route.methods or ())]
