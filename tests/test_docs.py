"""The docs are true: what they must list, they list, and what they link to is there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
import pytest
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from demo import settings as demo_settings
from jobs import keys
from jobs import settings as jobs_settings
from jobs.records import Line, Reason, Service, Status, Summary, Trigger
from server import errors, wire
from server import settings as server_settings
from server.app import create_app
from tests.support import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

REFERENCE = (ROOT / "docs" / "reference.md").read_text()


def routes(environ: dict[str, str]) -> Iterable[BaseRoute]:
    return create_app(server_settings.load(environ)).routes


@pytest.mark.parametrize(
    "setting",
    [*jobs_settings.SETTINGS, *server_settings.SETTINGS, *demo_settings.SETTINGS],
    ids=lambda setting: setting.name,
)
def test_each_setting_stands_in_the_reference_as_it_is(setting: jobs_settings.Setting[object]) -> None:
    default = f"`{setting.default}`" if setting.default else ""
    assert f"| `{setting.name}` | {default} | {setting.help} | {setting.takes} |" in REFERENCE


def test_each_route_stands_in_the_reference(environ: dict[str, str]) -> None:
    for route in routes(environ):
        assert isinstance(route, Route | Mount | WebSocketRoute)
        assert f"{route.path}`" in REFERENCE or f"{route.path}?" in REFERENCE, route.path
        if isinstance(route, Route) and route.path.startswith("/api") and "POST" in (route.methods or ()):
            assert f"`POST {route.path}`" in REFERENCE


def test_each_frame_field_status_and_close_code_stands_in_the_reference() -> None:
    frames = re.findall(r'"type": "(\w+)"', wire.__doc__ or "")
    assert len(frames) == 5
    for frame in frames:
        assert f'{{"type": "{frame}"' in REFERENCE
    fields = [field.name for struct in (Summary, Line) for field in msgspec.structs.fields(struct)]
    for word in [*fields, *Status, *Reason, *Trigger]:
        assert f"`{word.removesuffix('_')}`" in REFERENCE
    for error in errors.ApiError.__subclasses__():
        assert str(error.close_code) in REFERENCE


def test_each_key_stands_in_the_reference() -> None:
    drawn = re.findall(r"^\| `([^`]+)`", keys.__doc__ or "", flags=re.MULTILINE)
    assert len(drawn) >= 10
    for key in drawn:
        assert f"| `{key}`" in REFERENCE
    for made in [
        keys.summary("ID"),
        keys.log("ID"),
        keys.live("ID"),
        keys.service_syncs("ID"),
        keys.service_turn("ID"),
    ]:
        assert made in drawn, f"{made} is not drawn in jobs/keys.py"
    assert {keys.service_seen("ID"), keys.SERVICES, keys.SYNCS, keys.token("HASH")} <= set(drawn)


def test_the_example_service_is_a_service() -> None:
    example = REFERENCE.split("```json")[1].split("```")[0]
    service = msgspec.json.decode(example, type=Service)
    assert set(msgspec.to_builtins(service)) == set(msgspec.json.decode(example))


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")], ids=lambda path: path.name)
def test_what_a_page_links_to_is_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_each_make_target_stands_in_the_reference() -> None:
    for target in re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE):
        assert target == "help" or f"`make {target}`" in REFERENCE
