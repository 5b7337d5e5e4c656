"""A log on its way to a reader.

- `wire`: the frames, and how stored chunks become frames. Pure.
- `store`: reads summaries and logs. `hub`: what is new, for all viewers, over `subscriber`, the one subscription.
- `live`: the websocket. `downloads`: whole logs, as text or NDJSON. `payload_files`: payload files.
- `search`: find lines, by what `query` says. `outline`: a log's phases.
- `terminal_text`: text as a terminal would show it.
"""
