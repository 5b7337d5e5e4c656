"""How the members of a definition are called in forms, and the sentence that helps with each.

Found by a member's path with the kinds that lead to it, `source(http).url`; else without the kinds, `source.url`; else
by its name alone, `*.url`. A test fails for a member that none of them finds; until then it is called by its own name.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Words(NamedTuple):
    label: str
    help: str = ""
    example: str = ""


LONG = {"notes": "long", "script.code": "code", "source.query": "code"}
"""Texts that take more than a line."""

_SERVER = ("host", "port", "user", "password", "private_key", "passphrase", "host_key", "path")
ORDER = {
    "mapping[]": ("from", "to", "with"),
    "source(sftp)": (*_SERVER, "format"),
    "source(file)": ("path", "format"),
    "destination(sftp)": (*_SERVER, "format"),
    "destination(file)": ("path", "mode", "format"),
}
"""Where a form asks in another order than a definition has."""

VALUES = {
    "format=": "As the file's name ends",
    "=": "= equals",
    "!=": "≠ differs from",
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
    "none": "One answer holds everything",
    "upsert": "Insert or replace",
    "insert": "Insert only",
    "replace": "Replace the file",
    "append": "Add to the file",
    "ndjson": "NDJSON, a JSON object per line",
    "json": "JSON",
    "csv": "CSV",
    "xml": "XML",
    "python": "Python",
    "page": "Count pages",
    "cursor": "A cursor in the answer",
    "keep": "Leave them where they are",
    "delete": "Delete them",
    "move": "Move them into a folder",
}
"""How the values of a choice are called; one that is not here is called by its own name."""

_WORDS = {
    # --- general
    "id": Words(
        "Id", "Names the service in addresses and commands. It cannot be changed later.", "orders-to-warehouse"
    ),
    "name": Words("Name", "What people call it.", "Orders to warehouse"),
    "active": Words("Active", "An inactive service runs neither by hand nor on its schedule."),
    "notes": Words("Notes", "For those who look after it: where it comes from, whom to ask."),
    # --- source and destination
    "source": Words("Source", "Where the records come from."),
    "source.kind": Words("Kind of source"),
    "destination": Words("Destination", "Where the records go."),
    "destination.kind": Words("Kind of destination"),
    "source(http)": Words("HTTP", "JSON over HTTP: any REST API."),
    "source(sql)": Words("SQL database", "Rows of a table, or of a query."),
    "source(sftp)": Words("SFTP server", "Files on a server, over SSH."),
    "source(file)": Words("File", "Files below SYNCTAIL_FILES on the machine of the worker."),
    "source(inbound)": Words("Inbound API", "What others post to this service's address."),
    "destination(http)": Words("HTTP", "Records are sent as JSON."),
    "destination(sql)": Words("SQL database", "Rows of a table that exists."),
    "destination(sftp)": Words("SFTP server", "Files on a server, over SSH."),
    "destination(file)": Words("File", "A file below SYNCTAIL_FILES on the machine of the worker."),
    "source.url": Words("Address", "Where the list of records is.", "https://api.example.com/orders"),
    "source(sql).url": Words(
        "Address of the database", "As SQLAlchemy takes it.", "postgresql+psycopg://reader@host/shop"
    ),
    "source.records": Words(
        "Records in", "The member of the answer that holds the list. Empty: the answer is the list.", "orders"
    ),
    "source.key": Words("Key", "The member that names a record: by it a record is known when it comes again.", "id"),
    "source.paging": Words("Paging"),
    "source.paging.style": Words("Style", "How the next page is found."),
    "source.paging.param": Words("Parameter", "The query parameter of the page's number, or of the cursor.", "page"),
    "source.paging.size": Words("Page size", "Records on a page. Empty: the page size of the options.", "100"),
    "source.paging.size_param": Words("Size parameter", "The query parameter that carries the page's size.", "limit"),
    "source.paging.next": Words("Next page", "JMESPath to the next cursor or address in the answer.", "meta.next"),
    "source.paging.total": Words(
        "Total", "JMESPath to the number of all records, so that progress can be shown.", "meta.total"
    ),
    "source.paging.first": Words("First page", "The number of the first page.", "1"),
    "source.query": Words(
        "Query", "SQL in place of a table, with :name for each parameter.", "SELECT * FROM orders WHERE shop = :shop"
    ),
    "source.params": Words("Parameters", "A line for each parameter of the query.", "shop = 7"),
    "source.after": Words("Afterwards", "What becomes of the files when the sync has completed."),
    "source.move_to": Words("Move to", "A folder, next to each file.", "done"),
    "source.path": Words(
        "Path", "May hold * and ?; the files are read in the order of their names.", "in/orders-*.csv"
    ),
    "source.table": Words("Table", "Leave it empty where there is a query.", "orders"),
    "source.format": Words("Format", "How the records stand in the file. Empty: as its name ends."),
    "destination.records": Words("Records in", "The member, or the outermost element, that holds the list.", "orders"),
    "destination.method": Words("Method", "How the records are sent."),
    "destination.batch": Words("Batch", "So many records are sent as a list. Empty: each by itself.", "50"),
    "destination.concurrency": Words("At once", "How many requests may be under way.", "4"),
    "destination.idempotency": Words("Idempotency key", "Send a key with each record, the same at each attempt."),
    "destination.url": Words("Address", "Where the records are sent.", "https://api.example.com/orders"),
    "destination(sql).url": Words("Address of the database", "As SQLAlchemy takes it.", "sqlite:////data/warehouse.db"),
    "destination.table": Words("Table", "A table that exists. Members without a column are left out.", "orders"),
    "destination.key": Words("Key", "The column by which a row is known.", "id"),
    "destination.mode": Words("Mode", "What becomes of what is there already."),
    "destination(sql).mode": Words(
        "Mode", "Of a row whose key is there already: it is replaced, or the new one refused."
    ),
    "destination.path": Words(
        "Path", "Where the file is written; {time} in it is the time of the sync.", "out/orders.ndjson"
    ),
    "destination.format": Words("Format", "How the records are written."),
    # --- who may
    "*.auth": Words(
        "Access", "How Synctail shows who it is. A secret is named here, and never written: the worker reads it."
    ),
    "*.auth.kind": Words("Kind of access"),
    "*.auth(bearer)": Words("Bearer token"),
    "*.auth(basic)": Words("User and password"),
    "*.auth(header)": Words("A header"),
    "*.auth.token": Words(
        "Secret with the token", "The worker reads it from SYNCTAIL_SECRET_ and this name.", "SHOP_TOKEN"
    ),
    "*.auth.user": Words("User", "The name to sign in with.", "reader"),
    "*.auth.password": Words(
        "Secret with the password", "The worker reads it from SYNCTAIL_SECRET_ and this name.", "SHOP_PASSWORD"
    ),
    "*.auth.name": Words("Header", "The header's name.", "X-Api-Key"),
    "*.auth.value": Words(
        "Secret with the value", "The worker reads it from SYNCTAIL_SECRET_ and this name.", "SHOP_KEY"
    ),
    # --- what happens to records
    "filters": Words("Filters", "A sync takes the records that pass all of these."),
    "filters[].field": Words("Field", "JMESPath: a member's name, or a path such as customer.country.", "updated_at"),
    "filters[].op": Words("Operator", "How the field is compared."),
    "filters[].value": Words(
        "Value", 'A text, a number, a list such as ["open", "paid"], or a time relative to the start: -1h, -7d.', "-1h"
    ),
    "script": Words("Script"),
    "script.code": Words(
        "Code",
        "Python: handle(records, log) returns the records to go on with.",
        "def handle(records, log):\n    return records",
    ),
    "script.language": Words("Language", "What the script is written in."),
    "script.timeout_s": Words("Time limit", "Seconds for each page of records.", "30"),
    "mapping": Words("Mapping", "What is pushed, member by member. Without one, a record is pushed as it was pulled."),
    "mapping[].from": Words("From", "JMESPath into the record; empty for the whole record.", "customer.email"),
    "mapping[].to": Words("To", "The member's name; a dot makes an object within.", "email"),
    "mapping[].with": Words("Functions", "What the value goes through, from left to right.", "trim | lower"),
    "lookups": Words("Lookup tables", "For the function lookup, which finds a value by another."),
    "lookups[].name": Words("Name", 'As the function names it: lookup("countries").', "countries"),
    "lookups[].entries": Words("Entries", "A line for each: DE = Germany.", "DE = Germany\nPT = Portugal"),
    # --- when and how
    "trigger": Words("Schedule"),
    "trigger.schedule": Words(
        "Cron expression",
        "Minute, hour, day of the month, month, day of the week. Empty: only when asked.",
        "*/15 * * * *",
    ),
    "trigger.timezone": Words("Time zone", "In which the expression is read.", "Europe/London"),
    "store": Words("Store payloads", "Files that a sync keeps, linked in its log, for as long as the log is kept."),
    "store.pull": Words("Pull", "Every page as the source sent it."),
    "store.script": Words("Script", "What the script returned."),
    "store.push": Words("Push", "What was sent to the destination."),
    "options": Words("Options"),
    "options.page_size": Words("Page size", "How many records are fetched and pushed at a time.", "100"),
    "options.max_attempts": Words("Attempts", "How often a request is tried before it counts as failed.", "4"),
    "options.overlap": Words("Overlap", "A sync may start while another one of this service runs."),
    "options.concurrency": Words(
        "Syncs at once", "How many may run at the same time where they may overlap. In all, each worker runs one.", "4"
    ),
    "options.max_failed": Words(
        "Failures allowed", "The sync ends as failed when more records failed. Empty: no limit.", "50"
    ),
    "options.timeout_s": Words("Time limit", "Seconds for a whole sync.", "3600"),
    "options.unseen_only": Words("Only what is new", "Skip a record that is as it was when an earlier sync pushed it."),
    # --- names that connectors share
    "*.host": Words("Host", "The server's name or address.", "sftp.example.com"),
    "*.port": Words("Port", "The port it listens on.", "22"),
    "*.user": Words("User", "The name to sign in with.", "reader"),
    "*.password": Words(
        "Secret with the password", "The worker reads it from SYNCTAIL_SECRET_ and this name.", "SHOP_PASSWORD"
    ),
    "*.table": Words("Table", "A table that exists.", "orders"),
    "*.schema": Words("Schema", "Where the table is; empty for the one that the database takes by itself.", "public"),
    "*.query": Words("Query", "SQL, in place of a table.", "SELECT * FROM orders"),
    "*.path": Words("Path", "Where the files are.", "out/*.csv"),
    "*.format": Words("Format", "How the records are written."),
    "*.key": Words("Key", "The member that names a record.", "id"),
    "*.records": Words("Records in", "What holds the list of records.", "orders"),
    "*.rate_per_s": Words("Requests per second", "At most so many. Empty: no limit.", "10"),
    "*.element": Words("Element", "Of XML: the element of a record.", "record"),
    "*.encoding": Words("Encoding", "How the file's text is encoded.", "utf-8"),
    "*.delimiter": Words("Delimiter", "Of CSV: what stands between fields.", ","),
    "*.columns": Words(
        "Columns", "Of CSV: the fields in their order, a line for each. Empty: the first line names them.", "id\ntotal"
    ),
    "*.private_key": Words(
        "Secret with the private key", "The worker reads it from SYNCTAIL_SECRET_ and this name.", "SFTP_KEY"
    ),
    "*.passphrase": Words("Secret with the passphrase", "Of the private key, where it has one.", "SFTP_PASSPHRASE"),
    "*.host_key": Words("Host key", "What the server must show: ssh-ed25519 AAAA… or SHA256:…", "SHA256:…"),
    "*.mode": Words("Mode", "What becomes of what is there already."),
}

_KIND = re.compile(r"\([^)]*\)")


def known(key: str) -> Words | None:
    """None for a member that this table does not know."""
    last_kind = re.fullmatch(r"(.*\.)?([^.()]+\([^)]*\))", key)
    plain = _KIND.sub("", key)
    parts = plain.split(".")
    candidates = [key]
    if last_kind:  # a kind's own name: only words for that kind will do
        candidates += [f"{_KIND.sub('', last_kind[1] or '')}{last_kind[2]}", f"*.{last_kind[2]}"]
    else:
        candidates += [plain, *(f"*.{'.'.join(parts[start:])}" for start in range(1, len(parts)))]
    return next((_WORDS[one] for one in candidates if one in _WORDS), None)


def of(key: str) -> Words:
    found = known(key)
    if found:
        return found
    name = re.split(r"[.(]", key.rstrip(")"))[-1].removesuffix("[]")
    return Words(name.replace("_", " ").capitalize())
