"""Commands for syncs: run, follow, list, stop, retry, and fetch payload files."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import click

from synctail.cli.client import Client, part, pass_client
from synctail.cli.follow import Follower
from synctail.cli.show import (
    Trouble,
    as_json,
    coloured,
    file_errors,
    leave,
    log_line,
    moment,
    note,
    safe,
    say,
    show_list,
)
from synctail.model.filter_text import TypedFault, filter_of

EXIT = {"completed": 0, "failed": 1, "completed_with_errors": 3, "stopped": 4}
"""2 is for commands that fail before they reach a sync."""
KINDS = ("pull", "script", "push")
LISTED = 10_000
"""Payload files per request."""

follow_option = click.option("--follow", is_flag=True, help="Show the log until the sync ends.")


@click.command()
@click.argument("service")
@follow_option
@click.option(
    "--filter", "filters", multiple=True, metavar="'FIELD OP VALUE'", help="Replaces the service's filters; repeatable."
)
@click.option("--page-size", type=click.IntRange(1, 10_000), help="Records fetched and pushed at a time.")
@click.option("--store", help="Payloads to keep: pull, script, push, separated by commas; or none.")
@click.option("--ndjson", is_flag=True, help="With --follow: one JSON object per line.")
@pass_client
def run(
    server: Client,
    service: str,
    *,
    follow: bool,
    filters: tuple[str, ...],
    page_size: int | None,
    store: str | None,
    ndjson: bool,
) -> None:
    """Start a sync of SERVICE. Options replace the service's own for this sync."""
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
    summary = server.post(f"/api/services/{part(service)}/syncs", body)
    _started(server, summary, follow=follow, ndjson=ndjson)


def _stored(text: str) -> dict[str, bool]:
    wanted = [one.strip() for one in text.split(",") if one.strip() and one.strip() != "none"]
    for one in wanted:
        if one not in KINDS:
            raise Trouble(f"--store: got {safe(one)!r}; takes {', '.join(KINDS)}, separated by commas, or none")
    return {kind: kind in wanted for kind in KINDS}


@click.command()
@click.argument("sync")
@click.option("--after", type=click.IntRange(0), default=0, help="Start after this line.")
@click.option("--ndjson", is_flag=True, help="One JSON object per line.")
@pass_client
def tail(server: Client, sync: str, after: int, *, ndjson: bool) -> None:
    """Show the log of SYNC until it ends.

    Exit code: 0 completed, 1 failed, 3 completed with errors, 4 stopped.
    """
    _follow(server, server.sync_id(sync), after, ndjson=ndjson)


def _started(server: Client, summary: dict[str, Any], *, follow: bool, ndjson: bool = False) -> None:
    if follow:
        note(f"Sync {summary['id']} of {summary['service']}")
        _follow(server, summary["id"], 0, ndjson=ndjson)
    say(as_json(summary) if ndjson else summary["id"])


def _follow(server: Client, sync_id: str, after: int, *, ndjson: bool) -> None:
    """Ends the process; the exit code says how the sync ended."""
    for frame in Follower(server, sync_id, after).frames():
        match frame["type"]:
            case "lines":
                say("\n".join(as_json(line) if ndjson else log_line(line) for line in frame["lines"]))
            case "gap":
                note(f"… lines {frame['first']} to {frame['last']} no longer exist: {safe(frame['why'])}")
            case "rewind":
                note(f"… the lines after {frame['last']} are no longer in this log: {safe(frame['why'])}")
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
@click.option("--service", help="Only syncs of this service.")
@click.option("--status", help="Only syncs with this status.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@click.option("--json", "raw", is_flag=True, help="Print the API's answer.")
@pass_client
def syncs(server: Client, service: str | None, status: str | None, limit: int, *, raw: bool) -> None:
    """List syncs, newest first."""
    path = f"/api/services/{part(service)}/syncs" if service else "/api/syncs"
    show_list(
        server.get(path, limit=limit, **({"status": status} if status else {})),
        {
            "SYNC": "id",
            "SERVICE": "service",
            "STATUS": "status",
            "STARTED": lambda one: moment(one["started_at"] or one["queued_at"]),
            **{name.upper(): name for name in ("pulled", "pushed", "failed", "lines")},
        },
        empty="No sync within the retention matches.",
        raw=raw,
    )


@click.command()
@click.argument("sync")
@pass_client
def stop(server: Client, sync: str) -> None:
    """Stop SYNC."""
    summary = server.post(f"/api/syncs/{server.sync_id(sync)}/stop")
    say(f"Asked {summary['id']} to stop. It is {summary['status']}.")


@click.command()
@click.argument("sync")
@click.option("--only", type=click.Choice(["all", "failed"]), default="all", help="failed: the records that failed.")
@follow_option
@pass_client
def retry(server: Client, sync: str, only: str, *, follow: bool) -> None:
    """Start SYNC again, or only its failed records."""
    summary = server.post(f"/api/syncs/{server.sync_id(sync)}/retry", {"only": only})
    _started(server, summary, follow=follow)


@click.command()
@click.argument("sync")
@click.argument("number", required=False, type=click.IntRange(1))
@click.option("-o", "--output", metavar="FILE", help="Where to write NUMBER; - for standard output.")
@pass_client
def payloads(server: Client, sync: str, number: int | None, output: str | None) -> None:
    """List the payload files of SYNC, or fetch file NUMBER."""
    path = f"/api/syncs/{server.sync_id(sync)}/payloads"
    if number is None:
        show_list(
            _all_payloads(server, path),
            {
                "N": "n",
                "KIND": "kind",
                "NAME": "name",
                "BYTES": "bytes",
                "EXPIRES": lambda one: moment(one.get("expires_at"), "not yet"),
            },
            empty="This sync stored no files.",
        )
        return
    if not output:
        raise Trouble("Name a file with -o FILE, or - for standard output.")
    if output == "-" and sys.stdout.isatty():
        raise Trouble("A payload may hold anything; it is not written to a terminal. Use -o FILE.")
    with server.stream(f"{path}/{number}") as answer:
        if output == "-":
            sys.stdout.buffer.writelines(answer.iter_bytes())
            return
        with file_errors(output, "written"), Path(output).open("xb") as file:
            _write_whole(file, answer.iter_bytes())
    note(f"Wrote {Path(output).stat().st_size:,} bytes to {safe(output)}")


def _all_payloads(server: Client, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while more := server.get(path, after=found[-1]["n"] if found else 0, limit=LISTED):
        found += more
        if len(more) < LISTED:
            break
    return found


def _write_whole(file: BinaryIO, pieces: Iterable[bytes]) -> None:
    """Removes the file again if it cannot be written whole: half a payload must not pass for all of it."""
    try:
        file.writelines(pieces)
    except BaseException:
        Path(file.name).unlink(missing_ok=True)
        raise
