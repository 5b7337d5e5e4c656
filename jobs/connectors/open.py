"""Opens the connector that a definition names."""

from __future__ import annotations

from collections.abc import Iterator

from jobs.connectors.base import ConnectorError, Context, Destination, Page, Source
from jobs.connectors.file import FileReader, FileWriter
from jobs.connectors.http import HttpReader
from jobs.connectors.http_post import HttpWriter
from jobs.connectors.sql import SqlWriter
from jobs.connectors.sql_source import SqlReader
from jobs.services import model


class Posted(Source):
    """The source of a service that takes posted records: it has nothing to pull."""

    def __init__(self, service_id: str) -> None:
        self._found = f"records are posted to /api/inbound/{service_id}"

    def pages(self) -> Iterator[Page]:
        raise ConnectorError(f"There is nothing to pull: {self._found}.")

    def _look(self) -> str:
        return self._found


def open_source(service: model.Service, context: Context) -> Source:
    match service.source:
        case model.HttpSource() as source:
            return HttpReader(source, context)
        case model.SqlSource() as source:
            return SqlReader(source, context)
        case model.FileSource() as source:
            return FileReader(source, context)
        case model.SftpSource() as source:
            from jobs.connectors.sftp import SftpReader  # noqa: PLC0415 - half of the time that all others take to load

            return SftpReader(source, context)
        case model.InboundSource():
            return Posted(service.id)


def open_destination(service: model.Service, context: Context) -> Destination:
    match service.destination:
        case model.HttpDestination() as destination:
            return HttpWriter(destination, context)
        case model.SqlDestination() as destination:
            return SqlWriter(destination, context)
        case model.FileDestination() as destination:
            return FileWriter(destination, context)
        case model.SftpDestination() as destination:
            from jobs.connectors.sftp import SftpWriter  # noqa: PLC0415 - as above

            return SftpWriter(destination, context)
