"""Opens the connector that a definition names. A sync loads only the connectors it uses."""

from __future__ import annotations

from contextlib import AbstractContextManager

from jobs.connectors.base import Context, Destination, Source
from jobs.services.model import (
    FileDestination,
    FileSource,
    HttpDestination,
    HttpSource,
    InboundSource,
    Service,
    SftpDestination,
    SftpSource,
    SqlDestination,
    SqlSource,
)


def open_source(service: Service, context: Context) -> AbstractContextManager[Source]:
    match service.source:
        case HttpSource():
            from jobs.connectors.http import HttpReader  # noqa: PLC0415 - a sync loads only the connectors it uses

            return HttpReader(service.source, context)
        case SqlSource():
            from jobs.connectors.sql_source import SqlReader  # noqa: PLC0415

            return SqlReader(service.source, context)
        case FileSource():
            from jobs.connectors.file import FileReader  # noqa: PLC0415

            return FileReader(service.source, context)
        case SftpSource():
            from jobs.connectors.sftp import SftpReader  # noqa: PLC0415

            return SftpReader(service.source, context)
        case InboundSource():
            from jobs.connectors.inbound import Posted  # noqa: PLC0415

            return Posted(service.id)


def open_destination(service: Service, context: Context) -> AbstractContextManager[Destination]:
    """Leaving the context discards what only appears as a whole and was not completed."""
    match service.destination:
        case HttpDestination():
            from jobs.connectors.http_post import HttpWriter  # noqa: PLC0415

            return HttpWriter(service.destination, context)
        case SqlDestination():
            from jobs.connectors.sql import SqlWriter  # noqa: PLC0415

            return SqlWriter(service.destination, context)
        case FileDestination():
            from jobs.connectors.file import FileWriter  # noqa: PLC0415

            return FileWriter(service.destination, context)
        case SftpDestination():
            from jobs.connectors.sftp import SftpWriter  # noqa: PLC0415

            return SftpWriter(service.destination, context)
