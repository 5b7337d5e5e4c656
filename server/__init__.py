"""Shows syncs; never runs one and never writes a log. The map, from the outside in:

- `app`: builds everything and wires it; `__main__`: the process. `settings`: its own part of the environment.
- `auth`: who is asking, and may they; `errors`: every error as a value, in one table.
- `api`: JSON; `pages`: HTML; `live`: the websocket. All three read through the same two pieces:
- `store`: the only reader of summaries and logs; `hub`: what is new, for all who watch.
- `wire`: the frames, and how chunks become frames. Pure.
"""
