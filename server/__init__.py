"""Shows syncs; never runs one and never writes a log. The map, from the outside in:

- `__main__`: the process, with `socket`, its two protocols; `app`: builds everything and wires it; `settings`: its own
  part of the environment; `params`: query parameters, checked; `headers`: what every answer carries; `limits`: how much
  a client may send.
- `auth`: who is asking, and may they; `errors`: every error as a value, in one table.
- `api`: JSON; `pages`: HTML, with `charts`, how high the bars of a day are; `live`: the websocket; `downloads`: whole
  logs; `payloads`: payload files. All read through the same two pieces:
- `store`: the only reader of summaries and logs; `hub`: what is new, for all who watch, over `subscriber`, this
  process's one subscription to Redis. `actions`: what may be done to syncs.
- `forms`: pages to make, change and run services, over `fields` (inputs from a struct's type, and back), `words` (the
  names of choices) and `service_form` (the sections); `check_pages`: the state of its connections. `schedules`:
  cron in words; `trial`: a record, tried; `bundles`: services as TOML; `tokens`: access tokens.
- `wire`: the frames, and how chunks become frames. Pure.
"""
