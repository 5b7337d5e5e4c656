"""What is written to a terminal. Nothing that was logged, or that a server says, may act on it: control characters and
what turns text around are shown instead. Colours only where a person looks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import click

_CONTROLS = [*range(0x20), *range(0x7F, 0xA0)]
_SURROGATES = range(0xD800, 0xE000)  # halves of characters, which no terminal could be sent
_BIDI = [0x061C, 0x200E, 0x200F, 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_VISIBLE = {code: f"\\x{code:02x}" for code in _CONTROLS} | {code: f"\\u{code:04x}" for code in [*_BIDI, *_SURROGATES]}
_OF_A_LINE = {**_VISIBLE, 0x09: "\t", 0x0A: "\n    "}
_OF_JSON = {code: f"\\u{code:04x}" for code in [*range(0x7F, 0xA0), *_BIDI, *_SURROGATES]}
"""Within JSON's own text C0 is escaped already; the rest only ever stands in a string, where this means the same."""

COLOURS = {
    "error": "red",
    "warning": "yellow",
    "failed": "red",
    "completed": "green",
    "completed_with_errors": "yellow",
    "running": "blue",
}


class Trouble(click.ClickException):
    """One clear sentence, and exit code 2."""

    exit_code = 2

    def show(self, file: Any = None) -> None:  # noqa: ARG002 - as click has it
        note(f"synctail: {safe_lines(self.message)}")


class Unreachable(Trouble):
    """It may be there again in a moment."""


def safe(text: object) -> str:
    """On one line."""
    said = str(text)
    return said if said.isprintable() else said.translate(_VISIBLE)


def safe_lines(text: str) -> str:
    """With its line breaks and tabs."""
    return text.translate({**_VISIBLE, 0x09: "\t", 0x0A: "\n"})


def log_line(line: dict[str, Any]) -> str:
    """As in `log.txt`: what follows a line break is indented."""
    text = str(line.get("text", ""))
    shown = text if text.isprintable() else text.translate(_OF_A_LINE)
    level = safe(line.get("level", ""))
    kind = f"{level.upper():7} {safe(line.get('phase', '-')):6}"
    return f"{safe(line.get('time', ''))} {coloured(kind, level)} {shown}"


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_OF_JSON)


def coloured(text: str, name: str) -> str:
    """click takes the colour away where nobody looks."""
    colour = COLOURS.get(name)
    return click.style(text, fg=colour) if colour else text


def say(text: str) -> None:
    click.echo(text)


def note(text: str) -> None:
    """Beside the output, for the person who looks; what others said in it has been made safe."""
    click.echo(text, err=True)


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns as wide as they must be; numbers to the right."""
    cells = [[safe(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    numeric = [all(re.fullmatch(r"[0-9,]*", row[at]) for row in cells) for at in range(len(heads))]

    def laid_out(row: Sequence[str]) -> list[str]:
        return [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]

    say(click.style("  ".join(laid_out(heads)).rstrip(), bold=True))
    for row in cells:
        say("  ".join(coloured(laid, cell) for laid, cell in zip(laid_out(row), row, strict=True)).rstrip())


def leave(code: int) -> NoReturn:
    raise click.exceptions.Exit(code)
