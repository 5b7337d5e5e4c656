"""One server and one token. An error of the API becomes one sentence; the faults of a definition, one line each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from urllib.parse import quote

import httpx2

from synctail.cli import settings
from synctail.cli.settings import Target
from synctail.cli.show import Trouble, Unreachable, safe

P = ParamSpec("P")

TIMEOUT_S = 30.0
ID_LENGTH = 26


class Client:
    """Every method raises `Trouble` unless the request succeeds."""

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
        return self._json(self.request("POST", path, json=body))

    def delete(self, path: str) -> None:
        self.request("DELETE", path)

    def request(self, method: str, path: str, **options: Any) -> httpx2.Response:
        with self._reached():
            answer = self._http.request(method, path, **options)
        return self._accepted(answer)

    @contextmanager
    def stream(self, path: str) -> Iterator[httpx2.Response]:
        with self._reached(), self._http.stream("GET", path, headers={"Accept": "*/*"}) as answer:
            if not answer.is_success:
                answer.read()
            yield self._accepted(answer)

    def probe(self, path: str) -> httpx2.Response:
        """The answer, whatever its status."""
        with self._reached():
            return self._http.get(path)

    def sync_id(self, text: str) -> str:
        """The full id for a part of one, such as the pages show. The part must be in the id of exactly one sync."""
        part = text.strip().lstrip("…").upper()
        if len(part) == ID_LENGTH:
            return part
        if not part.isascii() or not part.isalnum():
            raise Trouble(f"{safe(text)!r} is not a sync id, nor a part of one.")
        found = [one["id"] for one in self.get("/api/syncs", q=part, limit=3)]
        if len(found) == 1:
            return str(found[0])
        if not found:
            raise Trouble(f"No sync has {safe(text)!r} in its id. 'synctail syncs' lists them.")
        raise Trouble(f"Several syncs have {safe(text)!r} in their id: {', '.join(found)}, … Enter more of it.")

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except httpx2.TimeoutException:
            raise Unreachable(f"{self.target.url} did not answer within {TIMEOUT_S:.0f} s.") from None
        except httpx2.TransportError as error:
            raise Unreachable(
                f"{self.target.url} cannot be reached ({safe(error)}). "
                f"Is Synctail running there? To use another server, set {settings.URL}."
            ) from None

    def _accepted(self, answer: httpx2.Response) -> httpx2.Response:
        if answer.is_success:
            return answer
        problem = self._json(answer)
        if not isinstance(problem, dict) or "detail" not in problem:
            raise self._foreign(answer)
        if answer.status_code == httpx2.codes.UNAUTHORIZED:
            if self.target.token:
                why = f"The token in {self.target.token_from} is unknown or has expired."
                raise Trouble(f"{why} Set {settings.TOKEN} to another.")
            raise Trouble(f"No token. Set {settings.TOKEN}; an administrator creates one with 'synctail token create'.")
        detail = safe(problem["detail"])
        if answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE:
            raise Unreachable(detail)
        faults = problem.get("errors")
        if isinstance(faults, list) and faults:
            lines = [f"  {safe(one.get('path') or '(all)')}: {safe(one.get('says', ''))}" for one in faults]
            raise Trouble("\n".join([f"{safe(problem.get('title', 'Refused'))}.", *lines]))
        raise Trouble(detail)

    def _json(self, answer: httpx2.Response) -> Any:
        try:
            return answer.json()
        except ValueError:
            raise self._foreign(answer) from None

    def _foreign(self, answer: httpx2.Response) -> Trouble:
        return Trouble(f"{self.target.url} answered {answer.status_code}, but not as Synctail does. Is it Synctail?")


def part(name: str) -> str:
    """A name, quoted as one part of a path."""
    return quote(name, safe="")


def pass_client(command: Callable[Concatenate[Client, P], None]) -> Callable[P, None]:
    """Hands a command the client, and closes it afterwards."""

    @wraps(command)
    def with_client(*args: P.args, **options: P.kwargs) -> None:
        with closing(Client(settings.find(os.environ))) as client:
            command(client, *args, **options)

    return with_client
