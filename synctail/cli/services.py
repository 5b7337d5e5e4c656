"""Services: listed, shown, applied from TOML, exported, checked, removed."""

from __future__ import annotations

import sys
import time
from difflib import unified_diff
from pathlib import Path
from typing import Any

import click

from synctail.cli.client import client, part
from synctail.cli.show import Trouble, as_json, coloured, leave, note, safe, safe_lines, say, table

CHECK_WITHIN_S = 60.0
CHECK_EVERY_S = 0.5
STATES = {"operational": "completed", "unreachable": "failed"}


@click.group()
def services() -> None:
    """Services: list, show, apply, export, check, remove."""


@services.command("list")
@click.option("--json", "as_array", is_flag=True, help="As the API has them.")
@click.pass_context
def listed(context: click.Context, *, as_array: bool) -> None:
    """List all services."""
    found = client(context).get("/api/services")
    if as_array:
        say(as_json(found))
        return
    if not found:
        note("No services yet. 'synctail services apply FILE' makes some.")
        return
    table(
        ("SERVICE", "NAME", "ACTIVE", "SCHEDULE", "LAST SYNC", "STATUS"),
        (
            (
                one["id"],
                one["name"],
                "yes" if one["active"] else "no",
                one["trigger"]["schedule"] or "-",
                (one["last_sync"] or {}).get("id", "-"),
                (one["last_sync"] or {}).get("status", "-"),
            )
            for one in found
        ),
    )


@services.command()
@click.argument("service")
@click.option("--json", "as_object", is_flag=True, help="As the API has it.")
@click.pass_context
def show(context: click.Context, service: str, *, as_object: bool) -> None:
    """Show SERVICE, as TOML."""
    if as_object:
        say(as_json(client(context).get(f"/api/services/{part(service)}")))
    else:
        say(safe_lines(client(context).text("/api/services.toml", service=service)).rstrip("\n"))


@services.command()
@click.argument("names", nargs=-1, metavar="[SERVICE]...")
@click.option("-o", "--output", metavar="FILE", help="Where it is written.")
@click.pass_context
def export(context: click.Context, names: tuple[str, ...], output: str | None) -> None:
    """Write services as TOML; without a name, all of them."""
    text = client(context).text("/api/services.toml", service=list(names))
    if output and output != "-":
        try:
            Path(output).write_text(text, encoding="utf-8", newline="\n")
        except OSError as error:
            raise Trouble(f"{safe(output)} cannot be written: {error.strerror}") from None
    elif sys.stdout.isatty():
        say(safe_lines(text).rstrip("\n"))
    else:
        sys.stdout.buffer.write(text.encode())


@services.command()
@click.argument("file")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.pass_context
def apply(context: click.Context, file: str, *, dry_run: bool) -> None:
    """Create or replace what FILE (- for the input) says: one service, or several under [[service]]. All or nothing."""
    try:
        body = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise Trouble(f"{safe(file)} cannot be read: {error.strerror}") from None
    answer = client(context).request(
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
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def remove(context: click.Context, service: str, *, yes: bool) -> None:
    """Remove SERVICE, and what it remembers of pushed records. Its syncs stay until their time is over."""
    if not yes and not click.confirm(f"Remove the service {safe(service)}?", err=True):
        leave(1)
    client(context).delete(f"/api/services/{part(service)}")
    say(f"Removed {safe(service)}.")


@services.command()
@click.argument("service")
@click.pass_context
def check(context: click.Context, service: str) -> None:
    """Check whether a worker reaches the source and the destination of SERVICE. Exits with 1 where it does not."""
    connected = client(context)
    path = f"/api/services/{part(service)}/check"
    asked_at = connected.post(path)["asked_at"]
    until = time.monotonic() + CHECK_WITHIN_S
    while (found := connected.get(path)).get("asked_at") is None or found["asked_at"] < asked_at:
        if time.monotonic() > until:
            raise Trouble("No worker has done the check within a minute. Is one running? 'synctail doctor' tells more.")
        time.sleep(CHECK_EVERY_S)
    fine = True
    for side in ("source", "destination"):
        state, reason = found[side]["state"], found[side].get("reason") or ""
        fine = fine and state == "operational"
        say(f"{side:12} {coloured(safe(state), STATES.get(state, 'warning'))}{': ' + safe(reason) if reason else ''}")
    leave(0 if fine else 1)
