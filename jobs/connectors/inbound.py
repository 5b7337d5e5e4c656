"""The source of a service that takes posted records: it has nothing to pull."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from jobs.connectors.base import ConnectorError, Page


class Posted:
    def __init__(self, service_id: str) -> None:
        self._address = f"/api/inbound/{service_id}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def pages(self) -> Iterator[Page]:
        raise ConnectorError(f"There is nothing to pull: records are posted to {self._address}.")

    def check(self) -> str:
        return f"records are posted to {self._address}"
