"""How a form calls the values of a choice, and the order in which it asks. Members have their titles in
`jobs.services.model`."""

from __future__ import annotations

from msgspec import Struct

from jobs.services.model import FileDestination, FileSource, SftpDestination, SftpSource
from jobs.transform.model import MappedField

_SERVER = ("host", "port", "user", "password", "private_key", "passphrase", "host_key", "path", "format")
ORDER: dict[type[Struct], tuple[str, ...]] = {
    MappedField: ("from", "to", "with"),
    SftpSource: _SERVER,
    SftpDestination: _SERVER,
    FileSource: ("path", "format"),
    FileDestination: ("path", "mode", "format"),
}
"""Where a form asks in another order than a definition has."""

VALUES = {
    "http": "HTTP",
    "sql": "SQL database",
    "sftp": "SFTP server",
    "file": "File",
    "inbound": "Inbound API",
    "bearer": "Bearer token",
    "basic": "User and password",
    "header": "Custom header",
    "format=": "By the path's ending",
    "=": "= equals",
    "!=": "≠ does not equal",
    "<": "< less than",
    "<=": "≤ at most",
    ">": "> more than",
    ">=": "≥ at least",
    "in": "is one of",
    "contains": "contains",
    "starts": "starts with",
    "matches": "matches pattern",
    "exists": "exists",
    "true": "Yes",
    "false": "No",
    "link": "Follow the Link header",
    "page": "Count pages",
    "cursor": "Follow a cursor",
    "none": "A single response",
    "upsert": "Insert or replace",
    "insert": "Insert only",
    "replace": "Replace the file",
    "append": "Append to the file",
    "keep": "Keep them",
    "delete": "Delete them",
    "move": "Move them to a folder",
    "ndjson": "NDJSON: a JSON object per line",
    "json": "JSON",
    "csv": "CSV",
    "xml": "XML",
    "python": "Python",
}
"""What a form calls a kind or another value of a choice; `member=` is for no choice. Others go by their own name."""
