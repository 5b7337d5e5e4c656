"""One server, one token. What the API refuses becomes one sentence, and each fault of a definition a line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import click
import httpx2

from synctail.cli import settings
from synctail.cli.settings import Target
from synctail.cli.show import Trouble, Unreachable, safe

TIMEOUT_S = 30.0
ID_LENGTH = 26


class Client:
    def __init__(self, target: Target) -> None:
        self.target = target
        headers = {"Accept": "application/json"}
        if target.token:
            headers["Authorization"] = f"Bearer {target.token}"
        self._http = httpx2.Client(base_url=target.url, headers=headers, timeout=TIMEOUT_S, follow_redirects=False)

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, **params: Any) -> Any:
        return self._json(self.request("GET", path, params=params))

    def post(self, path: str, body: Any = None) -> Any:
        return self._json(self.request("POST", path, json=body) if body is not None else self.request("POST", path))

    def delete(self, path: str) -> None:
        self.request("DELETE", path)

    def text(self, path: str, **params: Any) -> str:
        return self.request("GET", path, params=params).text

    def request(self, method: str, path: str, **how: Any) -> httpx2.Response:
        """Raises `Trouble` for anything but success."""
        with self._reached():
            answer = self._http.request(method, path, **how)
        return self._accepted(answer)

    @contextmanager
    def stream(self, path: str) -> Iterator[httpx2.Response]:
        with self._reached(), self._http.stream("GET", path, headers={"Accept": "*/*"}) as answer:
            if not answer.is_success:
                answer.read()
            yield self._accepted(answer)

    def probe(self, path: str) -> httpx2.Response:
        """The answer, whatever it is. Raises `Trouble` where there is none."""
        with self._reached():
            return self._http.get(path)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except httpx2.TimeoutException:
            raise Unreachable(f"{self.target.url} does not answer within {TIMEOUT_S:.0f} s.") from None
        except httpx2.TransportError as error:
            raise Unreachable(
                f"{self.target.url} cannot be reached ({safe(error)}). "
                f"Is Synctail running there? {settings.URL} names another address."
            ) from None

    def _accepted(self, answer: httpx2.Response) -> httpx2.Response:
        if answer.is_success:
            return answer
        try:
            problem = answer.json()
            detail = str(problem["detail"])
        except (ValueError, KeyError, TypeError):
            raise Trouble(
                f"{self.target.url} answered {answer.status_code} in a way that Synctail does not. Is it one?"
            ) from None
        if answer.status_code == httpx2.codes.UNAUTHORIZED:
            raise Trouble(self._token_trouble())
        if answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE:
            raise Unreachable(safe(detail))
        faults = problem.get("errors")
        if isinstance(faults, list) and faults:
            lines = "".join(f"\n  {safe(one.get('path') or '(all)')}: {safe(one.get('says', ''))}" for one in faults)
            raise Trouble(f"{safe(problem.get('title', 'Refused'))}.{lines}")
        raise Trouble(safe(detail))

    def _token_trouble(self) -> str:
        if not self.target.token:
            return (
                f"No token. Set {settings.TOKEN} to one; whoever runs Synctail makes it with 'synctail token create'."
            )
        return f"The token in {self.target.token_from} is not known, or has expired. Set {settings.TOKEN} to another."

    def _json(self, answer: httpx2.Response) -> Any:
        try:
            return answer.json()
        except ValueError:
            raise Trouble(f"{self.target.url} answered with something that is no JSON. Is it Synctail?") from None

    # --- names --------------------------------------------------------------------------------------------------------

    def sync_id(self, given: str) -> str:
        """The whole id, of a part of one such as the pages show. Raises `Trouble` where it fits none, or several."""
        part = given.strip().lstrip("…").upper()
        if len(part) == ID_LENGTH:
            return part
        if not part.isascii() or not part.isalnum():
            raise Trouble(f"{safe(given)!r} is not the id of a sync, nor a part of one.")
        found = [one["id"] for one in self.get("/api/syncs", q=part, limit=3)]
        if len(found) == 1:
            return str(found[0])
        if not found:
            raise Trouble(f"No sync has {safe(given)!r} in its id. 'synctail syncs' lists them.")
        raise Trouble(f"Several syncs have {safe(given)!r} in their id: {', '.join(found)}, … Give more of it.")


def part(name: str) -> str:
    """A name as a part of a path."""
    return quote(name, safe="")


def client(context: click.Context) -> Client:
    """The one client of a command, made when it is first asked for."""
    root = context.find_root()
    made = root.obj.get("client")
    if made is None:
        made = root.obj["client"] = Client(settings.find(root.obj["environ"]))
        root.call_on_close(made.close)
    found: Client = made
    return found
