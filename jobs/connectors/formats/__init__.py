"""Records in files, read page by page and written batch by batch, in bounded memory. Nothing here opens a file.

- `read`, `write`: what the connectors call.
- `csv`, `json`, `ndjson`, `xml`: one format each, how it is read and how it is written.
- `base`: what a format is, and how large a record may be; `text`: from bytes to text, with the lines counted.
"""
