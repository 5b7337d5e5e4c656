"""Running, following, stopping and trying again."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import click

from synctail.cli.client import Client, client, part
from synctail.cli.follow import Follower
from synctail.cli.show import Trouble, as_json, coloured, leave, log_line, note, safe, say, table
from synctail.model.filter_text import TypedFault, filter_of

EXIT = {"completed": 0, "failed": 1, "completed_with_errors": 3, "stopped": 4}
"""2 is for what did not come to a sync at all."""
KINDS = ("pull", "script", "push")
LISTED = 10_000
"""Payloads that are asked for at a time."""


@click.command()
@click.argument("service")
@click.option("--follow", is_flag=True, help="Show its log until it ends.")
@click.option(
    "--filter", "filters", multiple=True, metavar="'FIELD OP VALUE'", help="In place of the service's filters."
)
@click.option("--page-size", type=click.IntRange(1, 10_000), help="Records fetched and pushed at a time.")
@click.option("--store", help="Payloads to keep: pull, script, push, separated by commas; or none.")
@click.option("--ndjson", is_flag=True, help="With --follow: a JSON object for each line.")
@click.pass_context
def run(
    context: click.Context,
    service: str,
    *,
    follow: bool,
    filters: tuple[str, ...],
    page_size: int | None,
    store: str | None,
    ndjson: bool,
) -> None:
    """Start a sync of SERVICE, as it is configured or otherwise this once."""
    body: dict[str, Any] = {}
    if filters:
        try:
            body["filters"] = [filter_of(one) for one in filters]
        except TypedFault as fault:
            raise Trouble(f"--filter {safe(fault)}") from None
    if page_size:
        body["page_size"] = page_size
    if store is not None:
        body["store"] = _stored(store)
    connected = client(context)
    summary = connected.post(f"/api/services/{part(service)}/syncs", body)
    if follow:
        note(f"Sync {summary['id']} of {summary['service']}")
        _follow(connected, summary["id"], 0, ndjson=ndjson)
    say(as_json(summary) if ndjson else summary["id"])


def _stored(text: str) -> dict[str, bool]:
    wanted = [one.strip() for one in text.split(",") if one.strip() and one.strip() != "none"]
    for one in wanted:
        if one not in KINDS:
            raise Trouble(f"--store: got {safe(one)!r}; takes {', '.join(KINDS)}, separated by commas, or none")
    return {kind: kind in wanted for kind in KINDS}


@click.command()
@click.argument("sync")
@click.option("--after", type=click.IntRange(0), default=0, help="Go on after this line.")
@click.option("--ndjson", is_flag=True, help="A JSON object for each line.")
@click.pass_context
def tail(context: click.Context, sync: str, after: int, *, ndjson: bool) -> None:
    """Show the log of SYNC until it ends.

    Exits with 0 completed, 1 failed, 3 completed with errors, 4 stopped.
    """
    connected = client(context)
    _follow(connected, connected.sync_id(sync), after, ndjson=ndjson)


def _follow(connected: Client, sync_id: str, after: int, *, ndjson: bool) -> None:
    """Ends the process with the exit code of how the sync ended."""
    for frame in Follower(connected, sync_id, after).frames():
        match frame["type"]:
            case "lines":
                say("\n".join(as_json(line) if ndjson else log_line(line) for line in frame["lines"]))
            case "gap":
                note(f"… lines {frame['first']} to {frame['last']} no longer exist: {safe(frame['why'])}")
            case "rewind":
                note(f"… what came after line {frame['last']} is not in this log: {safe(frame['why'])}")
            case "end":
                summary = frame["summary"]
                note(_ending(summary))
                leave(EXIT.get(summary["status"], 1))


def _ending(summary: dict[str, Any]) -> str:
    status = str(summary["status"]).replace("_", " ")
    reason = f" ({str(summary['reason']).replace('_', ' ')})" if summary.get("reason") else ""
    names = ["pulled", "pushed", "skipped", "filtered", "failed", *(["written"] if summary.get("written") else [])]
    counts = ", ".join(f"{summary[one]:,} {one}" for one in names)
    return f"{coloured(status.capitalize(), summary['status'])}{safe(reason)}: {counts}. {summary['lines']:,} lines."


@click.command()
@click.option("--service", help="Only those of this service.")
@click.option("--status", help="Only those with this status.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@click.option("--json", "as_array", is_flag=True, help="As the API has them.")
@click.pass_context
def syncs(context: click.Context, service: str | None, status: str | None, limit: int, *, as_array: bool) -> None:
    """List syncs, newest first."""
    path = f"/api/services/{part(service)}/syncs" if service else "/api/syncs"
    found = client(context).get(path, limit=limit, **({"status": status} if status else {}))
    if as_array:
        say(as_json(found))
        return
    if not found:
        note("No sync within the retention matches.")
        return
    table(
        ("SYNC", "SERVICE", "STATUS", "STARTED", "PULLED", "PUSHED", "FAILED", "LINES"),
        (
            (
                one["id"],
                one["service"],
                one["status"],
                (one["started_at"] or one["queued_at"])[:19].replace("T", " "),
                *(f"{one[name]:,}" for name in ("pulled", "pushed", "failed", "lines")),
            )
            for one in found
        ),
    )


@click.command()
@click.argument("sync")
@click.pass_context
def stop(context: click.Context, sync: str) -> None:
    """Stop SYNC."""
    connected = client(context)
    summary = connected.post(f"/api/syncs/{connected.sync_id(sync)}/stop")
    say(f"Asked {summary['id']} to stop. It is {summary['status']}.")


@click.command()
@click.argument("sync")
@click.option("--only", type=click.Choice(["all", "failed"]), default="all", help="failed: the records that failed.")
@click.option("--follow", is_flag=True, help="Show its log until it ends.")
@click.pass_context
def retry(context: click.Context, sync: str, only: str, *, follow: bool) -> None:
    """Start SYNC again, or only the records of it that failed."""
    connected = client(context)
    summary = connected.post(f"/api/syncs/{connected.sync_id(sync)}/retry", {"only": only})
    if follow:
        note(f"Sync {summary['id']} of {summary['service']}")
        _follow(connected, summary["id"], 0, ndjson=False)
    say(summary["id"])


@click.command()
@click.argument("sync")
@click.argument("number", required=False, type=click.IntRange(1))
@click.option("-o", "--output", metavar="FILE", help="Where NUMBER is written; - for the output.")
@click.pass_context
def payloads(context: click.Context, sync: str, number: int | None, output: str | None) -> None:
    """List the files that SYNC stored, or fetch NUMBER of them."""
    connected = client(context)
    path = f"/api/syncs/{connected.sync_id(sync)}/payloads"
    if number is None:
        found = _all_payloads(connected, path)
        if not found:
            note("This sync stored no files.")
            return
        table(
            ("N", "KIND", "NAME", "BYTES", "EXPIRES"),
            (
                (one["n"], one["kind"], one["name"], f"{one['bytes']:,}", (one.get("expires_at") or "not yet")[:19])
                for one in found
            ),
        )
        return
    with connected.stream(f"{path}/{number}") as answer:
        if not output:
            raise Trouble("Name a file with -o FILE, or - for the output.")
        if output == "-":
            out = sys.stdout.buffer
            if out.isatty():
                raise Trouble("What is stored may hold anything; it is not written to a terminal. Use -o FILE.")
            for piece in answer.iter_bytes():
                out.write(piece)
            return
        target = Path(output)
        try:
            with target.open("xb") as file:
                _write_whole(file, answer.iter_bytes())
        except FileExistsError:
            raise Trouble(f"{safe(output)} exists already. Choose another name.") from None
        except OSError as error:
            raise Trouble(f"{safe(output)} cannot be written: {error.strerror}") from None
    note(f"Wrote {target.stat().st_size:,} bytes to {safe(output)}")


def _all_payloads(connected: Client, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while more := connected.get(path, after=found[-1]["n"] if found else 0, limit=LISTED):
        found += more
        if len(more) < LISTED:
            break
    return found


def _write_whole(file: BinaryIO, pieces: Iterable[bytes]) -> None:
    """All of it, or no file: half a payload must not be taken for a whole one."""
    try:
        file.writelines(pieces)
    except BaseException:
        Path(file.name).unlink(missing_ok=True)
        raise
