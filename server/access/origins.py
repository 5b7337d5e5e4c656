"""Which page asked the browser to send a request? A browser attaches the session's cookie for every page, so a request
that changes something must come from a page of this server (CSRF), and so must a websocket. Pure.

Browsers answer in two headers that no page can write: `Sec-Fetch-Site`, and `Origin` where that one is missing, as it
is without TLS. The rules are those of Go's `http.CrossOriginProtection` and of Datasette, except that a session's
cookie without either header is refused: every browser since 2020 sends one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from server.web import errors

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
TRUSTED_SITES = ("same-origin", "none")
"""A page of this server; the address bar, or a bookmark."""


class Origins:
    """`allowed`: further origins whose pages may act here. Each check raises `Forbidden`."""

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(allowed)

    def check_change(self, headers: Mapping[str, str], *, session: bool) -> None:
        """A request that changes something. `session`: a session's cookie authorizes it."""
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is None and origin is None:
            if session:
                raise errors.Forbidden(
                    "The request has a session cookie, but neither Sec-Fetch-Site nor Origin. A proxy must pass them "
                    "on; a program sends 'Authorization: Bearer TOKEN' instead of a cookie."
                )
            return
        # The browser compares with the address that it sees, which a proxy may hide from us; so that header first.
        trusted = _is_own(headers) if site is None else site in TRUSTED_SITES
        if not trusted and origin not in self._allowed:
            raise _foreign(origin, "change anything here")

    def check_socket(self, headers: Mapping[str, str]) -> None:
        """A websocket, whatever authorizes it. Programs that are no browsers send no `Origin`."""
        origin = headers.get("origin")
        if origin is not None and origin not in self._allowed and not _is_own(headers):
            raise _foreign(origin, "connect")


def _is_own(headers: Mapping[str, str]) -> bool:
    """Does `Origin` name the host that the request went to? `null`, of a sandboxed page, names none."""
    try:
        host = urlsplit(headers["origin"]).netloc.lower()
    except ValueError:
        return False
    return host != "" and host == headers.get("host", "").lower()


def _foreign(origin: str | None, act: str) -> errors.Forbidden:
    pages = f"Pages of {origin[:200]}" if origin else "Pages of other sites"
    return errors.Forbidden(
        f"{pages} may not {act}. A proxy must pass on Host; to allow another origin, name it in "
        "SYNCTAIL_ALLOWED_ORIGINS."
    )
