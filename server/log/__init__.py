"""A log on its way to a reader.

- `wire`: the frames, and how stored chunks become frames. Pure.
- `summaries`, `log_reader`, `payload_reader`: what readers get from Redis.
- `hub`: what is new, for all viewers: a `broadcast` for each watched sync, whose `tail` is kept by a `keeper`, over
  `subscriber`, the one subscription; `viewers`: one reader, as the hub knows it.
- `live`: the websocket. `downloads`: whole logs, as text or NDJSON. `payload_files`: payload files.
- `search`: find lines, by what `query` says. `outline`: a log's phases.
- `terminal_text`: text as a terminal would show it.
"""
