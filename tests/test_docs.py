"""The docs are true: what they must list, they list, and what they link to is there."""

from __future__ import annotations

import inspect
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args, get_origin

import click
import msgspec
import pytest

from demo import settings as demo_settings
from jobs.services.model import Secret, Service
from jobs.services.shapes import Member, members
from server import settings as server_settings
from server.log import wire
from server.web import errors
from server.web.routing import HttpRoute, SocketRoute
from synctail import settings as jobs_settings
from synctail.cli.__main__ import synctail
from synctail.model import keys
from synctail.model.sync import Level, Line, Phase, Reason, Status, Summary, Trigger
from tests.jobs.services.test_shapes import structs_of
from tests.kit.routes import app, table
from tests.kit.support import ROOT

REFERENCE = (ROOT / "docs" / "reference.md").read_text()


@pytest.mark.parametrize(
    "setting",
    [*jobs_settings.SETTINGS, *server_settings.SETTINGS, *demo_settings.SETTINGS],
    ids=lambda setting: setting.name,
)
def test_each_setting_is_in_the_reference_as_it_is(setting: jobs_settings.Setting[object]) -> None:
    default = f"`{setting.default}`" if setting.default else ""
    assert f"| `{setting.name}` | {default} | {setting.help} | {setting.takes} |" in REFERENCE


def test_each_route_stands_in_the_reference() -> None:
    for route in app().routes:
        assert isinstance(route, HttpRoute | SocketRoute)
        path = route.path.replace(":path}", "}")
        assert f"{path}`" in REFERENCE or f"{path}?" in REFERENCE, path


def test_each_route_of_the_api_stands_in_the_reference_with_its_role() -> None:
    rows = re.findall(r"^\| (`[A-Z]+ /[^|]+`) \| ?(\w*) \|", REFERENCE, flags=re.MULTILINE)
    listed = {address: role for addresses, role in rows for address in re.findall(r"`([A-Z]+ /\S+)`", addresses)}
    routes = [route for route in table() if route.path.startswith("/api") or route.path in ("/healthz", "/readyz")]
    assert listed == {
        f"{method} {route.path}": route.role.name.lower() if route.role else ""
        for route in routes
        for method in (route.methods or set()) - {"HEAD"}
    }


def row(member: Member) -> str:
    default = "required" if member.required else ""
    if not member.required and not (member.shape.kinds and member.default):
        default = f"`{msgspec.json.encode(member.default).decode()}`"
    values = get_args(member.shape.bare) if get_origin(member.shape.bare) is Literal else ()
    says = " ".join([member.description.replace("*", r"\*"), *(f"`{value}`" for value in values)])
    return f"| `{member.name}` | {default} | {says} |"


def test_each_member_of_a_service_stands_in_the_reference_as_it_is() -> None:
    listed = re.findall(r"^\| `.* \|$", REFERENCE.split("### Members")[1].split("\n### ")[0], flags=re.MULTILINE)
    structs = [struct for struct in structs_of(Service) if struct is not Secret]
    rows = {row(member) for struct in structs for member in members(struct).values()}
    assert rows == {one for one in listed if not one.endswith("| default | |")}


def paragraph(begins: str) -> str:
    [found] = [each for each in REFERENCE.split("\n\n") if each.startswith(begins)]
    return found


def names_and_values(begins: str) -> dict[str, list[str]]:
    """The names that a paragraph lists, each with the values that stand in brackets behind it."""
    listed = re.findall(r"`(\w+)`(?: \(([^)]*)\))?", paragraph(begins))
    assert len(listed) == len(dict(listed)), "a name is listed twice"
    return {name: re.findall(r"`(\w+)`", values) for name, values in listed}


def test_the_fields_of_a_summary_and_their_values_are_in_the_reference() -> None:
    listed = names_and_values("A summary: ")
    assert list(listed) == [field.name for field in msgspec.structs.fields(Summary)]
    values = {"status": Status, "reason": Reason, "trigger": Trigger}
    assert {name: set(words) for name, words in listed.items() if words} == {
        name: {str(value) for value in enum} for name, enum in values.items()
    }


def test_the_fields_of_a_line_and_their_values_are_in_the_reference() -> None:
    listed = names_and_values("A line: ")
    assert set(listed) == {field.name for field in msgspec.structs.fields(Line)}
    values = {"level": Level, "phase": Phase}
    assert {name: set(words) for name, words in listed.items() if words} == {
        name: {str(value) for value in enum} for name, enum in values.items()
    }


def test_each_frame_is_in_the_reference_as_it_is() -> None:
    row = re.compile(r"^\| (`\{.+?\}`) \| ", flags=re.MULTILINE)
    drawn = row.findall(wire.__doc__ or "")
    assert len(drawn) == 6
    assert row.findall(REFERENCE.split("## Websocket")[1]) == drawn


def test_each_close_code_is_in_the_reference() -> None:
    listed = re.findall(r"(?:: |· )(\d{4}) ", " ".join(paragraph("Close codes: ").split()))
    codes = {error.close_code for error in errors.ApiError.__subclasses__()}
    assert sorted(map(int, listed)) == sorted({1000, *codes})


def made_keys() -> set[str]:
    """The keys of `synctail.model.keys` with the placeholders that its table is drawn with."""
    makers = inspect.getmembers(keys, inspect.isbuiltin)
    assert len(makers) >= 10
    of_days = {keys.service_day("ID", "D"), keys.service_day_counted("ID", "D"), keys.service_due("ID", "S")}  # type: ignore[arg-type]
    return of_days | {make("HASH" if name == "token" else "ID") for name, make in makers}


def test_each_key_is_in_the_reference() -> None:
    first_cell = re.compile(r"^\| `([^`]+)`", flags=re.MULTILINE)
    drawn = first_cell.findall(keys.__doc__ or "")
    assert len(drawn) >= 10
    assert sorted(drawn) == sorted({*made_keys(), keys.SERVICES, keys.SYNCS, keys.CLOCK_LOOKED})
    assert first_cell.findall(REFERENCE.split("## Redis keys")[1]) == drawn


def test_the_example_service_is_a_service() -> None:
    example = REFERENCE.split("```json")[1].split("```")[0]
    service = msgspec.json.decode(example, type=Service)
    assert set(msgspec.to_builtins(service)) == set(msgspec.json.decode(example))


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")], ids=lambda path: path.name)
def test_what_a_page_links_to_is_there(page: Path) -> None:
    for target in re.findall(r"(?:\]\(|src=\"|srcset=\")([^)#\"]+)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_what_is_told_to_operators_is_there() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    ours = {setting.name for setting in (*jobs_settings.SETTINGS, *server_settings.SETTINGS)} | {
        "SYNCTAIL_URL",
        "SYNCTAIL_TOKEN",
    }
    named = set(re.findall(r"\b(?:SYNCTAIL_[A-Z_]+|REDIS_URL|FORWARDED_ALLOW_IPS)\b", page))
    assert {name for name in named if not name.startswith(jobs_settings.SECRET_PREFIX)} <= ours
    assert "FORWARDED_ALLOW_IPS" in named
    for module in re.findall(r"python -m ([a-z.]+)", page):
        assert find_spec(module), module
    commands = re.findall(r"^synctail ([a-z]+)(?: ([a-z]+))?", page, flags=re.MULTILINE)
    assert len(commands) >= 4
    for name, second in commands:
        command = synctail.commands[name]
        assert not isinstance(command, click.Group) or second in command.commands
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert set(re.findall(r"\bmake ([a-z-]+)", page)) <= set(targets)
    for says in re.findall(
        r"^\| (?:in a log: )?`([^`]+)` \| ", page.split("## Troubleshooting")[1], flags=re.MULTILINE
    ):
        longest = max(re.split(r"…|`", says), key=len).strip(" .")
        assert any(longest in source for source in sources()), f"nothing says {longest!r}"


def sources() -> list[str]:
    """Of our processes, with texts that go on in the next line joined."""
    files = [path for folder in ("synctail", "jobs", "server") for path in (ROOT / folder).rglob("*.py")]
    return [re.sub(r'"\s*\n\s*f?"', "", path.read_text()) for path in files]


def test_each_make_target_is_in_the_reference() -> None:
    for target in re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE):
        assert target == "help" or f"`make {target}`" in REFERENCE
