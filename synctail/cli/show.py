"""Output to a terminal. Nothing in it that was logged or sent by a server may act on the terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from synctail.model import unsafe_text

Columns = Mapping[str, str | Callable[[dict[str, Any]], object]]

COLOURS = {
    "error": "red",
    "warning": "yellow",
    "failed": "red",
    "completed": "green",
    "completed_with_errors": "yellow",
    "running": "blue",
}


class Trouble(click.ClickException):
    """Ends the command with one clear sentence and exit code 2."""

    exit_code = 2

    def show(self, file: Any = None) -> None:  # noqa: ARG002 - click's signature
        note(f"synctail: {safe_lines(self.message)}")


class Unreachable(Trouble):
    """The server cannot be reached; trying again may help."""


def safe(text: object) -> str:
    """On one line."""
    return unsafe_text.one_line(str(text))


safe_lines = unsafe_text.lines


def log_line(line: dict[str, Any]) -> str:
    """As in `log.txt`, with colours."""
    level = safe(line.get("level", ""))
    kind = f"{level.upper():7} {safe(line.get('phase', '-')):6}"
    return f"{safe(line.get('time', ''))} {coloured(kind, level)} {unsafe_text.log_text(str(line.get('text', '')))}"


def as_json(value: Any) -> str:
    return unsafe_text.json_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def coloured(text: str, name: str) -> str:
    """click removes the colour when the output is not a terminal."""
    colour = COLOURS.get(name)
    return click.style(text, fg=colour) if colour else text


def say(text: str) -> None:
    click.echo(text)


def note(text: str) -> None:
    """To the error output, for a person. The caller makes foreign text safe."""
    click.echo(text, err=True)


def show_list(found: list[dict[str, Any]], columns: Columns, *, empty: str, raw: bool = False) -> None:
    """A table, or with `raw` the JSON. `columns`: each heading with the member it shows, or a function of an entry."""
    if raw:
        say(as_json(found))
    elif not found:
        note(empty)
    else:
        gets = columns.values()
        rows = [[_cell(one[get] if isinstance(get, str) else get(one)) for get in gets] for one in found]
        _table(list(columns), rows)


def moment(text: str | None, without: str = "-") -> str:
    """A time as a table shows it; `without` where there is none."""
    return text[:19].replace("T", " ") if text else without


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else safe(value or "-")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell; numbers aligned to the right."""
    specs = []
    for head, *cells in zip(heads, *rows, strict=True):
        number = all(re.fullmatch(r"[0-9,]*", cell) for cell in cells)
        specs.append(f"{'>' if number else '<'}{max(map(len, (head, *cells)))}")

    def laid_out(row: Sequence[str]) -> list[str]:
        return [format(cell, spec) for cell, spec in zip(row, specs, strict=True)]

    say(click.style("  ".join(laid_out(heads)).rstrip(), bold=True))
    for row in rows:
        say("  ".join(coloured(laid, cell) for laid, cell in zip(laid_out(row), row, strict=True)).rstrip())


@contextmanager
def file_errors(path: str, verb: str) -> Iterator[None]:
    """A file that cannot be read or written becomes `Trouble`."""
    try:
        yield
    except FileExistsError:
        raise Trouble(f"{safe(path)} exists already. Choose another name.") from None
    except OSError as error:
        raise Trouble(f"{safe(path)} cannot be {verb}: {error.strerror}") from None


def leave(code: int) -> NoReturn:
    raise click.exceptions.Exit(code)
