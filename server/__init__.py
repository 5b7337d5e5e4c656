"""Shows syncs; never runs one and never writes a log. The map, from the outside in:

- `__main__`: the process, with `socket`, its two protocols; `app`: builds everything and wires it; `settings`: its own
  part of the environment; `params`: query parameters, checked; `headers`: what every answer carries; `limits`: how much
  a client may send.
- `auth`: who is asking, and may they; `errors`: every error as a value, in one table; `health`: the state of Redis.
- `api`: JSON; `pages`: HTML, with `charts`, how high the bars of a day are; `live`: the websocket; `downloads`: whole
  logs; `payloads`: payload files. All read through the same few classes:
- `service_reader`, `summaries`, `log_reader`, `payload_reader`: each the only reader of what its name says.
- `hub`: what is new, for all viewers: one `broadcast` per watched sync, with its `tail` (pure: chunks in, frames out)
  and its `viewers`, held in step with Redis by a `keeper`, over `subscriber`, the process's one subscription. `tasks`:
  waiting that can be cancelled.
- `actions`: what may be done to syncs.
- `forms`: pages to make, change and run services, over `fields` (inputs out of a struct's type, and back), `words` (how
  they are called) and `service_form` (what stands where); `check_pages`: the state of its connections. `schedules`:
  cron in words; `trial`: a record, tried; `bundles`: services as TOML; `tokens`: access tokens.
- `wire`: the frames, and how chunks become frames. Pure.
"""
