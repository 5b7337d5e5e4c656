"""Shows syncs; never runs one and never writes a log. The map, from the outside in:

- `__main__`: the process, with `socket`, its two protocols; `app`: builds everything and wires it; `settings`: its own
  part of the environment; `params`: query parameters, checked; `bodies`: JSON in and out; `headers`: what every
  answer carries; `streams`: answers that break off visibly where they cannot go on.
- `routing`: what the route table says of a route; `gate`: holds requests to it, with `auth` (who is asking) and
  `origins` (which page made a browser ask); `errors`: every error as a value, in one table.
- `api`: JSON; `pages`: HTML, with `charts`, how high the bars of a day are; `live`: the websocket; `downloads`: whole
  logs; `payloads`: payload files. All read through the same two pieces:
- `store`: the only reader of summaries and logs; `hub`: what is new, for all who watch, over `subscriber`, this
  process's one subscription to Redis. `actions`: what may be done to syncs.
- `forms`: pages to make, change and run services, over `fields` (inputs out of a struct's type, and back), `words` (how
  they are called) and `service_form` (what stands where); `check_pages`: the state of its connections. `schedules`:
  cron in words; `trial`: a record, tried; `bundles`: services as TOML; `tokens`: access tokens.
- `wire`: the frames, and how chunks become frames. Pure.
"""
