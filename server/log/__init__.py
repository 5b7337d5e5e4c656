"""A log on its way to a reader.

- `wire`: the frames, and how stored chunks become frames. Pure.
- `summaries`, `log_reader`: what is stored.
- `hub`: what is new. For each watched sync a `keeper` brings it from Redis, over `subscriber`, the one subscription,
  and a `broadcast` gives it to the `viewers`, from the `tail`.
- `live`: the websocket. `poll`: the same frames over HTTP. `downloads`: whole logs. `payload_files`: payload files.
- `search`: find lines, by what `query` says. `outline`: a log's phases.
- `terminal_text`: text as a terminal would show it.
"""
