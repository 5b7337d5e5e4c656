"""One kind of system each, behind one protocol.

- `base`: the protocol, and the errors of all connectors; `open`: from a definition to its connector.
- `http` reads and `http_post` sends, over `http_client`.
- `sql_source` reads and `sql` writes, over `database`.
- `file`, in a `folder` of this machine, and `sftp`, over `ssh`: both are `files`, whose contents are `formats`.
- `retries`: how often and how fast a system is asked.
"""
