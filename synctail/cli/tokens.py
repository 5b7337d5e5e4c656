"""Access tokens: made, listed, removed."""

from __future__ import annotations

import click

from synctail.cli.client import client, part
from synctail.cli.show import as_json, note, safe, say, table


@click.group()
def token() -> None:
    """Access tokens: create, list, remove."""


@token.command()
@click.option("--name", required=True, help="What it is for: it stands in lists and logs.")
@click.option("--role", type=click.Choice(["viewer", "operator", "admin"]), default="viewer", show_default=True)
@click.option("--expires", metavar="DURATION", help="After 90m, 24h or 90d; without it, never.")
@click.pass_context
def create(context: click.Context, name: str, role: str, expires: str | None) -> None:
    """Make a token. It is shown this once; only its fingerprint is kept."""
    made = client(context).post("/api/tokens", {"name": name, "role": role, "expires": expires})
    note(f"A token for {safe(made['name'])} with the role {made['role']}, shown this once:")
    say(safe(made["token"]))


@token.command("list")
@click.option("--json", "as_array", is_flag=True, help="As the API has them.")
@click.pass_context
def listed(context: click.Context, *, as_array: bool) -> None:
    """List tokens: their names and roles. What they are, nobody can show again."""
    found = client(context).get("/api/tokens")
    if as_array:
        say(as_json(found))
        return
    table(
        ("ID", "NAME", "ROLE", "CREATED", "BY", "EXPIRES"),
        (
            (
                one["id"],
                one["name"],
                one["role"],
                (one["created_at"] or "-")[:10],
                one["created_by"] or "-",
                (one["expires_at"] or "never")[:19].replace("T", " "),
            )
            for one in found
        ),
    )


@token.command()
@click.argument("name_or_id")
@click.pass_context
def remove(context: click.Context, name_or_id: str) -> None:
    """Remove a token. Whoever uses it is let go within seconds."""
    client(context).delete(f"/api/tokens/{part(name_or_id)}")
    say(f"Removed {safe(name_or_id)}.")
