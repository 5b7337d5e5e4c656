"""Records in files, read page by page and written batch by batch, in bounded memory. Nothing here opens a file.

- `codec`: what the connectors call, `read` and `Writer`.
- `csv`, `json` (NDJSON too), `xml`: how a format is read and how it is written.
- `base`: what a format is, and how large a record may be; from bytes to text, with the lines counted.
"""
