"""The rooms of `static/`: each imports only from itself and from the rooms below it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.kit.support import ROOT

ROOMS = ("pages", "find", "log", "line", "shared")
IMPORT = re.compile(r'(?:\bfrom|\bimport)\s*\(?\s*"(\.[^"]+)"')
"""Statements, `import()`, and the types that comments import."""


def upward(folder: Path) -> list[str]:
    """The imports that lead up, to no room, or to no module."""
    wrong = []
    for module in sorted(folder.rglob("*.js")):
        for address in IMPORT.findall(module.read_text()):
            target = os.path.relpath((module.parent / address).resolve(), folder.resolve())
            here, there = module.parent.name, target.partition("/")[0]
            if not (folder / target).is_file() or there not in ROOMS or ROOMS.index(there) < ROOMS.index(here):
                wrong.append(f"{here}/{module.name} imports {target}")
    return wrong


def test_each_module_stands_in_a_room() -> None:
    assert {module.relative_to(ROOT / "static").parts[:-1] for module in (ROOT / "static").rglob("*.js")} == {
        (room,) for room in ROOMS
    }


def test_no_room_imports_from_one_above_it() -> None:
    assert upward(ROOT / "static") == []


@pytest.mark.parametrize(
    "line",
    [
        'import { a } from "../log/a.js";',
        'const a = await import("../find/a.js");',
        '/** @type {import("../pages/a.js").A} */',
    ],
)
def test_an_import_that_runs_up_is_found(tmp_path: Path, line: str) -> None:
    for room in ROOMS:
        (tmp_path / room).mkdir()
        (tmp_path / room / "a.js").write_text("")
    (tmp_path / "line" / "b.js").write_text(f'import "../shared/a.js";\nimport {{ c }} from "./a.js";\n{line}\n')
    [found] = upward(tmp_path)
    assert found.startswith("line/b.js imports ")
