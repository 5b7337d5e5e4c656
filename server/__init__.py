"""Shows syncs, live. Never runs one, never writes a log.

`__main__` is the process; `app`, the only place that builds, hands everything what it needs; `settings` is its part of
the environment. Rooms, each above the next, so that imports go one way:

- `api`: JSON. `pages`: HTML of lists and syncs.
- `services`: what people make and change.
- `log`: a log on its way to a reader.
- `access`: who asks, and may they.
- `web`: HTTP itself; knows no sync.
"""
