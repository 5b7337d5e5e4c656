"""`synctail services`: list, show, export, apply, check and remove services."""

from __future__ import annotations

import sys
import time
from difflib import unified_diff
from pathlib import Path
from typing import Any

import click

from synctail.cli.client import Client, part, pass_client
from synctail.cli.show import Trouble, as_json, coloured, file_errors, leave, safe, safe_lines, say, show_list

CHECK_WITHIN_S = 60.0
CHECK_EVERY_S = 0.5
STATES = {"operational": "completed", "unreachable": "failed"}


@click.group()
def services() -> None:
    """List, show, export, apply, check and remove services."""


@services.command("list")
@click.option("--json", "raw", is_flag=True, help="Print the API's answer.")
@pass_client
def listed(server: Client, *, raw: bool) -> None:
    """List all services."""
    show_list(
        server.get("/api/services"),
        {
            "SERVICE": "id",
            "NAME": "name",
            "ACTIVE": lambda one: "yes" if one["active"] else "no",
            "SCHEDULE": lambda one: one["trigger"]["schedule"],
            "LAST SYNC": lambda one: (one["last_sync"] or {}).get("id"),
            "STATUS": lambda one: (one["last_sync"] or {}).get("status"),
        },
        empty="There are no services. 'synctail services apply FILE' creates some.",
        raw=raw,
    )


@services.command()
@click.argument("service")
@click.option("--json", "raw", is_flag=True, help="Print the API's answer.")
@pass_client
def show(server: Client, service: str, *, raw: bool) -> None:
    """Show SERVICE as TOML."""
    if raw:
        say(as_json(server.get(f"/api/services/{part(service)}")))
    else:
        say(safe_lines(_toml(server, service)).rstrip("\n"))


@services.command()
@click.argument("names", nargs=-1, metavar="[SERVICE]...")
@click.option("-o", "--output", metavar="FILE", help="Write to FILE.")
@pass_client
def export(server: Client, names: tuple[str, ...], output: str | None) -> None:
    """Write services as TOML: those named, or all."""
    text = _toml(server, *names)
    if output and output != "-":
        with file_errors(output, "written"):
            Path(output).write_text(text, encoding="utf-8", newline="\n")
    elif sys.stdout.isatty():
        say(safe_lines(text).rstrip("\n"))
    else:
        sys.stdout.buffer.write(text.encode())


def _toml(server: Client, *names: str) -> str:
    return server.request("GET", "/api/services.toml", params={"service": list(names)}).text


@services.command()
@click.argument("file")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@pass_client
def apply(server: Client, file: str, *, dry_run: bool) -> None:
    """Create or replace the services in FILE (- for standard input).

    FILE defines one service, or several under [[service]]. Either all of them are applied or none.
    """
    with file_errors(file, "read"):
        body = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    answer = server.request(
        "POST",
        "/api/services.toml",
        params={"dry_run": int(dry_run)},
        content=body,
        headers={"Content-Type": "application/toml"},
    )
    for one in answer.json()["services"]:
        would = "would be " if dry_run and one["change"] != "unchanged" else ""
        say(f"{safe(one['id'])}: {would}{one['change']}")
        if dry_run:
            _show_change(one)


def _show_change(one: dict[str, Any]) -> None:
    before, after = (one["before"] or "").splitlines(), one["after"].splitlines()
    for line in unified_diff(before, after, "now", "then", lineterm="", n=2):
        colour = {"+": "completed", "-": "failed"}.get(line[:1], "")
        say(coloured(f"  {safe(line)}", colour))


@services.command()
@click.argument("service")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@pass_client
def remove(server: Client, service: str, *, yes: bool) -> None:
    """Remove SERVICE and its record of what was pushed. Its syncs stay until they expire."""
    if not yes and not click.confirm(f"Remove the service {safe(service)}?", err=True):
        leave(1)
    server.delete(f"/api/services/{part(service)}")
    say(f"Removed {safe(service)}.")


@services.command()
@click.argument("service")
@pass_client
def check(server: Client, service: str) -> None:
    """Check whether a worker reaches both systems of SERVICE. Exits with 1 if it does not."""
    path = f"/api/services/{part(service)}/check"
    asked_at = server.post(path)["asked_at"]
    until = time.monotonic() + CHECK_WITHIN_S
    while (found := server.get(path)).get("asked_at") is None or found["asked_at"] < asked_at:
        if time.monotonic() > until:
            raise Trouble("No worker did the check within a minute. Is one running? 'synctail doctor' tells more.")
        time.sleep(CHECK_EVERY_S)
    fine = True
    for side in ("source", "destination"):
        state, reason = found[side]["state"], found[side].get("reason") or ""
        fine = fine and state == "operational"
        say(f"{side:12} {coloured(safe(state), STATES.get(state, 'warning'))}{': ' + safe(reason) if reason else ''}")
    leave(0 if fine else 1)
