"""`synctail token`: create, list and remove access tokens."""

from __future__ import annotations

import click

from synctail.cli.client import Client, part, pass_client
from synctail.cli.show import moment, note, safe, say, show_list


@click.group()
def token() -> None:
    """Create, list and remove access tokens."""


@token.command()
@click.option("--name", required=True, help="What the token is for; lists and logs show it.")
@click.option("--role", type=click.Choice(["viewer", "operator", "admin"]), default="viewer", show_default=True)
@click.option("--expires", metavar="DURATION", help="Such as 90m, 24h or 90d; without it, never.")
@pass_client
def create(server: Client, name: str, role: str, expires: str | None) -> None:
    """Create a token and show it once; the server keeps only its hash."""
    made = server.post("/api/tokens", {"name": name, "role": role, "expires": expires})
    note(f"A token for {safe(made['name'])} with the role {made['role']}, shown this once:")
    say(safe(made["token"]))


@token.command("list")
@click.option("--json", "raw", is_flag=True, help="Print the API's answer.")
@pass_client
def listed(server: Client, *, raw: bool) -> None:
    """List tokens by name, without the tokens themselves."""
    show_list(
        server.get("/api/tokens"),
        {
            "ID": "id",
            "NAME": "name",
            "ROLE": "role",
            "CREATED": lambda one: (one["created_at"] or "-")[:10],
            "BY": "created_by",
            "EXPIRES": lambda one: moment(one["expires_at"], "never"),
        },
        empty="There are no tokens.",
        raw=raw,
    )


@token.command()
@click.argument("name_or_id")
@pass_client
def remove(server: Client, name_or_id: str) -> None:
    """Remove a token. Its users are disconnected within seconds."""
    server.delete(f"/api/tokens/{part(name_or_id)}")
    say(f"Removed {safe(name_or_id)}.")
